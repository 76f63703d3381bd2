"""Encodes the text beside a committed offset: what ended beyond it, and whose commit it was.

Writing finished work into the commit's metadata is the idea of Confluent's Parallel Consumer.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import NamedTuple

# A broker takes so many bytes unless its `offset.metadata.max.bytes` is set otherwise.
MAX_LENGTH = 4096
_VERSION = "2"
NOT_BEGUN = f"{_VERSION}|not begun"
"""The text of a commit by which a member only shows that it is one: it says no offset."""


class Sight(NamedTuple):
    """What the group saw when a partition's topic had so many `partitions` for the first time.

    The partition ended at `end`. Of the topic's partitions the group has begun as many as `begun`;
    beside one that was added this says, until more are, how many it had begun before.
    """

    begun: int = 0
    partitions: int = 0
    end: int = 0

    def is_of_added(self, number: int) -> bool:
        """Returns whether the partition of this number was added to what the group had begun."""
        return 0 < self.begun <= number


NOTHING_SEEN = Sight()


@dataclass(frozen=True, slots=True)
class Progress:
    """A committed offset and the runs [from, to) that ended beyond it.

    The epoch counts how often a person moved this partition's offset by hand. The group has none of
    what it has not `is_begun`.
    """

    offset: int
    ended: tuple[tuple[int, int], ...] = ()
    epoch: int = 0
    sight: Sight = NOTHING_SEEN
    is_begun: bool = True


def encode(progress: Progress, cluster: str, most: int = MAX_LENGTH) -> str:
    """Writes as many runs as fit, first ones first; what does not fit would only be repeated.

    The text is longer than `most` only where it has no runs.
    """
    if not progress.is_begun:
        return NOT_BEGUN
    sight = ".".join(map(str, progress.sight))
    head = f"{_VERSION}|{cluster}|{progress.offset}|{progress.epoch}|{sight}|"
    room = (most - len(head)) // 4 * 3
    body = bytearray()
    last = progress.offset
    for first, end in progress.ended:
        run = _varint(first - last) + _varint(end - first)
        if len(body) + len(run) > room:
            break
        body += run
        last = end
    return head + base64.b64encode(body).decode()


def decode(text: str, offset: int, cluster: str) -> Progress | None:
    """Reads what `encode` wrote; None unless it belongs to exactly this offset and cluster.

    An offset that was moved by hand has another text or none, and a mirrored one names another
    cluster: in both cases the runs would be about other records.
    """
    parts = text.split("|")
    if len(parts) != 6:  # noqa: PLR2004 - the six parts that encode writes
        return None
    version, written_by, base, epoch, sight, body = parts
    if (version, written_by, base) != (_VERSION, cluster, str(offset)) or not epoch.isdecimal():
        return None
    seen = sight.split(".")
    if len(seen) != len(Sight._fields) or not all(map(str.isdecimal, seen)):
        return None
    try:
        numbers = list(_varints(base64.b64decode(body, validate=True)))
    except (binascii.Error, ValueError):
        return None
    if len(numbers) % 2:
        return None
    runs = []
    at = offset
    for gap, length in zip(numbers[::2], numbers[1::2], strict=True):
        runs.append((at + gap, at + gap + length))
        at += gap + length
    return Progress(offset, tuple(runs), int(epoch), Sight(*map(int, seen)))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >> 7:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _varints(data: bytes) -> list[int]:
    numbers = []
    number = shift = 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
        else:
            numbers.append(number)
            number = shift = 0
    if shift:
        raise ValueError("the last number is cut")
    return numbers
