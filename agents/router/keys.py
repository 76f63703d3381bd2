"""Keys of records: what has one key stands in one partition and keeps its order."""

from hashlib import blake2b

from models.audience import Audience
from models.audience_membership import AudienceChanged, MembershipChanged
from models.record import Identity, Record


def key(record: Record) -> bytes:
    """Takes the mpid; else a digest of the first of customer id, e-mail and device stamp.

    Without a user: the audience's id; without an audience too: a digest of the record's id.
    """
    if record.mpid:
        return record.mpid.encode()
    if known := _known(record):
        return _digest(known)
    if isinstance(record, Audience | AudienceChanged | MembershipChanged):
        return record.audience_id.encode()
    return _digest(record.id)


def _known(record: Record) -> str | None:
    if customer_id := _first(record.identities, "customer_id"):
        return f"customer_id {customer_id}"
    if email := _first(record.identities, "email"):
        return f"email {email.lower()}"
    return f"device_stamp {record.device_stamp.lower()}" if record.device_stamp else None


def _first(identities: tuple[Identity, ...], type_: str) -> str | None:
    # A hashed identity names its user as surely as a plain one.
    return next((identity.value for identity in identities if identity.type == type_), None)


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).hexdigest().encode()
