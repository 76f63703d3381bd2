"""Remembers what destinations were told of users, so that a snapshot is routed where it says more.

mParticle puts all attributes of a user into every message. Calculated attributes, those of servers
and those that were set before a destination knew the user are told in no other way, and most
snapshots say nothing new. The memory holds digests, name by name, and no values: so a message that
has some of the attributes only is compared with what is known of these, and a change that came as
an event is known as well.

A memory is one worker's and may forget: what is not remembered is routed, and is nothing new to a
destination. It must never believe more than was written, nor what may be so no longer. A message
that was sent before the memory began may be older than what others routed, as one that a person
sends again is: what it says is routed as not sure, for sinks to judge
(streams/delivery/ordering/snapshot_order.py), and not believed.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from threading import Lock
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import orjson
from faust.types import TP
from msgspec import Struct

from models.record import Value
from streams.delivery.ordering.partition_memory import PartitionMemory


class Gone:
    """The state of an attribute that was removed."""


GONE: Final = Gone()
State: TypeAlias = Value | Gone
Identities: TypeAlias = Sequence[Mapping[str, str]]

_WHO = itemgetter("type", "value", "encoding")
# A user with more attributes is not remembered; mParticle takes 100 in a batch.
_MOST_NAMES = 1_000


class Told(Struct, gc=False):
    """The memory of one user: what was told last, and mParticle's time then, in milliseconds.

    `parts` are keys of names, which are odd, and of types of identities, which are even, and after
    all of them the digests of their states and values; `whole` is that of the message's snapshot as
    it stood there, 0 where something else was told since. Nothing is known of what was told before
    `since_ms`.
    """

    at_ms: int
    since_ms: int
    whole: int
    parts: "array[int]"


class Snapshot(Struct, frozen=True):
    """The attributes of its user that a message tells, and who the user is.

    `said` are the states that its own events told, `adds_identity` says whether one told a new
    identity; `whole` is `digest_of` what it says where it has all attributes of the user, as far as
    the sender knows them, else 0; `is_text_only` says that it has text for whatever the customer
    set, and `is_redriven` that a person sent it again.
    """

    user: bytes
    at_ms: int
    identities: Identities
    states: Mapping[str, State]
    said: Mapping[str, State]
    adds_identity: bool = False
    whole: int = 0
    is_text_only: bool = False
    is_redriven: bool = False


class Differing(Struct, frozen=True):
    """The states to route, whether others were older than what was told, and what is told then.

    Where it is not `is_sure`, they may be older than what was told, which is not known.
    """

    states: Mapping[str, State]
    overtaken: bool
    told: Told | None
    is_sure: bool


class Snapshots:
    """Remembers `limit` users, by the partitions of the raw topic that their messages stand in."""

    def __init__(self, limit: int) -> None:
        self.told = PartitionMemory[int, Told](limit, self._forgot)
        # A long message is mapped in a thread of its own, beside those of other partitions.
        self.lock = Lock()
        # The memory of users who are not in it: when it began, or the newest that it forgot.
        self._since_ms: dict[TP, int] = {}

    def of(self, tp: TP, now_ms: int = 0) -> "PartitionSnapshots":
        """Returns a partition's memory, which begins now if there is none; 0: with all that is.

        `now_ms` is when Kafka took the message that is read: later than all before it were sent.
        """
        with self.lock:
            self._since_ms.setdefault(tp, now_ms)
        return PartitionSnapshots(tp, self)

    def since_ms(self, tp: TP) -> int:
        """Returns the time, in ms, since when users who are not remembered were told nothing."""
        return self._since_ms.get(tp, 0)

    def forget(self, tp: TP) -> None:
        """Forgets a partition: somebody else may have routed what we do not know."""
        with self.lock:
            self.told.forget(tp)
            self._since_ms.pop(tp, None)

    def drop(self, tp: TP, user: int) -> None:
        """Forgets one user."""
        if (told := self.told.get(tp, user)) is not None:
            self.told.drop(tp, user)
            self._forgot(tp, told)

    def _forgot(self, tp: TP, told: Told) -> None:
        self._since_ms[tp] = max(self.since_ms(tp), told.at_ms)


class PartitionSnapshots:
    """The users of one partition; what a message changes counts when all of it is routed."""

    def __init__(self, tp: TP, memory: Snapshots) -> None:
        self._tp = tp
        self._memory = memory
        self._told = memory.told
        self._lock = memory.lock
        self._pending: dict[int, Told | None] = {}

    def is_known(self, user: bytes, at_ms: int, whole: int) -> bool:
        """Says whether a whole snapshot is the one that was told last: most of them are."""
        name = hash(user)
        if name in self._pending:
            return False
        with self._lock:
            told = self._told.get(self._tp, name)
            if told is None or told.whole != whole:
                return False
            told.at_ms = max(told.at_ms, at_ms)
            self._told.put(self._tp, name, told)
        return True

    def compare(self, snapshot: Snapshot) -> Differing:
        """Says which states to route."""
        name = hash(snapshot.user)
        with self._lock:
            since_ms = self._memory.since_ms(self._tp)
            told = self._told.get(self._tp, name)
        return _differing(snapshot, self._pending.get(name, told), since_ms)

    def remember(self, user: bytes, told: Told | None) -> None:
        """Remembers what was told of a user, once the message is routed; None: nothing sure."""
        self._pending[hash(user)] = told

    def drop(self, users: Iterable[bytes]) -> None:
        """Forgets users, because what they were told was taken back."""
        self._pending.clear()
        with self._lock:
            for user in users:
                self._memory.drop(self._tp, hash(user))

    def settle(self) -> None:
        """Makes what the message changed count: it is routed."""
        if not self._pending:
            return
        with self._lock:
            for user, told in self._pending.items():
                if told is not None:
                    self._told.put(self._tp, user, told)
                else:
                    self._memory.drop(self._tp, user)
        self._pending.clear()

    def reset(self) -> None:
        """Forgets what the message changed: it is not routed."""
        self._pending.clear()


def differs_from_said(states: Mapping[str, State], said: Mapping[str, State]) -> dict[str, State]:
    """Returns the states that a message's own events have not told already."""
    if not said:
        return dict(states)
    return {
        name: state
        for name, state in states.items()
        if name not in said or _digest(said[name]) != _digest(state)
    }


