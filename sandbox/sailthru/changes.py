"""The arguments of a POST to `user`, checked before anything is done."""

from dataclasses import dataclass

from sandbox.sailthru import refusals
from sandbox.sailthru.calls import Arguments, as_text, invalid, optional_object, required_text
from sandbox.sailthru.names import check_list_name, clean_email, clean_vars
from sandbox.sailthru.options import Options
from sandbox.sailthru.profiles import OPTOUT_LEVELS
from sandbox.server import RefusedError

OWN_KEYS = frozenset({"sid", "cookie"})
"""The service gives these; nobody else sets them."""

SETTABLE_KEYS = frozenset({"email", "extid", "sms", "fb", "twitter"})


@dataclass(frozen=True, slots=True)
class Change:
    """What a profile becomes; `lists` maps a name to joined or left."""

    keys: dict[str, str]
    merges: bool
    vars: dict[str, object]
    lists: dict[str, bool]
    optout: str | None
    is_login: bool


def read_identity(arguments: Arguments, options: Options) -> tuple[str, str]:
    """The kind and value of the key that a call looks its user up by."""
    value = required_text(arguments, "id")
    kind = as_text("key", arguments.get("key", "email"))
    if kind in OWN_KEYS:
        return kind, value
    return kind, _read_key(kind, value, options)


def read_change(arguments: Arguments, options: Options) -> Change:
    keys = optional_object(arguments, "keys")
    optout = arguments.get("optout_email")
    if optout is not None and optout not in OPTOUT_LEVELS:
        raise invalid("optout_email", "none, basic or all")
    conflict = arguments.get("keysconflict", options.keysconflict_default)
    if conflict not in ("merge", "error"):
        raise invalid("keysconflict", "merge or error")
    return Change(
        keys={kind: _read_key(kind, as_text(kind, keys[kind]), options) for kind in keys},
        merges=conflict == "merge",
        vars=clean_vars(optional_object(arguments, "vars"), options),
        lists=_read_lists(arguments, options),
        optout=None if optout is None else str(optout),
        is_login="login" in arguments,
    )


def _read_key(kind: str, value: str, options: Options) -> str:
    if kind not in SETTABLE_KEYS:
        raise invalid("key", "email, sid, extid, cookie, sms, fb or twitter")
    if kind not in options.enabled_keys:
        raise RefusedError(
            refusals.KEY_NOT_ENABLED, f"Key {kind} is not enabled; ask support to enable it"
        )
    return clean_email(value) if kind == "email" else value


def _read_lists(arguments: Arguments, options: Options) -> dict[str, bool]:
    lists = optional_object(arguments, "lists")
    if any(value not in (0, 1) for value in lists.values()):
        raise invalid("lists", "1 or 0 for each name")
    return {check_list_name(name, options): bool(value) for name, value in lists.items()}
