"""The settings of Sailthru."""

from collections.abc import Mapping
from string import Formatter
from typing import Literal, Self, cast

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from agents.patterns import patterns
from agents.record_filter import RecordFilterSettings
from agents.sailthru.calls import Key
from agents.sailthru.event_filter import reject_unknown_kinds
from agents.sailthru.var_names import LONGEST_VAR, is_var
from models.mparticle.identity import user_type
from streams.addresses import Url
from streams.http import HttpSettings

_FURTHER_KEYS = frozenset({"sms", "fb", "twitter"})
_PLACEHOLDERS = {"audience_name", "audience_id"}


class SailthruSettings(RecordFilterSettings, HttpSettings):
    """The account, how users are found there, and what becomes of lists and events."""

    model_config = SettingsConfigDict(env_prefix="SAILTHRU_")
    addresses = ("base_url",)

    api_key: SecretStr = Field(
        min_length=1,
        description="API key of this integration; ask Sailthru support for a key and secret of "
        "its own",
    )
    api_secret: SecretStr = Field(min_length=1, description="API secret that belongs to the key")
    base_url: Url = Field(
        "https://api.sailthru.com", description="address of Sailthru's API, without a path"
    )
    identity_key: Literal["email", "extid", "email,extid", "extid,email"] = Field(
        "email",
        description="what finds a user at Sailthru: the e-mail address, or extid, which Sailthru "
        "support must have enabled for the account and which survives a change of address; of two, "
        "the second stands in for records without the first",
    )
    extid_from: Literal["customer_id", "mpid"] | None = Field(
        None,
        description="mParticle's id that is Sailthru's extid; set it when identity_key has "
        "extid, or to have the extid added to profiles that are found by e-mail; without it no "
        "extid is sent",
    )
    keys_from: str = Field(
        "",
        description="further identities of mParticle that are keys of a profile at Sailthru, such "
        "as mobile_number=sms,facebook=fb,twitter=twitter; Sailthru support must have enabled each "
        "key for the account",
    )
    list_name_template: str = Field(
        "{audience_name}",
        description="name of an audience's list at Sailthru, from the placeholders "
        "{audience_name} and {audience_id}; a $ becomes -; a name that is another audience's gets "
        "the id behind it",
    )
    list_on_rename: Literal["keep", "follow"] = Field(
        "keep",
        description="when an audience is renamed in mParticle: keep its list, named as when the "
        "audience was first seen, or follow with a list of the new name, without the members so "
        "far",
    )
    profile_objects_as: Literal["text", "as_is"] = Field(
        "text",
        description="how lists and objects become vars of profiles: as JSON text, which Audience "
        "Builder can search, or as they are",
    )
    event_objects_as: Literal["text", "as_is"] = Field(
        "as_is",
        description="how lists and objects become vars of events: as they are, so that templates "
        "can loop over them, or as JSON text",
    )
    var_names: str = Field(
        "",
        description="vars that you name yourself, as mParticle's name=var, parted by commas or one "
        "a line, such as City=shipping_city; best given as SAILTHRU_VAR_NAMES_FILE",
    )
    no_identity: Literal["drop", "dead_letter"] = Field(
        "drop",
        description="what becomes of records whose user has no usable key (hashed addresses are "
        "none): left out and counted as no_identity, or a dead letter",
    )
    events_allow: str = Field(
        "kind:custom_event,kind:session_start,kind:session_end",
        description="events to send, others are left out: names as mParticle has them, or kinds "
        "such as kind:product_action, parted by commas, with * and ? as placeholders; * sends all "
        "but the private kinds (network_performance, push_subscription and so on), each of which "
        "has to be named outright",
    )
    events_deny: str = Field(
        "",
        description="events to leave out, written in the same way; has the last word over "
        "SAILTHRU_EVENTS_ALLOW",
    )
    purchases: Literal["event", "purchase", "both"] = Field(
        "event",
        description="what becomes of something bought: an event, if SAILTHRU_EVENTS_ALLOW has it; "
        "a purchase, which Audience Builder and revenue reports know, whatever that setting says; "
        "or both",
    )
    product_url_template: str = Field(
        "{url}",
        description="address of a product, which Sailthru requires of purchases: a product's "
        "attribute such as {url}, or a template such as https://shop.example/p/{id}",
    )
    attributes_allow: str = Field(
        "",
        description="user attributes to send, others are left out: names as mParticle has them, "
        "parted by commas, with * and ? as placeholders; empty sends all",
    )
    attributes_deny: str = Field(
        "",
        description="user attributes to leave out, written in the same way; has the last word",
    )
    event_max_age_days: PositiveFloat = Field(
        14, description="events that happened longer ago are left out, so that they start no flow"
    )
    event_delivery_guarantee: Literal["at_least_once", "at_most_once"] = Field(
        "at_least_once",
        description="an event whose answer got lost may have started a flow: at_least_once sends "
        "it again, at_most_once makes it a dead letter (unknown_effect)",
    )
    rate_limit_share: float = Field(
        1.0,
        gt=0,
        le=1,
        description="part of the account's rate limits that the workers use together; set it to "
        "less than 1 when other integrations need the rest",
    )
    email_change_max_users: PositiveInt = Field(
        100_000,
        description="users whose e-mail address, and changes of it, a worker remembers, to send "
        "what still carries an old address to the present one",
    )

    @property
    def identity_keys(self) -> tuple[Key, ...]:
        """The keys to look for, in this order."""
        return cast("tuple[Key, ...]", tuple(self.identity_key.split(",")))

    @field_validator("identity_key", mode="before")
    @classmethod
    def _without_spaces(cls, value: object) -> object:
        return value.replace(" ", "") if isinstance(value, str) else value

    @property
    def given_vars(self) -> Mapping[str, str]:
        """The vars that the operator named, by mParticle's names."""
        return pairs(self.var_names)

    @property
    def further_keys(self) -> Mapping[str, str]:
        """Sailthru's keys, by mParticle's types of identities."""
        return pairs(self.keys_from)

    @field_validator("keys_from")
    @classmethod
    def _maps_types_to_keys(cls, value: str) -> str:
        given = {user_type(type_): key for type_, key in pairs(value).items()}
        if unknown := sorted(set(given.values()) - _FURTHER_KEYS):
            raise ValueError(
                f"Sailthru has no key {unknown[0]} for it; there are sms, fb and twitter "
                "(SAILTHRU_EXTID_FROM sets extid)"
            )
        if "email" in given:
            raise ValueError("leave email out: it is a key of its own at Sailthru")
        if len(set(given.values())) < len(given):
            raise ValueError("give each key one identity")
        return ",".join(f"{type_}={key}" for type_, key in given.items())

    @field_validator("var_names")
    @classmethod
    def _names_vars(cls, value: str) -> str:
        given = pairs(value)
        for name, var in given.items():
            if not is_var(var):
                raise ValueError(
                    f"give {name} another var than {var!r}: letters, digits and _, no digit first, "
                    f"at most {LONGEST_VAR} characters, and no name that Sailthru keeps to itself"
                )
        vars_ = list(given.values())
        if twice := next((var for var in vars_ if vars_.count(var) > 1), None):
            raise ValueError(f"give each name a var of its own: {twice} is there twice")
        return value

    @field_validator("events_allow")
    @classmethod
    def _allows_something(cls, value: str) -> str:
        if not patterns(value):
            raise ValueError("name an event or a kind; * sends all but private kinds")
        return value

    @field_validator("events_allow", "events_deny")
    @classmethod
    def _names_known_kinds(cls, value: str) -> str:
        reject_unknown_kinds(patterns(value))
        return value

    @field_validator("product_url_template")
    @classmethod
    def _is_product_url(cls, value: str) -> str:
        sentence = "use {url} or another attribute of products, or a template as https://…/{id}"
        try:
            parts = list(Formatter().parse(value))
        except ValueError:
            raise ValueError(sentence) from None
        names = [name for _, name, _, _ in parts if name is not None]
        is_plain = not any(spec or conversion for _, _, spec, conversion in parts)
        is_address = value.startswith(("https://", "http://")) or value == f"{{{''.join(names)}}}"
        if not (names and all(names) and is_plain and is_address):
            raise ValueError(sentence)
        return value

    @field_validator("list_name_template")
    @classmethod
    def _is_template(cls, value: str) -> str:
        sentence = (
            "use {audience_name} or {audience_id} or both as placeholders, with nothing else in "
            "braces"
        )
        try:
            parts = list(Formatter().parse(value))
        except ValueError:
            raise ValueError(sentence) from None
        fields = [
            (name, spec, conversion) for _, name, spec, conversion in parts if name is not None
        ]
        if not fields or any(
            name not in _PLACEHOLDERS or spec or conversion for name, spec, conversion in fields
        ):
            raise ValueError(sentence)
        return value

    @model_validator(mode="after")
    def _extid_has_a_source(self) -> Self:
        if "extid" in self.identity_keys and self.extid_from is None:
            raise ValueError(
                "set SAILTHRU_EXTID_FROM to customer_id or mpid, because SAILTHRU_IDENTITY_KEY is "
                f"{self.identity_key}"
            )
        return self


def pairs(text: str) -> dict[str, str]:
    """Reads name=value, parted by commas, or by line ends where there are any.

    A name may hold a comma where each has a line of its own, and = anywhere.
    """
    written = text.strip().splitlines() if "\n" in text.strip() else text.split(",")
    given: dict[str, str] = {}
    for each in filter(None, map(str.strip, written)):
        name, is_given, value = (part.strip() for part in each.rpartition("="))
        if not (is_given and name and value):
            raise ValueError(f"write name=value instead of {each!r}")
        if given.setdefault(name, value) != value:
            raise ValueError(f"say once what {name} becomes")
    return given
