"""Finds the keys by which Sailthru knows the user of a record. Pure."""

from collections.abc import Iterable
from hashlib import new as new_digest
from typing import NamedTuple

from agents.sailthru.calls import Key
from agents.sailthru.options import Options
from models.record import Identity, Record
from models.user_update import IdentitiesChanged


class Whom(NamedTuple):
    """`id` finds the profile by `key`; `email` is the address it is to have, None if that stays."""

    id: str
    email: str | None = None
    key: Key = "email"


class EmailChange(NamedTuple):
    """One address took another's place."""

    old: str
    new: str


def whom(record: Record, options: Options) -> Whom | None:
    """Says whom a record is about; None when it names nobody whom Sailthru could find."""
    for key in options.identity_keys:
        who = _by_email(record) if key == "email" else _by_extid(record, options)
        if who is not None:
            return who
    return None


def address(record: Record) -> str | None:
    """The address that a record's user has now."""
    return _present_email(record)


def email_change(record: Record) -> EmailChange | None:
    if not isinstance(record, IdentitiesChanged):
        return None
    old, new = _email(record.removed), _email(record.added)
    return EmailChange(old, new) if old and new and old != new else None


def hashed_email_change(record: Record) -> tuple[Identity, str] | None:
    """The digest of the address that was replaced, and the new address."""
    if not isinstance(record, IdentitiesChanged) or _email(record.removed):
        return None
    gone = next((each for each in record.removed if _is_hashed_email(each)), None)
    new = _email(record.added)
    return (gone, new) if gone and new else None


def is_digest_of(email: str, identity: Identity) -> bool:
    """Returns whether it is that address's digest, as mParticle hashes: trimmed, lower case."""
    if identity.encoding == "raw":
        return False
    digest = new_digest(identity.encoding, email.encode(), usedforsecurity=False)
    return digest.hexdigest() == identity.value.strip().lower()


def changes_keys(record: IdentitiesChanged, options: Options) -> bool:
    """Returns whether Sailthru has a key for one of the identities added."""
    customer_id = options.extid_from == "customer_id" and _first(record.added, "customer_id")
    further = any(_first(record.added, type_) for type_ in options.keys_from)
    return bool(customer_id or further or _email(record.added))


def new_keys(record: Record, who: Whom, options: Options) -> dict[str, str]:
    """The keys that a profile is to have from now on."""
    if not isinstance(record, IdentitiesChanged):
        return {"email": who.email} if who.email else {}
    keys = {"email": who.email, "extid": _new_extid(record, who, options)}
    # A user whose address was not known until now had no profile to set the others on.
    is_new = email_change(record) is None and _email(record.added)
    known = (*record.added, *(record.identities if is_new else ()))
    keys |= {key: _first(known, type_) for type_, key in options.keys_from.items()}
    return {kind: value for kind, value in keys.items() if value}


def _by_email(record: Record) -> Whom | None:
    if isinstance(record, IdentitiesChanged) and (change := email_change(record)):
        return Whom(change.old, change.new)
    email = _present_email(record)
    return Whom(email) if email else None


def _by_extid(record: Record, options: Options) -> Whom | None:
    extid = _extid(record, options)
    return Whom(extid, _present_email(record), "extid") if extid else None


def _new_extid(record: IdentitiesChanged, who: Whom, options: Options) -> str | None:
    """The extid that an identity change adds to a profile found by e-mail."""
    if who.key == "extid":
        return None
    if options.extid_from == "customer_id" and "extid" not in options.identity_keys:
        return _first(record.added, "customer_id")
    # A user of whom no address was known has a profile found by extid, which is to be this one.
    return _extid(record, options)


def _extid(record: Record, options: Options) -> str | None:
    match options.extid_from:
        case "mpid":
            return record.mpid
        case "customer_id":
            added = record.added if isinstance(record, IdentitiesChanged) else ()
            return _first((*added, *record.identities), "customer_id")
    return None


def _present_email(record: Record) -> str | None:
    added = _email(record.added) if isinstance(record, IdentitiesChanged) else None
    return added or _email(record.identities)


def _email(identities: Iterable[Identity]) -> str | None:
    email = _first(identities, "email")
    # Sailthru lower-cases addresses itself; whoever groups by them must do the same.
    return email.lower() if email else None


def _is_hashed_email(identity: Identity) -> bool:
    return identity.type == "email" and identity.encoding != "raw"


def _first(identities: Iterable[Identity], type_: str) -> str | None:
    for identity in identities:
        if identity.type == type_ and identity.encoding == "raw" and identity.value.strip():
            return identity.value.strip()
    return None
