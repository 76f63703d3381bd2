"""Gathers what one raw message becomes, within the bounds of one message."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import orjson
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from agents.router.ids import Ids
from agents.router.redaction import without_secrets
from agents.router.route_result import TARGETS, About, Content, Head, Out, Position, Routed
from agents.router.settings import RouterSettings
from agents.router.snapshots import PartitionSnapshots, Told
from models.dead_letter import DeadLetter
from models.mparticle.keys import key_of_nobody
from models.mparticle.times import UNREADABLE
from models.record import SCHEMA_VERSION
from streams.dead_letters.writer import preserve, preserve_key
from streams.headers import Raw
from streams.kafka.record_limits import written_size
from streams.topics import EVENTS, MAX_MESSAGE_BYTES, PRIVACY_REQUESTS, Topic

# The bytes of headers beside an id: a kind, an epoch, their names.
_HEADERS_BYTES = 192
# A record repeats its message, and makes of the shortest identity, "ab":1, eight times as much.
_RECORD_GROWTH = 8
_FRAME_BYTES = 4096
# Any message may become so many bytes, however small it is. One of up to `_SMALL` bytes becomes
# less, so that nothing of it is measured.
_LEAST_GROWN = 16 * 1024 * 1024
_SMALL = 8 * 1024
# A time that is later than the sending by more than clocks differ, or earlier by a year, is of a
# clock that is not set: factory dates are years back, and nobody sends after a year.
_CLOCKS_DIFFER_MS = 24 * 3600 * 1000
_LONGEST_ON_DEVICE_MS = 365 * 24 * 3600 * 1000
# The first faults of a part tell enough.
_MOST_PLACES = 3


class TooMuchError(Exception):
    """A message would become more than one message may."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class TopicLimits:
    """The bytes of the largest record that each topic takes, by its name without prefix."""

    __slots__ = ("_limits", "small")

    def __init__(self, limits: Mapping[str, int] = MappingProxyType({})) -> None:
        self._limits = limits
        least = min(limits.values(), default=MAX_MESSAGE_BYTES)
        self.small = min(_SMALL, (least - _FRAME_BYTES) // _RECORD_GROWTH)
        """Bytes of a message up to which nothing that it becomes needs to be measured."""

    def most(self, topic: Topic) -> int:
        return self._limits.get(topic.name, MAX_MESSAGE_BYTES)


_DEFAULT_LIMITS = TopicLimits()


class RawMessage:
    """Gathers what a raw message becomes.

    `whole` is the index for faults of all of it, or of the element where it `is_list`.
    """

    __slots__ = (
        *("value", "routed", "settings", "received_at_ms", "snapshots", "is_redriven"),
        *("is_list", "whole", "reserved", "is_over"),
        *("_at", "_copied", "_grown", "_ids", "_is_large", "_key", "_latest_ms", "_limits"),
        *("_preserved", "_users"),
    )

    def __init__(
        self,
        value: bytes,
        at: Position,
        received_at_ms: int,
        settings: RouterSettings,
        key: bytes | None = None,
        limits: TopicLimits = _DEFAULT_LIMITS,
        snapshots: PartitionSnapshots | None = None,
        *,
        is_redriven: bool = False,
    ) -> None:
        """`snapshots` remember what was routed of the partition's users; without it, all is new.

        What `is_redriven` was sent again by a person, and says nothing of a deploy or a setting.
        """
        self.value = value
        self.routed = Routed()
        self.settings = settings
        self.received_at_ms = received_at_ms
        self.snapshots = snapshots
        self.is_redriven = is_redriven
        self._latest_ms = received_at_ms + _CLOCKS_DIFFER_MS
        self.is_list = False
        self.whole: int | None = None
        self.reserved = 0
        self.is_over = False
        self._at = at
        self._key = key
        self._limits = limits
        self._is_large = len(value) > limits.small
        self._grown = 0
        self._ids = Ids()
        self._copied = 0
        self._preserved: dict[str, Any] | None = None
        self._users: list[bytes] = []

    @property
    def is_sure_of_changes(self) -> bool:
        """Returns whether its events' changes of attributes count, whatever came since for a user.

        Those of a late message do. What a person sends again is days old, and the user's next
        message tells what is left out of it, unless nothing but changes is routed.
        """
        return not self.is_redriven or self.settings.snapshots == "never"

    def begin(self) -> None:
        """Begins the next of the messages that this one lists."""
        self.whole = self.reserved
        self._ids = Ids()

    def reserve(self, parts: int = 1) -> int:
        """Gives so many parts the next indexes, and returns the first; raises TooMuchError."""
        first = self.reserved
        self.reserved = end = first + parts
        if end > self.settings.max_parts:
            raise self._too_many_parts()
        return first

    def emit(
        self,
        content: Content,
        about: About,
        index: int,
        part: Any,
        *,
        at_ms: int | None = None,
        own_id: bool = False,
        is_sure: bool = True,
    ) -> bool:
        """Adds a record of the part with that index; says whether there is one now.

        `part` is its content, as far as the record was made of it; `own_id` says that it has an id
        of its own at mParticle, `at_ms` is its own time; not `is_sure` is what may be outdated.
        Raises TooMuchError.
        """
        topic, kind = TARGETS[content.of]
        own = content.fields
        if "kind" in own:
            kind = own["kind"]
        id_ = self._ids.make(kind, about.mpid, None if own_id else about.scope, part)
        head = about.head or self._begin_records(about)
        occurred_ms = at_ms or head.message_ms
        if head.earliest_ms <= occurred_ms <= head.latest_ms:
            fields = {"kind": kind, "id": id_, "occurred_at_ms": occurred_ms, **own}
        else:
            fields = {"kind": kind, "id": id_}
            if not self._tell_odd_time(fields, at_ms, about, topic):
                self.drop("unreadable_time")
                return False
            fields.update(own)
        key = about.key or key_of_nobody(own, id_)
        out = Out(topic, key, head, index, orjson.dumps(fields), id_, kind, is_sure)
        if self._is_large and (size := self._weigh(out)) > (most := self._limits.most(topic)):
            detail = f"{topic.name} takes {most} bytes, it has {size}"
            self.refuse("record_too_large", index, detail)
            return False
        self.routed.outs.append(out)
        return True

    def _begin_records(self, about: About) -> Head:
        at = self._at
        shared = {
            "schema_version": SCHEMA_VERSION,
            "environment": "production",
            **about.shared,
            "received_at_ms": self.received_at_ms,
            "raw": {"topic": at.topic, "partition": at.partition, "offset": at.offset},
        }
        written = orjson.dumps(shared)[:-2] + b',"index":'
        position = Raw(at.partition, at.offset, self.received_at_ms)
        sent_at_ms = self.at_most_received(about.at_ms)
        about.head = head = Head(written, shared["environment"], position, sent_at_ms)
        message_ms = about.at_ms or 0
        if 0 < message_ms <= self._latest_ms:
            head.message_ms = message_ms
            head.earliest_ms = message_ms - _LONGEST_ON_DEVICE_MS
            head.latest_ms = message_ms + _CLOCKS_DIFFER_MS
        return head

    def at_most_received(self, at_ms: int | None) -> int:
        """Returns a time, in ms, but none after Kafka took the message; that one for no time."""
        return min(at_ms, self.received_at_ms) if at_ms and at_ms > 0 else self.received_at_ms

    def _tell_odd_time(
        self, fields: dict[str, Any], own_ms: int | None, about: About, topic: Topic
    ) -> bool:
        """Says when a part happened, and when it counts as having happened if that cannot be.

        A time that cannot be read is the message's. The message's is mParticle's or its sender's,
        and cannot be later than Kafka took it. Says False of an event of which nothing tells when.
        """
        message_ms = about.at_ms or 0
        is_sure = 0 < message_ms <= self._latest_ms
        occurred_ms = own_ms or message_ms
        if occurred_ms == UNREADABLE and message_ms <= 0:
            if topic is not EVENTS:
                self.routed.odd_times.append("unreadable")
            return topic is not EVENTS
        if occurred_ms == UNREADABLE:
            self.routed.odd_times.append("unreadable")
            occurred_ms = message_ms
        if not occurred_ms:
            return True
        fields["occurred_at_ms"] = occurred_ms
        base_ms = message_ms if is_sure else self.received_at_ms
        # A time long past may be right where the message does not say its own, where it is sent
        # again, and where a consent was given long ago.
        is_history = not is_sure or about.shared.get("replayed") or topic is PRIVACY_REQUESTS
        is_early = not is_history and occurred_ms < base_ms - _LONGEST_ON_DEVICE_MS
        if is_early or occurred_ms > base_ms + _CLOCKS_DIFFER_MS:
            self.routed.odd_times.append("clock")
            fields["judged_at_ms"] = base_ms
        return True

    def remember(self, user: bytes, told: Told | None) -> None:
        """Remembers what destinations were told of a user; None: that is not known for sure."""
        if self.snapshots is not None:
            self.snapshots.remember(user, told)
            self._users.append(user)

    def mark(self) -> tuple[int, int, int]:
        """Returns how many records, dead letters and drops there are so far, for `back_to`."""
        routed = self.routed
        return len(routed.outs), len(routed.dead_letters), len(routed.dropped)

    def back_to(self, mark: tuple[int, int, int]) -> None:
        """Forgets what the message became since that mark, and what it told of its users."""
        routed = self.routed
        del routed.outs[mark[0] :], routed.dead_letters[mark[1] :], routed.dropped[mark[2] :]
        if self.snapshots is not None:
            self.snapshots.reset()

    def give_up(self, error: TooMuchError) -> None:
        """Sets all of the message aside as one dead letter, whatever it has become."""
        self.back_to((0, 0, 0))
        self.is_over = True
        if self.snapshots is not None:
            self.snapshots.drop(self._users)
        self.refuse(error.reason, None, error.detail)

    def drop(self, reason: str) -> None:
        dropped = self.routed.dropped
        dropped.append(reason)
        if len(dropped) > self.settings.max_parts:
            raise self._too_many_parts()

    def refuse(self, reason: str, index: int | None, detail: str = "") -> None:
        """Sets the whole message's bytes aside because of the part with that index."""
        if len(self.routed.dead_letters) >= self.settings.max_parts:
            raise self._too_many_parts()
        letter = DeadLetter(
            stage="router",
            reason=reason,
            detail=detail,
            topic=self._at.topic,
            partition=self._at.partition,
            offset=self._at.offset,
            index=index,
            first_at_ms=self.received_at_ms,
            last_at_ms=self.received_at_ms,
            key=preserve_key(self._key),
            **self._copy(),
        )
        self.routed.dead_letters.append(letter)

    def refuse_part(self, error: ValueError, reason: str, index: int | None) -> None:
        """Sets the message's bytes aside because a part does not have the form it should have."""
        if isinstance(error, ValidationError):
            faults = error.errors(include_url=False, include_context=False, include_input=False)
            is_id = any(fault["type"] == "bad_id" for fault in faults)
            self.refuse("bad_id" if is_id else reason, index, _places(faults))
        else:
            self.refuse(reason, index, str(error))

    def _too_many_parts(self) -> TooMuchError:
        most = self.settings.max_parts
        return TooMuchError("too_many_parts", f"more than {most} (ROUTER_MAX_PARTS)")

    def _weigh(self, out: Out) -> int:
        """Returns the size of a record with its headers; raises TooMuchError for all so far."""
        size = written_size(out.key, out.written(), ()) + _HEADERS_BYTES
        self._grown += size
        most = max(_LEAST_GROWN, self.settings.max_growth * len(self.value))
        # Ids are made of bytes that are in no record; to digest them takes its time.
        if max(self._grown, self._ids.digested) > most:
            raise TooMuchError("too_much_growth", f"more than {most} bytes (ROUTER_MAX_GROWTH)")
        return size

    def _copy(self) -> dict[str, Any]:
        """Returns the fields of a dead letter that hold the message's bytes.

        They are empty where many parts of a large message are broken, and have been kept already.
        """
        if self._preserved is None:
            self._preserved = preserve(without_secrets(self.value))
        preserved: dict[str, Any] = self._preserved
        self._copied += len(preserved["value"])
        if self.routed.dead_letters and self._copied > MAX_MESSAGE_BYTES:
            return {**preserved, "value": b"", "truncated": True}
        return preserved

    @property
    def is_set_aside(self) -> bool:
        """True if a person wants it to be a dead letter, unread."""
        positions = self.settings.is_set_aside
        return bool(positions) and (self._at.partition, self._at.offset) in positions


def _places(faults: list[ErrorDetails]) -> str:
    places = (
        f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults[:_MOST_PLACES]
    )
    return "; ".join(places)
