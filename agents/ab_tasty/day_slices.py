"""The members whose rows are due, a slice a day, as the topic `ab-tasty-members` tells of them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from zlib import crc32

from aiokafka.structs import ConsumerRecord

# The digits of a time in milliseconds; Python refuses to read a number of thousands of digits.
_MAX_DIGITS = 19


class Joined(NamedTuple):
    """A member as the topic holds it, and when AB Tasty last took the row."""

    offset: int
    key: bytes
    at_ms: int

    @property
    def _text(self) -> str:
        # A key that somebody else wrote names no visitor that AB Tasty would take.
        return self.key.decode(errors="replace")

    @property
    def visitor_id(self) -> str:
        return self._text.partition("/")[0]

    @property
    def audience_id(self) -> str:
        return self._text.partition("/")[2]


def joined_value(at_ms: int, identity: str) -> bytes:
    """Returns what the topic holds of a member; of one who left it holds nothing."""
    return f"{at_ms} {identity}".encode()


def turn(key: bytes, days: int) -> int:
    """The day of each `days` days on which it is a member's turn."""
    return crc32(key) % days


class DaySlices:
    """The members of some days in a row, in one reading of a partition.

    Where there are more than memory is for, the last days are left to another reading, but never
    the first one. Who joined stands there until a later record says otherwise, so nobody is told
    of before the partition's end.
    """

    def __init__(self, days: range, every: int, due_ms: int, most: int, identity: str) -> None:
        """Leaves out whoever has had a row after `due_ms`, and holds `most` members at most.

        `identity` is the setting. Whose visitor id is another's is not due either: leaves of theirs
        come under the present one.
        """
        self._every = every
        self._due_ms = due_ms
        self._most = most
        self._identity = identity.encode()
        self._held = 0
        self._days = days
        # In their order. Of `every` days in a row no two have the same turn.
        self._by_turn: dict[int, dict[bytes, Joined]] = {day % every: {} for day in days}

    def holds(self, key: bytes) -> bool:
        return turn(key, self._every) in self._by_turn

    def add(self, record: ConsumerRecord) -> None:
        """Takes the next record of the partition."""
        key = record.key or b""
        members = self._by_turn.get(turn(key, self._every))
        if members is None:
            return
        if members.pop(key, None):
            self._held -= 1
        ms, _, identity = (record.value or b"").partition(b" ")
        if not ms.isdigit() or len(ms) > _MAX_DIGITS or identity != self._identity:
            return
        if (at_ms := int(ms)) <= self._due_ms:
            members[key] = Joined(record.offset, key, at_ms)
            self._held += 1
            self._leave_what_is_too_much()

    def _leave_what_is_too_much(self) -> None:
        while self._held > self._most and len(self._by_turn) > 1:
            _, members = self._by_turn.popitem()
            self._held -= len(members)

    def due(self) -> Iterator[tuple[int, Sequence[Joined]]]:
        """Each day that is held, from the first on, and its members in the order of offsets."""
        # The last days may have been left out.
        for day, members in zip(self._days, self._by_turn.values(), strict=False):
            yield day, tuple(members.values())
