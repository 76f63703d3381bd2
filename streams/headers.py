"""The headers of our records, so that ids can be read without parsing."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

ID = "id"
KIND = "kind"
# Present after a person moved the router's offsets: what is routed again is meant to arrive again.
EPOCH = "epoch"
# Redrive sets both: the one destination to deliver to, and the position of the dead letter.
REDRIVEN_FOR = "redriven-for"
REDRIVEN_OF = "redriven-of"

# The raw message of an update: its partition, offset, and when Kafka took it, in ms.
RAW = "raw"
# When an update's message was sent, in ms; with this behind it where the update says all of a user
# that the router does not remember, so that it may be what was true before.
SENT = "sent"
_UNSURE = b"?"

# Most records have an id and a kind, as `make` writes them, and nothing else.
_ORDINARY = 2

_RAW = re.compile(rb"\d{1,10}/\d{1,19}/\d{1,19}")
_SENT = re.compile(rb"(\d{1,19})(\??)")

Headers = Sequence[tuple[str, bytes | None]]


class Raw(NamedTuple):
    """A raw message's place, and when Kafka took it, in ms since the epoch."""

    partition: int
    offset: int
    received_at_ms: int


class Sent(NamedTuple):
    """The time at which mParticle sent an update's message, in ms since the epoch.

    Not `is_sure` is what a router says of a user whom it does not remember, where others may have
    said what is newer: it counts only if nobody has.
    """

    at_ms: int
    is_sure: bool


def make(
    id_: str, kind: str, epoch: int, origin: Sequence[tuple[str, bytes]] = ()
) -> list[tuple[str, bytes]]:
    """`origin` is what `origin` makes."""
    headers = [(ID, id_.encode()), (KIND, kind.encode()), *origin]
    if epoch:
        headers.append((EPOCH, str(epoch).encode()))
    return headers


def origin(raw: Raw | None, sent: Sent | None) -> list[tuple[str, bytes]]:
    """Says of an update where its raw message stands, and when that was sent."""
    headers = [(RAW, b"%d/%d/%d" % raw)] if raw is not None else []
    if sent is not None:
        headers.append((SENT, b"%d%b" % (sent.at_ms, b"" if sent.is_sure else _UNSURE)))
    return headers


def redriven(destination: str, letter: str) -> list[tuple[str, bytes]]:
    """Goes beside what `make` makes; `letter` is the dead letter's place in its topic."""
    return [(REDRIVEN_FOR, destination.encode()), (REDRIVEN_OF, letter.encode())]


def are_of_redriven(headers: Headers) -> bool:
    """Says whether they are of what a person sent again of a dead letter."""
    return any(name == REDRIVEN_OF for name, _ in headers)


class Marks(Struct, frozen=True, gc=False):
    """The headers of one record, read; foreign records may have none of them.

    `identity` makes a record the same one when it comes again: its id, within its epoch. What was
    sent again of a dead letter is another record than the one that failed, and the same as whatever
    else is sent again of that letter.
    """

    identity: bytes | None
    kind: bytes | None
    epoch: bytes
    redriven_for: str | None
    redriven_of: str | None
    raw: Raw | None = None
    sent: Sent | None = None

    def is_for(self, destination: str) -> bool:
        """Tells whether it is meant for this destination: a redriven record has a single one."""
        return self.redriven_for is None or self.redriven_for == destination


def read(headers: Headers) -> Marks:
    """Kafka lets a header have no value, which says as little as no header."""
    if len(headers) == _ORDINARY:
        (first, id_), (second, kind) = headers
        if first == ID and second == KIND and id_ and kind:
            return Marks(id_ + b"@", kind, b"", None, None)
    found = dict(headers)
    epoch = found.get(EPOCH) or b""
    if letter := found.get(REDRIVEN_OF):
        identity: bytes | None = b"redriven of " + letter
    else:
        identity = id_ + b"@" + epoch if (id_ := found.get(ID)) else None
    redriven_for = found.get(REDRIVEN_FOR)
    return Marks(
        identity,
        found.get(KIND) or None,
        epoch,
        redriven_for.decode(errors="replace") if redriven_for else None,
        letter.decode(errors="replace") if letter else None,
        _raw(found.get(RAW)),
        _sent(found.get(SENT)),
    )


def _raw(written: bytes | None) -> Raw | None:
    """None also where somebody else has written something else."""
    if not written or not _RAW.fullmatch(written):
        return None
    return Raw(*map(int, written.split(b"/")))


def _sent(written: bytes | None) -> Sent | None:
    if not written or not (said := _SENT.fullmatch(written)):
        return None
    return Sent(int(said[1]), not said[2])