def _differing(snapshot: Snapshot, told: Told | None, since_ms: int) -> Differing:
    before = _read_parts(told.parts) if told else {}
    since_ms = told.since_ms if told else since_ms
    # States that are shared with an audience are not judged by their age: see below.
    is_sure = not snapshot.whole or (snapshot.at_ms >= since_ms and not snapshot.is_redriven)
    identities = {
        hash((each["type"], each["encoding"])) & ~1: hash(each["value"].strip().lower())
        for each in snapshot.identities
    }
    is_older = told is not None and snapshot.at_ms < told.at_ms
    # Whoever has just got an address is new to a destination that knows users by it. One that was
    # there before is not new, though it is another.
    is_new = snapshot.adds_identity or (
        not identities.keys() <= before.keys()
        if is_older
        else not identities.items() <= before.items()
    )
    known = before
    if is_new and not is_older:
        # The new one was told none of what was told before, also not what this message lacks.
        known = {key: digest for key, digest in before.items() if not key & 1}
    said = {hash(name) | 1: _digest(state) for name, state in snapshot.said.items()}
    # States that its own events have told are no more as they were.
    current = {**known, **said} if said else known
    was = _Was(before, current, said, is_older, not (is_new and is_older))
    states, differing, overtaken = _judged(snapshot, was)
    whole = 0
    if is_older or not is_sure:
        # A destination that has had it already, or what is newer, drops it: what counts there is
        # not known from here, and no other old message may fill it in.
        known = dict(known)
        for key in (*said, *(hash(name) | 1 for name in differing)):
            known[key] = _UNCERTAIN
    else:
        whole = snapshot.whole
        if not (said.items() <= before.items() and states.items() <= before.items()):
            # Whoever knows the user by what this message lacks was not told.
            known = {key: each for key, each in known.items() if key & 1 or key in identities}
        known = {**known, **identities, **said, **states}
    if len(known) > _MOST_NAMES:
        return Differing(differing, overtaken, None, not snapshot.whole)
    if told is not None and known == before:
        # What is remembered is as it was: not packed once more.
        parts = told.parts
    else:
        # An array of a list, whose length is known; item by item it takes five times as long.
        parts = array("q", [*known, *known.values()])
    at_ms = _later(told, snapshot)
    return Differing(differing, overtaken, Told(at_ms, since_ms, whole, parts), is_sure)


