"""The headers of our records, so that ids can be read without parsing."""

from collections.abc import Iterable

ID = "id"
KIND = "kind"
# Present after a person moved the router's offsets: what is routed again is meant to arrive again.
EPOCH = "epoch"

Headers = Iterable[tuple[str, bytes]]


def make(id_: str, kind: str, epoch: int) -> list[tuple[str, bytes]]:
    headers = [(ID, id_.encode()), (KIND, kind.encode())]
    if epoch:
        headers.append((EPOCH, str(epoch).encode()))
    return headers


def identity(headers: Headers) -> bytes | None:
    """What makes a record the same one when it comes again: its id, within its epoch."""
    found = dict(headers)
    id_ = found.get(ID)
    return None if id_ is None else id_ + b"@" + found.get(EPOCH, b"")


def epoch(headers: Headers) -> bytes:
    return dict(headers).get(EPOCH, b"")


def kind(headers: Headers) -> bytes | None:
    return dict(headers).get(KIND)
