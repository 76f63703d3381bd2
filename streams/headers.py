"""The headers of our records, so that ids can be read without parsing."""

from collections.abc import Iterable

ID = "id"
KIND = "kind"
# Present after a person moved the router's offsets: what is routed again is meant to arrive again.
EPOCH = "epoch"

Headers = Iterable[tuple[str, bytes | None]]


def make(id_: str, kind: str, epoch: int) -> list[tuple[str, bytes]]:
    headers = [(ID, id_.encode()), (KIND, kind.encode())]
    if epoch:
        headers.append((EPOCH, str(epoch).encode()))
    return headers


def identity(headers: Headers) -> bytes | None:
    """What makes a record the same one when it comes again: its id, within its epoch."""
    id_ = _value(headers, ID)
    return id_ + b"@" + epoch(headers) if id_ else None


def epoch(headers: Headers) -> bytes:
    return _value(headers, EPOCH)


def kind(headers: Headers) -> bytes | None:
    return _value(headers, KIND) or None


def _value(headers: Headers, name: str) -> bytes:
    """Kafka lets a header have no value, which says as little as no header."""
    return dict(headers).get(name) or b""
