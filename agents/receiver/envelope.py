"""Reads of a message what the receiver must know: its key, and what it asks for."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson
from pydantic_core import PydanticCustomError

from models.mparticle.identity import DEVICE, USER, Named, read_identities
from models.mparticle.keys import key_of_somebody
from models.mparticle.parsing import UnreadableMessageError, parse, reject_too_many_values
from models.mparticle.values import LONGEST_ID, UnreadableError, known_mpid

_SPELLING = MappingProxyType({**USER, **DEVICE})
# An id's bytes: longer ones are none for the router either.
_MAX_KEY = 4 * LONGEST_ID


class Asked(NamedTuple):
    """The part of a message kept while Kafka is waited for; parsed it is ten times as large."""

    key: bytes | None
    type: str | None
    id: str | None


def look(body: bytes) -> Asked:
    """Reads a message; of what is none nothing is told, as the router is to judge it."""
    message = _read(body)
    envelope = message if isinstance(message, dict) else {}
    type_, id_ = envelope.get("type"), envelope.get("id")
    return Asked(
        _key(message),
        type_ if isinstance(type_, str) else None,
        id_ if isinstance(id_, str) else None,
    )


def _read(body: bytes) -> Any:
    try:
        reject_too_many_values(body)
    except UnreadableMessageError:
        return None
    # Of what no record has, NULs and half pairs, the router's parser makes what records have; half
    # pairs are an error for orjson.
    if b"\\u0000" not in body:
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            pass
    try:
        return parse(body)
    except UnreadableMessageError:
        return None


def _key(message: Any) -> bytes | None:
    """The key that the router gives the records of this user, or of this audience.

    None for messages about nobody or about several, and for what has no form that we know. Of a
    data-subject request's extensions nothing is read: there is no order for it to keep.
    """
    keys = map(_key_of, _parts(message))
    key = next(keys, None)
    # A part about nobody, or about another, ends the search: there may be half a million.
    return key if key is not None and all(each == key for each in keys) else None


def _parts(message: Any) -> Iterator[Mapping[str, Any]]:
    """Yields the parts about one user each: a message may be a list, and have profiles."""
    for each in _objects(message if isinstance(message, list) else [message]):
        profiles = each.get("user_profiles")
        yield from _objects(profiles) if isinstance(profiles, list) else (each,)


def _objects(listed: list[Any]) -> Iterator[dict[str, Any]]:
    return (each for each in listed if isinstance(each, dict))


def _key_of(part: Mapping[str, Any]) -> bytes | None:
    if mpid := _mpid(part):
        found: bytes | None = mpid.encode()
    else:
        stamp = part.get("device_application_stamp") or part.get("mp_deviceid")
        about = {
            "identities": [*_identities(part, "user_identities", "subject_identities")],
            "device_stamp": stamp if isinstance(stamp, str) else None,
            "audience_id": _text(part, "audience_id"),
        }
        found = key_of_somebody(about)
    return found if found and len(found) <= _MAX_KEY else None


def _mpid(part: Mapping[str, Any]) -> str | None:
    try:
        return known_mpid(part.get("mpid"))
    except PydanticCustomError:
        return None


def _text(part: Mapping[str, Any], name: str) -> str | None:
    """An id as text; floats have lost digits."""
    value = part.get(name)
    return str(value) if type(value) is int or isinstance(value, str) else None


def _identities(part: Mapping[str, Any], *names: str) -> Iterator[Named]:
    for name in names:
        yield from read_identities(part.get(name), _SPELLING, _pass_over)


def _pass_over(_place: int | None, _error: UnreadableError) -> None:
    """A broken identity names nobody; the router makes a dead letter of it."""
