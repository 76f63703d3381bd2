"""The headers of our records, so that ids can be read without parsing."""

from collections.abc import Iterable

ID = "id"
KIND = "kind"
# Present after a person moved the router's offsets: what is routed again is meant to arrive again.
EPOCH = "epoch"
# Present on what was sent again of a dead letter: for whom alone it is, and of which letter it is.
REDRIVEN_FOR = "redriven-for"
REDRIVEN_OF = "redriven-of"

Headers = Iterable[tuple[str, bytes | None]]


def make(id_: str, kind: str, epoch: int) -> list[tuple[str, bytes]]:
    headers = [(ID, id_.encode()), (KIND, kind.encode())]
    if epoch:
        headers.append((EPOCH, str(epoch).encode()))
    return headers


def redriven(destination: str, letter: str) -> list[tuple[str, bytes]]:
    """Goes beside what `make` makes; `letter` is the dead letter's place in its topic."""
    return [(REDRIVEN_FOR, destination.encode()), (REDRIVEN_OF, letter.encode())]


def identity(headers: Headers) -> bytes | None:
    """What makes a record the same one when it comes again: its id, within its epoch.

    What was sent again of a dead letter is another record than the one that failed, and the same
    as whatever else is sent again of that letter.
    """
    found = dict(headers)
    if letter := found.get(REDRIVEN_OF):
        return b"redriven of " + letter
    id_ = found.get(ID)
    return id_ + b"@" + (found.get(EPOCH) or b"") if id_ else None


def redriven_for(headers: Headers) -> str | None:
    """The one destination that is meant; None where all are."""
    return _value(headers, REDRIVEN_FOR).decode(errors="replace") or None


def epoch(headers: Headers) -> bytes:
    return _value(headers, EPOCH)


def kind(headers: Headers) -> bytes | None:
    return _value(headers, KIND) or None


def _value(headers: Headers, name: str) -> bytes:
    """Kafka lets a header have no value, which says as little as no header."""
    return dict(headers).get(name) or b""