class _Was(Struct, frozen=True, gc=False):
    """The digests told of a user before a message, with those of its events, and by these alone."""

    before: Mapping[int, int]
    current: Mapping[int, int]
    said: Mapping[int, int]
    is_older: bool
    is_told_for_sure: bool


def _judged(snapshot: Snapshot, was: _Was) -> tuple[dict[int, int], dict[str, State], bool]:
    """Returns the digests of a snapshot's states, the states to route, and whether others are old.

    Old is what is older than what was told of the user since.
    """
    digests: dict[int, int] = {}
    differing: dict[str, State] = {}
    overtaken = False
    before, current, said = was.before, was.current, was.said
    is_text_only, is_told_for_sure = snapshot.is_text_only, was.is_told_for_sure
    for name, state in snapshot.states.items():
        key = hash(name) | 1
        # Most are text: as `_digest` has it, without a call.
        digest = (hash(state) & ~3) or 4 if type(state) is str else _digest(state)
        now = digest
        if is_text_only and (form := before.get(key)) is not None and form | 3 == digest | 3:
            # In the form in which the same was told before, by a source that knew it.
            now = form
        digests[key] = now
        then = current.get(key)
        is_told = then == now or (is_text_only and then is not None and then | 3 == now | 3)
        if is_told and (is_told_for_sure or key in said):
            continue
        if not is_told and then and was.is_older and snapshot.whole and key not in said:
            # Sent again, or late: it fills in what nobody has told, and takes nothing back. What is
            # shared with an audience is no state of a time before, but what changed.
            overtaken = True
        else:
            differing[name] = state if now == digest else _as_told(state, now)
    return digests, differing, overtaken


def _read_parts(parts: "array[int]") -> dict[int, int]:
    numbers = parts.tolist()
    # The digests end first, for they are behind the keys.
    return dict(zip(numbers, numbers[len(numbers) // 2 :], strict=False))


def _later(told: Told | None, snapshot: Snapshot) -> int:
    return snapshot.at_ms if told is None else max(told.at_ms, snapshot.at_ms)


def digest_of(states: Mapping[str, State], identities: Identities) -> int:
    """Returns a digest of a user's attributes and of who has them, which is never 0."""
    who = list(map(_WHO, identities))
    return hash(orjson.dumps([states, who], _gone, orjson.OPT_SORT_KEYS)) or 1


def _gone(_: Any) -> list[str]:
    # No attribute holds a list in a list.
    return [[]]  # type: ignore[list-item]


# Two bits of a digest say in what form a state was told, the others what it was.
_TEXT, _NUMBER, _BOOLEAN, _OTHER = range(4)
# The digest of no state: something was told, and whether it counts is not known.
_UNCERTAIN = 1
_TEXTS = frozenset({str})
_FORMS: Mapping[type, int] = MappingProxyType(
    {str: _TEXT, int: _NUMBER, float: _NUMBER, bool: _BOOLEAN}
)


def _digest(state: State) -> int:
    """Returns a state's digest, which is never 0, nor as small as `_UNCERTAIN`."""
    kind = type(state)
    if kind is str:
        return (hash(state) & ~3) or 4
    if type(state) is list:
        is_text = _TEXTS.issuperset(map(type, state))
        content = hash(tuple(state) if is_text else tuple(map(_text, state)))
    elif state is None or kind is Gone:
        content = hash(state)
    else:
        content = hash(str(state) if kind is int else _text(state))
    return ((content & ~3) or 4) | _FORMS.get(kind, _OTHER)


def _as_told(state: State, digest: int) -> State:
    """Returns a state in the form that its digest says."""
    form = digest & 3
    if isinstance(state, str) and form == _NUMBER:
        return int(state) if state.removeprefix("-").isdecimal() else float(state)
    if isinstance(state, str) and form == _BOOLEAN:
        return state == "true"
    return str(_text(state)) if isinstance(state, bool | int | float) and form == _TEXT else state


def _text(value: Any) -> str | None:
    kind = type(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is float and value.is_integer():
        return str(int(value))
    return None if value is None else str(value)
