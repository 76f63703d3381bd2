"""Keys of records: what has one key stands in one partition and keeps its order."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any


def key_of_somebody(fields: Mapping[str, Any]) -> bytes | None:
    """Takes the mpid; else a digest of the first of customer id, e-mail and device stamp.

    Without a user: the audience's id; without an audience too: none.
    """
    if mpid := fields.get("mpid"):
        return str(mpid).encode()
    if known := _known(fields):
        return _digest(known)
    audience_id = fields.get("audience_id")
    return str(audience_id).encode() if audience_id else None


def key_of_nobody(fields: Mapping[str, Any], id_: str) -> bytes:
    """The key of a record without a user: its audience's id, else a digest of the record's own."""
    return key_of_somebody({"audience_id": fields.get("audience_id")}) or _digest(id_)


def _known(fields: Mapping[str, Any]) -> str | None:
    identities = fields.get("identities", ())
    if customer_id := _first(identities, "customer_id"):
        return f"customer_id {customer_id}"
    if email := _first(identities, "email"):
        return f"email {email.lower()}"
    stamp = fields.get("device_stamp")
    return f"device_stamp {stamp.lower()}" if stamp else None


def _first(identities: Sequence[Mapping[str, str]], type_: str) -> str | None:
    # A hashed identity names its user as surely as a plain one.
    return next((each["value"] for each in identities if each["type"] == type_), None)


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).hexdigest().encode()
