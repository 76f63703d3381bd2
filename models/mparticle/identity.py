"""Identities in every spelling that mParticle uses, read into ours.

Firehose: a list of `{type, encoding, value}`. Event batches: a list of `{identity_type, identity}`
or, the way batches come in, an object of name to value. Data-subject requests: an object of name to
`{value, encoding}`, or OpenDSR's list of `{identity_type, identity_value, identity_format}`. Types:
Firehose Java SDK (`UserIdentity.Type`, `DeviceIdentity.Type`, `OpenDsrIdentity.Type`) and mParticle
docs, "JSON Reference".
"""

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias, get_args

from models.mparticle.values import LONGEST_KIND, NumberText, UnreadableError
from models.record import Encoding

Spelling: TypeAlias = Mapping[str, str]
Named: TypeAlias = dict[str, str]
"""An identity as records hold it (models.record.Identity): `type`, `value`, `encoding`."""

# mParticle's other spellings of a type -> the one of its event batches.
USER: Spelling = MappingProxyType(
    {f"other{number}": f"other_id_{number}" for number in range(2, 11)}
    | dict.fromkeys(("customer", "customerid", "controller_customer_id"), "customer_id")
)
USER_TYPES = frozenset(
    (
        *("customer_id", "email", "facebook", "facebook_custom_audience_id", "google"),
        *("microsoft", "twitter", "yahoo", "alias", "mobile_number", "phone_number_2"),
        *("phone_number_3", "other", *(f"other_id_{number}" for number in range(2, 11))),
    )
)


def user_type(spelled: str) -> str:
    """A type of a user's identities as records have it, of any spelling; raises ValueError."""
    type_ = USER.get(spelled.lower(), spelled.lower())
    if type_ not in USER_TYPES:
        known = ", ".join(sorted(USER_TYPES))
        raise ValueError(f"{spelled} is no identity of a user at mParticle; there are {known}")
    return type_


DEVICE: Spelling = MappingProxyType(
    {
        "google_advertising_id": "android_advertising_id",
        "android_id": "android_uuid",
        "ios_vendor_id": "ios_idfv",
        "roku_publishing_id": "roku_publisher_id",
    }
)

DEVICE_FIELDS = (
    "android_advertising_id",
    "android_uuid",
    "ios_advertising_id",
    "ios_idfv",
    "fire_advertising_id",
    "microsoft_advertising_id",
    "microsoft_publisher_id",
    "roku_advertising_id",
    "roku_publisher_id",
    "amp_id",
    "push_token",
)
"""The fields of an event batch's `device_info` that identify the device."""

VALUE_NAMES = frozenset({"value", "identity", "identity_value"})
"""The fields of which one holds an identity's value."""

# What an identity may say besides its value.
_ABOUT = frozenset(
    (
        *("type", "identity_type", "encoding", "identity_format"),
        *("timestamp_unixtime_ms", "created_this_batch"),
    )
)
_EMPTY: tuple[Any, ...] = (None, "", [], {})
# Push tokens are the longest.
_LONGEST_VALUE = 4096
_ENCODINGS = frozenset(get_args(Encoding))
_NO_VALUE = ("", "00000000-0000-0000-0000-000000000000")
# Types whose values have a form of their own, which no digest has: an address has an @, a number in
# the longest form has 15 digits. Ids of a customer may look like anything.
_FORMED = frozenset({"email", "mobile_number", "phone_number_2", "phone_number_3"})
# Types that are spelled so in every spelling.
_PLAIN_TYPES = USER_TYPES.union(DEVICE_FIELDS).difference(USER, DEVICE)
_DIGEST = re.compile(r"\s*[0-9a-fA-F]+\s*", re.ASCII)
_DIGESTS: Mapping[int, Encoding] = MappingProxyType({32: "md5", 40: "sha1", 64: "sha256"})


def read_identities(
    written: object,
    spelling: Spelling | None,
    refuse: Callable[[int | None, UnreadableError], None],
) -> list[Named]:
    """Reads the identities of one user or device (or of partners, whose types have no spelling).

    Those without a value are left out; a digest that says no encoding is told by its length, where
    the type's values cannot look like one. `refuse` gets the place of each that cannot be read. An
    object's order means nothing, so what it holds comes sorted by name.
    """
    found = []
    for place, entry in enumerate(written) if type(written) is list else _entries(written):
        try:
            identity = _read(entry, spelling)
        except UnreadableError as error:
            refuse(place, error)
        else:
            if identity is not None:
                found.append(identity)
    return found


def _entries(written: object) -> Iterable[tuple[int | None, object]]:
    if not written:
        return ()
    if isinstance(written, dict):
        return enumerate(_named(name, each) for name, each in sorted(written.items()))
    return ((None, written),)


def _named(name: str, written: object) -> Mapping[str, Any]:
    return {**(written if isinstance(written, dict) else {"value": written}), "type": name}


def _read(entry: object, spelling: Spelling | None) -> Named | None:
    if type(entry) is not dict:
        if not entry:
            return None
        raise UnreadableError("an identity is an object")
    text = entry["value"] if "value" in entry else entry.get("identity")
    if text is None:
        text = _other_value(entry)
    if text is None or text in _NO_VALUE:
        return None
    type_ = entry["type"] if "type" in entry else entry.get("identity_type")
    if type(type_) is not str or type_ not in _PLAIN_TYPES:
        type_ = _type(type_, spelling)
    if type(text) is not str or len(text) > _LONGEST_VALUE:
        text = _text(text)
    said = entry["encoding"] if "encoding" in entry else entry.get("identity_format")
    encoding = "raw" if not said or said == "raw" else _encoding(said)
    if "@" in text:
        return {"type": type_, "value": text, "encoding": encoding}
    if text.isspace():
        return None
    if type_ in _FORMED and encoding == "raw" and _DIGEST.fullmatch(text):
        encoding = _DIGESTS.get(len(text.strip()), encoding)
    return {"type": type_, "value": text, "encoding": encoding}


def _other_value(entry: Mapping[str, Any]) -> object:
    """Returns a value under a name that few have; raises UnreadableError where nobody knows it."""
    found = (entry[name] for name in VALUE_NAMES if entry.get(name) is not None)
    text = next(found, None)
    if text is None and any(
        entry[name] not in _EMPTY for name in entry.keys() - VALUE_NAMES - _ABOUT
    ):
        raise UnreadableError("its value stands under no name that is known")
    return text


def _type(written: object, spelling: Spelling | None) -> str:
    if not isinstance(written, str) or not 0 < len(written) <= LONGEST_KIND:
        raise UnreadableError(f"its type is not text of up to {LONGEST_KIND} characters")
    if spelling is None:
        return written
    return spelling.get(written.lower(), written.lower())


def _encoding(written: object) -> str:
    if not isinstance(written, str) or (encoding := written.lower()) not in _ENCODINGS:
        raise UnreadableError("its encoding is not raw, md5, sha1 or sha256")
    return encoding


def _text(value: object) -> str:
    if type(value) is not str and type(value) is not int and not _is_whole(value):
        raise UnreadableError("its value is neither text nor a whole number")
    if len(text := str(value)) > _LONGEST_VALUE:
        raise UnreadableError(f"its value has more than {_LONGEST_VALUE} characters")
    return text


def _is_whole(value: object) -> bool:
    return isinstance(value, NumberText) and value.removeprefix("-").isdecimal()
