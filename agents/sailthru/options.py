"""The choices that the mapping knows; the settings describe them."""

from dataclasses import dataclass
from typing import Literal

from agents.sailthru.calls import Key


@dataclass(frozen=True, slots=True)
class Options:
    """`identity_keys` are tried in order; the first one that a record has finds its user."""

    identity_keys: tuple[Key, ...] = ("email",)
    extid_from: Literal["customer_id", "mpid"] | None = None
    list_name: str = "{audience_name}"
    objects_as: Literal["text", "as_is"] = "text"
