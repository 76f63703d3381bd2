"""Reads values as mParticle writes them: numbers as text, text as numbers, nothing in many ways.

The drift that these types take in is told in mParticle's "JSON Reference" and seen in its published
samples (mParticle/docs, `static/schema`; mParticle/mparticle-firehose-java-sdk, `examples/json`).
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, NamedTuple

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from models.record import Scalar, Value

LONGEST_ID = 256
"""Characters. An id may be a record's key, and stands in each record of a message."""
LONGEST_KIND = 128
LONGEST_NAME = 1024
_NUMBER = re.compile(
    r"[+-]?(?=[0-9.]{1,40}(?:[eE]|\Z))(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
)
SCALARS = frozenset({str, int, float, bool, type(None)})


class NumberText(str):
    """A JSON number, as it was written, that a number of ours would not repeat digit by digit."""

    __slots__ = ()


class UnreadableError(ValueError):
    """A part of a message is not what it should be; the error says so without its values."""


class Ordinary(NamedTuple):
    """A condition that nearly all values of a type meet, and what these become, both in Python.

    They are about `value`, and know no other name but `SCALARS`.
    """

    condition: str
    becomes: str = "value"


class Arriving(BaseModel):
    """A shape of mParticle's: unknown fields are ignored, numbers may stand where text is due."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


def json_text(value: object) -> str:
    """Writes what is no scalar as JSON, keys sorted."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def is_true(value: object) -> bool:
    """Reads a boolean that may be a number or text."""
    return value is True or value == 1 or (isinstance(value, str) and value.lower() == "true")


def known_mpid(value: object) -> str | None:
    """Returns the mpid as text; None for 0, which SDKs say before they know who it is."""
    known = _id(value)
    return known if known is not None and known.strip("-0") else None


def _id(value: object) -> str | None:
    if type(value) is int:
        # Of 64 bits: a longer one is a NumberText, or no JSON that we take.
        return str(value)
    if value is None:
        return None
    is_whole = isinstance(value, NumberText) and value.removeprefix("-").isdecimal()
    if type(value) is not str and not is_whole:
        raise PydanticCustomError("bad_id", "An id is a whole number or text")
    known = str(value)
    if len(known) > LONGEST_ID:
        raise PydanticCustomError("bad_id", "An id has 256 characters at most")
    return known or None


def _name(name: str | None) -> str | None:
    """Returns the name, or None where nothing of it can be seen."""
    return None if name is None or all(map(_is_unseen, name)) else name


def _is_unseen(character: str) -> bool:
    return character.isspace() or not character.isprintable()


def _required_id(value: object) -> str:
    if (known := _id(value)) is None:
        raise PydanticCustomError("missing", "Field required")
    return known


def number(text: str) -> float | str:
    """Returns a float where it is the same number in other digits (1.50, 1E+3), else the text."""
    same = float(text)
    try:
        return same if Decimal(text) == Decimal(repr(same)) else str(text)
    except InvalidOperation:
        return str(text)


def _amount(value: Any) -> Any:
    if type(value) is not str:
        return value
    text = value.strip()
    if not _NUMBER.fullmatch(text):
        return value if text else None
    if "." not in text and "e" not in text and "E" not in text:
        whole = int(text)
        return whole if -(2**63) <= whole < 2**64 else str(value)
    return number(text)


def _scalar(value: Any) -> Scalar:
    if type(value) in SCALARS:
        return value  # type: ignore[no-any-return]  # the line above knows it
    return number(value) if isinstance(value, NumberText) else json_text(value)


def _attribute(value: Any) -> Value:
    if type(value) is not list:
        return _scalar(value)
    return value if SCALARS.issuperset(map(type, value)) else [_scalar(each) for each in value]


def _attributes(value: Any) -> Mapping[str, Value]:
    written = _mapping(value)
    if SCALARS.issuperset(map(type, written.values())):
        return written
    return {
        name: each if type(each) in SCALARS else _attribute(each) for name, each in written.items()
    }


def _event_attributes(value: Any) -> Mapping[str, Any]:
    written = _mapping(value)
    if SCALARS.issuperset(map(type, written.values())):
        return written
    return {name: each if type(each) in SCALARS else plain(each) for name, each in written.items()}


def plain(value: Any) -> Any:
    """Returns a value with its numbers as numbers: 19.90 is no other kind of price than 19.95."""
    kind = type(value)
    if kind is dict:
        return {
            name: each if type(each) in SCALARS else plain(each) for name, each in value.items()
        }
    if kind is list:
        return [plain(each) for each in value]
    return number(value) if kind is NumberText else value


def _texts(value: Any) -> dict[str, str]:
    return {
        name: each if isinstance(each, str) else json_text(each)
        for name, each in _mapping(value).items()
        if each is not None
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise PydanticCustomError("dict_type", "Input should be an object")
    return value


def _or_none(written: object, read: ValidatorFunctionWrapHandler) -> Any:
    """Returns None for what cannot be read and only says where a message comes from."""
    try:
        return read(written)
    except ValidationError:
        return None


IF_READABLE = WrapValidator(_or_none)

Flag = Annotated[bool, PlainValidator(is_true), Ordinary("type(value) is bool")]

_TEXT_ID = Ordinary(f"type(value) is str and 0 < len(value) <= {LONGEST_ID}")
_NUMBER_ID = Ordinary("type(value) is int", "str(value)")

Id = Annotated[str | None, PlainValidator(_id), _TEXT_ID, _NUMBER_ID]
"""A 64-bit or textual id as text; refuses floats, which have lost digits already."""

Mpid = Annotated[
    str | None,
    PlainValidator(known_mpid),
    Ordinary(f"{_TEXT_ID.condition} and value.strip('-0')"),
    Ordinary(f"{_NUMBER_ID.condition} and value", "str(value)"),
]
"""mParticle's user id; None for 0, which is nobody."""

Stamp = Annotated[str, Field(max_length=LONGEST_ID)]
"""A device's stamp, which tells it from others, as text."""

Kind = Annotated[str, Field(min_length=1, max_length=LONGEST_KIND)]

Words = Annotated[str, Field(max_length=LONGEST_NAME)]
"""A name that somebody chose."""

Name = Annotated[Words | None, AfterValidator(_name)]

RequiredId = Annotated[str, PlainValidator(_required_id), _TEXT_ID, _NUMBER_ID]

_ATTRIBUTES = Ordinary("type(value) is dict and SCALARS.issuperset(map(type, value.values()))")

AttributeValue = Annotated[Value, PlainValidator(_attribute), Ordinary("type(value) in SCALARS")]
Attributes = Annotated[dict[str, Value], PlainValidator(_attributes), _ATTRIBUTES]
"""Attributes as records hold them; an object in one becomes its JSON text."""

EventAttributes = Annotated[dict[str, Any], PlainValidator(_event_attributes), _ATTRIBUTES]
"""Attributes of an event, which nobody searches: an object stays what it is."""

Texts = Annotated[dict[str, str], PlainValidator(_texts)]
"""Settings: mParticle writes them as text, partners have shown numbers and booleans."""

Detail = Any
"""A field that goes into a record's details as it came."""

Amount = Annotated[
    Any, PlainValidator(_amount), Ordinary("type(value) is int or type(value) is float")
]
"""A value that mParticle defines as a number, written as number or text; empty text is none."""
