"""Reads what the Firehose says in words: its attributes are text, whatever the customer set.

In the Kafka output the same attribute is a boolean or a number (mParticle docs, "JSON Reference").
What tests it at a destination must not see another thing by the way that it came: in Zephyr, the
language of Sailthru's templates, the text "false" is true. Lists hold text on both ways.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from models.record import Value

Typed: TypeAlias = Callable[[str], Value]

_BOOLEANS: Mapping[str, bool] = MappingProxyType({"true": True, "false": False})
# No zero in front, no plus, no exponent: a zip code is no number. Of 64 bits.
_WHOLE = re.compile(r"-?[1-9][0-9]{0,17}|0", re.ASCII)
_DECIMAL = re.compile(r"-?(?:[1-9][0-9]{0,15}|0)\.[0-9]{1,17}", re.ASCII)


def boolean(text: str) -> Value:
    """Returns True or False where the text is exactly one of the two, else the text."""
    return _BOOLEANS.get(text, text)


def boolean_or_number(text: str) -> Value:
    """Returns also a number, where it would be written digit by digit as the text is."""
    if _WHOLE.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text) and repr(number := float(text)) == text:
        return number
    return boolean(text)


def typed(attributes: Mapping[str, Any], of: Typed) -> Mapping[str, Any]:
    """Returns the attributes with what their texts mean."""
    values = attributes.values()
    if of is boolean and "true" not in values and "false" not in values:
        return attributes
    meant = {
        name: meaning
        for name, value in attributes.items()
        if type(value) is str and (meaning := of(value)) is not value
    }
    return {**attributes, **meant} if meant else attributes


def typed_inside(details: Any, of: Typed) -> Any:
    """Returns an event's details, the attributes of products in them with what their texts mean."""
    if isinstance(details, list):
        return [typed_inside(each, of) for each in details]
    if not isinstance(details, dict):
        return details
    inside = {name: typed_inside(details[name], of) for name in _INSIDE if name in details}
    if "attributes" in details:
        inside["attributes"] = typed(details["attributes"], of)
    return details | inside


_INSIDE = ("products", "impressions")
