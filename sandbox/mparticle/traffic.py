"""The stream of messages: who says what next, and what the ledger must hold of it."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import NamedTuple, Self

from sandbox.mparticle.broken import broken, broken_batch_event, broken_firehose_event
from sandbox.mparticle.catalogue import AUDIENCES, CROWD_AUDIENCES, LEGACY_AUDIENCES, Audience
from sandbox.mparticle.crowd import crowd, legacy_membership
from sandbox.mparticle.event_batch import sdk_batch, second_upload, server_batch
from sandbox.mparticle.firehose import Written, event_request, membership_request, subscription
from sandbox.mparticle.kinds import Kind, Shares
from sandbox.mparticle.ledger import Ledger
from sandbox.mparticle.once import development, nobody
from sandbox.mparticle.protocol import (
    privacy_records,
    privacy_request,
    probe,
    registration,
    response,
)
from sandbox.mparticle.schedule import OF_A_USER, Schedule
from sandbox.mparticle.users import IDENTITY_CARRIERS, User
from sandbox.mparticle.wire import Message, chance, message

# Wide enough for a message's events to lie, a millisecond each, after the message before it.
STEP_MS = 50
_AGAIN = frozenset({Kind.REPEAT, Kind.SECOND_UPLOAD})
# Event messages that may be sent again: those of the last few hundred messages.
_RECENT = 120
_ALL_AUDIENCES = (*AUDIENCES, *CROWD_AUDIENCES, *LEGACY_AUDIENCES)


def duration_ms(messages: int) -> int:
    """From `start_ms` to the time of the last message."""
    return messages * STEP_MS


def generate(
    seed: int,
    users: int,
    messages: int,
    start_ms: int,
    *,
    shares: Shares | None = None,
    unknown: float = 0.6,
    renamed: float = 0.2,
) -> "Traffic":
    """Messages that are the same for the same arguments, one each `STEP_MS` from `start_ms` on.

    Audiences are connected first. `unknown` is the share of users without a usable address: most
    of a shop's visitors never log in, but those who do come more often, so that fewer of the
    messages are about the others. `renamed` is the share of the rest whose e-mail changes, as far
    as they have messages to tell it.
    """
    schedule = Schedule(seed, users, messages - len(_ALL_AUDIENCES), shares or Shares())
    return Traffic(schedule, _ALL_AUDIENCES[:messages], start_ms, unknown, renamed)


class _Recent(NamedTuple):
    """A message that may come again, and how its user was known then."""

    sent: Message
    kind: Kind
    user: User
    email: str | None
    written: Written


class Traffic(Iterator[Message]):
    """Writes messages as they are asked for; `ledger` is complete when there are no more."""

    def __init__(
        self,
        schedule: Schedule,
        audiences: Sequence[Audience],
        start_ms: int,
        unknown: float,
        renamed: float,
    ) -> None:
        self.ledger = Ledger()
        self._rng = Random(f"{schedule.seed} messages")
        self._schedule = schedule
        self._audiences = audiences
        self._start_ms = start_ms
        self._unknown, self._renamed = unknown, renamed
        self._to_come: dict[int, Counter[Kind]] = {}
        self._users: dict[int, User] = {}
        self._recent: deque[_Recent] = deque(maxlen=_RECENT)
        self._messages = self._write()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Message:
        return next(self._messages)

    def _write(self) -> Iterator[Message]:
        # The same draws twice: once to know how many messages each user will have, so that the
        # last of them can bring the user to the end decided for them, and once to write them.
        self._to_come = self._schedule.by_user()
        time_ms = self._start_ms
        for audience in self._audiences:
            time_ms += STEP_MS
            self._count(Kind.AUDIENCE_ADD)
            self.ledger.audiences[str(audience.id)] = audience.name
            yield message(subscription(self._rng, audience, time_ms, "add"), audience.id)
        for kind, number in self._schedule:
            time_ms += STEP_MS
            if kind in OF_A_USER:
                self._count(kind)
                yield self._of_user(kind, number, time_ms)
            elif kind in _AGAIN:  # with nothing to repeat yet, a probe says nothing either
                again = self._again() if kind is Kind.REPEAT else self._uploaded_again(time_ms)
                yield again or self._of_nobody(Kind.PROBE, time_ms)
            else:
                yield self._of_nobody(kind, time_ms)

    def _count(self, kind: Kind) -> int:
        messages = self.ledger.counts.messages
        messages[kind.value] += 1
        return messages[kind.value]

    def _of_user(self, kind: Kind, number: int, time_ms: int) -> Message:
        user = self._users.get(number) or self._meet(number)
        user.to_come[kind] -= 1
        before = user.email
        written = self._written(kind, user, time_ms)
        told = written.told
        self.ledger.counts.privacy_requests += privacy_records(written.body)
        if before is not None and before != user.email:
            self.ledger.move(before, user.email or "")
        self.ledger.note(user.email, told)
        if written.segments:
            segments = self.ledger.segments.setdefault(str(user.mpid), {})
            segments |= written.segments
        sent = message(written.body, user.mpid)
        # A repeat of changes would go back in time, so only messages without any are sent again.
        if kind in IDENTITY_CARRIERS and not told.changes and before == user.email:
            self._recent.append(_Recent(sent, kind, user, user.email, written))
        return sent

    def _meet(self, number: int) -> User:
        self._users[number] = User(
            self._rng,
            number,
            self._to_come.pop(number),
            unknown=self._schedule.of_rank(number, self._unknown),
            renamed=self._renamed,
        )
        return self._users[number]

    def _written(self, kind: Kind, user: User, time_ms: int) -> Written:
        rng = self._rng
        plain = rng.choice((0, 1, 1, 1, 1, 2, 2, 4))
        match kind:
            case Kind.FIREHOSE:
                return event_request(rng, user, time_ms, plain=plain)
            case Kind.BATCH:
                return sdk_batch(rng, user, time_ms, plain=plain)
            case Kind.SNAPSHOT:
                return server_batch(rng, user, time_ms, kind=kind, plain=0)
            case Kind.SERVER_BATCH:
                return server_batch(rng, user, time_ms, kind=kind, plain=max(1, plain))
            case Kind.MEMBERSHIP:
                return membership_request(rng, user, time_ms)
            case _:
                self.ledger.counts.partly_broken += 1
                return _partly_broken(rng, user, time_ms)

    def _again(self) -> Message | None:
        if not self._recent:
            return None
        recent = self._rng.choice(self._recent)
        self._count(Kind.REPEAT)
        self._repeated(recent, recent.written)
        return recent.sent

    def _uploaded_again(self, time_ms: int) -> Message | None:
        """The events of a batch in another batch, with the attributes as they are by now."""
        batches = [
            recent
            for recent in self._recent
            if recent.kind is Kind.BATCH and recent.email == recent.user.email
        ]
        if not batches:
            return None
        recent = self._rng.choice(batches)
        self._count(Kind.SECOND_UPLOAD)
        written = second_upload(self._rng, recent.user, recent.written.body, time_ms)
        self._repeated(recent, written)
        self.ledger.note(recent.user.email, written.told)
        return message(written.body, recent.user.mpid)

    def _repeated(self, recent: _Recent, again: Written) -> None:
        self.ledger.counts.privacy_requests += privacy_records(again.body)
        if recent.email is not None:
            self.ledger.counts.repeated_events += len(recent.written.told.events)

    def _of_nobody(self, kind: Kind, time_ms: int) -> Message:
        number, rng = self._count(kind), self._rng
        if kind is Kind.AUDIENCE_UPDATE:
            audience = rng.choice(self._audiences)
            return message(subscription(rng, audience, time_ms, "update"), audience.id)
        if (write_once := _ONCE.get(kind)) is not None:
            return write_once(rng, self.ledger, number, time_ms)
        reason, write = _DROPPED[kind]
        self.ledger.counts.dropped[reason] += 1
        return write(rng, time_ms)


def _broken(rng: Random, ledger: Ledger, _: int, time_ms: int) -> Message:
    ledger.counts.broken += 1
    return broken(rng, time_ms)


def _privacy_request(rng: Random, ledger: Ledger, number: int, time_ms: int) -> Message:
    ledger.counts.privacy_requests += 1
    return privacy_request(rng, number, time_ms)


# About people who appear in one message only, or about nobody.
_ONCE: dict[Kind, Callable[[Random, Ledger, int, int], Message]] = {
    Kind.CROWD: crowd,
    Kind.LEGACY_MEMBERSHIP: legacy_membership,
    Kind.NOBODY: nobody,
    Kind.DEVELOPMENT: development,
    Kind.PRIVACY_REQUEST: _privacy_request,
    Kind.BROKEN: _broken,
}
_DROPPED: dict[Kind, tuple[str, Callable[[Random, int], Message]]] = {
    Kind.PROBE: ("no_op", probe),
    Kind.REGISTRATION: ("module_registration", registration),
    Kind.RESPONSE: ("response", response),
}


def _partly_broken(rng: Random, user: User, time_ms: int) -> Written:
    if chance(rng, 0.5):
        written = event_request(rng, user, time_ms, plain=2, changes=False)
        wrong = broken_firehose_event(rng, time_ms)
    else:
        written = sdk_batch(rng, user, time_ms, plain=2, changes=False)
        wrong = broken_batch_event(rng, time_ms)
    events = written.body["events"]
    events.insert(rng.randint(0, len(events)), wrong)
    return written
