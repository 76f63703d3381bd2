"""Types that check the values of AB Tasty's settings."""

import re
from string import Formatter
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from models.mparticle.identity import user_type

# The characters that "Universal data connector API" permits besides letters and digits.
_SIGNS = "$€£[]{}&(§!)-_%=+:/.?<>@#"
_LETTERS = r"A-Za-z0-9\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u00FF"
_VALUE = re.compile(f"[{_LETTERS}{re.escape(_SIGNS)}]+")


def fields(template: str) -> set[str]:
    """The names in braces."""
    parts = list(Formatter().parse(template))
    if any(spec or conversion for _, _, spec, conversion in parts):
        raise ValueError("a {name} takes no ':' or '!'")
    return {name for _, name, _, _ in parts if name is not None}


def _path(template: str) -> str:
    if not template.startswith("/") or not fields(template) <= {"account", "partner"}:
        raise ValueError("use a path that starts with / and names at most {account} and {partner}")
    return template


def _segment_template(template: str) -> str:
    names = fields(template)
    if not names or not names <= {"audience_name", "audience_id"}:
        raise ValueError("use {audience_name}, {audience_id} or both, and no other name in braces")
    return template


def _identity(source: str) -> str:
    """Spells an identity's type as records do: mParticle has two spellings, people others."""
    kind, colon, type_ = (part.strip() for part in source.partition(":"))
    match kind.lower(), type_:
        case "mpid", "" if not colon:
            return "mpid"
        case "user", str(type_) if type_:
            return f"user:{user_type(type_)}"
        case "partner", str(type_) if re.fullmatch(r"\S+", type_):
            return f"partner:{type_}"
    raise ValueError("use mpid, partner:<type> or user:<type>, such as user:customer_id")


def _value(word: str) -> str:
    if not _VALUE.fullmatch(word):
        raise ValueError(f"use letters, digits and {_SIGNS}, no space, comma, semicolon or quote")
    return word


def _one_line(key: SecretStr | None) -> SecretStr | None:
    if key and not key.get_secret_value().isprintable():
        raise ValueError("use the key as one line of printable characters")
    return key


Path = Annotated[str, AfterValidator(_path)]
Value = Annotated[str, AfterValidator(_value)]
SegmentTemplate = Annotated[str, AfterValidator(_segment_template)]
IdentitySource = Annotated[str, AfterValidator(_identity)]
Key = Annotated[SecretStr | None, AfterValidator(_one_line)]
