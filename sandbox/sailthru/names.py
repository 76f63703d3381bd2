"""What the service does to names and e-mail addresses."""

import re
import string
from collections.abc import Mapping

from sandbox.sailthru import refusals
from sandbox.sailthru.options import Options
from sandbox.server import RefusedError

VAR_NAME_LIMIT = 32
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_SPACE, _SPECIAL = re.compile(r"\s"), re.compile(r"\W")
RESERVED_VARS = frozenset(
    (
        *("true", "false", "null", "if", "else", "case", "switch", "select", "for", "foreach"),
        *("lambda", "beacon", "beacon_src", "beacon_ssl", "beacon_src_ssl", "beacon_url", "blast"),
        *("email", "emailnum", "forward_url", "optout_client_url", "optout_confirm_url"),
        *("profile", "public_url", "signup_confirm_url", "text_url", "view_url"),
    )
)
"""Documented: "Zephyr Template Variables" (getstarted.sailthru.com, getstarted.meetmarigold.com),
the words to avoid included; "Set Custom Fields (Variables) on Users" says that a custom field may
not be one of them. Zephyr is case-sensitive.
"""


def clean_email(value: str) -> str:
    """Lower case, as observed in grouparoo/grouparoo, export-record.js."""
    if not _EMAIL.fullmatch(value):
        raise RefusedError(refusals.INVALID_EMAIL, "Invalid email address")
    return value.lower()


def clean_vars(values: Mapping[str, object], options: Options) -> dict[str, object]:
    """Names as the service keeps them.

    Documented, "Set Custom Fields (Variables) on Users": special characters "such as %, -, ., or $"
    are scrubbed, a space becomes _, a digit cannot lead; "Replacement Variables"
    (docs.sailthru.com, 2010): a name has letters, numbers and underscores only. Inferred: so all
    other characters are scrubbed, and of two names that become one the later holds.
    """
    return {_clean_var_name(name, options): value for name, value in values.items()}


def _clean_var_name(name: str, options: Options) -> str:
    clean = _SPECIAL.sub("", _SPACE.sub("_", name))
    if options.leading_digit == "strip":
        clean = clean.lstrip(string.digits)
    if not clean or clean[0] in string.digits:
        raise RefusedError(
            refusals.VAR_NAME_WITHOUT_START, f"Invalid var name {name!r}: begin it with a letter"
        )
    if len(clean) > VAR_NAME_LIMIT:
        raise RefusedError(
            refusals.VAR_NAME_TOO_LONG, f"Var name {name!r} is over {VAR_NAME_LIMIT} characters"
        )
    if clean in RESERVED_VARS and options.reserved_vars == "refuse":
        raise RefusedError(refusals.RESERVED_VAR, f"Var name {name!r} is reserved")
    return clean


def check_list_name(name: str, options: Options) -> str:
    if "$" in name and options.dollar_in_list_name == "refuse":
        raise RefusedError(refusals.LIST_NAME, f"Invalid list name {name!r}: it holds a $")
    return name
