"""The choices that the mapping knows; the settings describe them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from agents.sailthru.calls import Key
from agents.sailthru.var_names import VarNames

ObjectsAs = Literal["text", "as_is"]


@dataclass(frozen=True, slots=True)
class Options:
    """`identity_keys` are tried in order; the first one that a record has finds its user.

    `keys_from` maps mParticle's identity types to those further keys of a profile that they become.
    """

    identity_keys: tuple[Key, ...] = ("email",)
    extid_from: Literal["customer_id", "mpid"] | None = None
    list_name_template: str = "{audience_name}"
    profile_objects_as: ObjectsAs = "text"
    event_objects_as: ObjectsAs = "as_is"
    product_url_template: str = "{url}"
    var_names: VarNames = field(default_factory=VarNames)
    keys_from: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
