"""Parses bytes into JSON values that lost no digit, and nothing that could hurt further on.

msgspec is as fast as orjson, and hands over the text of each number with a fraction or an exponent,
so that none is rounded; its integers are as long as they are written. What it refuses the standard
library's parser may read: half surrogate pairs, integers of thousands of digits.
"""

import codecs
import json
from typing import Any, NoReturn

import msgspec
import orjson

from models.mparticle import numbers
from models.mparticle.values import NumberText

# Far more than mParticle nests, far less than what any JSON library along the way takes.
MAX_DEPTH = 100
# Commas and brackets of a message: each value costs a hundred bytes once it is read, and its time.
MAX_VALUES = 300_000

SETTINGS = "account_settings"
_SETTINGS = SETTINGS.encode()
# Characters of an integer that 64 bits always hold, and at most hold.
_SURELY_INT64 = 18
_PERHAPS_INT64 = 20
_NUL = b"\\u0000"


class UnreadableMessageError(Exception):
    """The bytes are no JSON we can take."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


def parse(value: bytes) -> Any:
    """Reads JSON; raises UnreadableMessageError.

    Integers of up to 64 bits are int, other numbers float, each only where it says the same digits
    again, else NumberText. Strings hold no NUL and no half surrogate pair. The last of equal keys
    wins. `account_settings` are gone, or stand in the message's `account` only.
    """
    # RFC 8259, section 8.1, lets parsers pass over a byte order mark, which some writers add.
    value = value.removeprefix(codecs.BOM_UTF8)
    if len(value) > MAX_VALUES:
        reject_too_many_values(value)
    # To take bytes out and measure is twice as fast as to count them one by one.
    closed = value.replace(b"{", b"").replace(b"[", b"")
    shallow = len(value) - len(closed) <= MAX_DEPTH
    message, written = _loaded(value) if shallow else (None, None)
    if message is None:
        message = _read(value)
    if not shallow and _deeper([message], MAX_DEPTH + 1):
        raise UnreadableMessageError("too_deep", _DEPTH_DETAIL)
    # A search for one byte costs a fifth of one for two.
    if b"\\" in value and b"\\u" in value:
        if written is None or _NUL in written:
            return _tidy(message)
        # There all is spelled in one way, and no half of a surrogate pair.
        value = written
    first = value.find(_SETTINGS)
    return _tidy(message) if first >= 0 and _strays(value, first, message) else message


def reject_too_many_values(value: bytes) -> None:
    """Raises UnreadableMessageError for what would take too long to read, and too much memory."""
    if sum(map(value.count, (b",", b"{", b"["))) > MAX_VALUES:
        raise UnreadableMessageError(
            "too_many_values", f"more than {MAX_VALUES} commas and brackets"
        )


def _loaded(value: bytes) -> tuple[Any, bytes | None]:
    """Returns what msgspec reads, and that written again; twice None where it reads nothing.

    The same where an integer has more than 64 bits: orjson refuses such, and is the fastest to
    look at all.
    """
    try:
        message = _LOADER.decode(value)
        return message, orjson.dumps(message)
    except (msgspec.DecodeError, orjson.JSONEncodeError):
        return None, None


def _read(value: bytes) -> Any:
    try:
        return _DECODER.decode(value.decode())
    except UnicodeDecodeError as error:
        raise UnreadableMessageError("not_utf8", f"byte {error.start}") from None
    except RecursionError:
        raise UnreadableMessageError("too_deep", _DEPTH_DETAIL) from None
    except ValueError as error:
        place = getattr(error, "pos", "unknown")
        raise UnreadableMessageError("not_json", f"character {place}") from None


_DEPTH_DETAIL = f"nested deeper than {MAX_DEPTH}"


def _integer(text: str) -> int | NumberText:
    if len(text) <= _SURELY_INT64:
        return int(text)
    if len(text) > _PERHAPS_INT64:
        return NumberText(text)
    number = int(text)
    return number if -(2**63) <= number < 2**64 else NumberText(text)


def _decimal(text: str) -> float | NumberText:
    number = float(text)
    # Most have no exponent, and what `repr` writes without one is what the recipe writes.
    is_repeated = repr(number) == text and "e" not in text
    return number if is_repeated or numbers.text(number) == text else NumberText(text)


def _no_number(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


_LOADER = msgspec.json.Decoder(float_hook=_decimal)
_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_decimal, parse_constant=_no_number)


def _deeper(node: Any, levels: int) -> bool:
    if levels == 0:
        return True
    inside = node.values() if isinstance(node, dict) else node
    return any(_deeper(each, levels - 1) for each in inside if type(each) in (dict, list))


def _strays(value: bytes, first: int, message: Any) -> bool:
    """Says whether `account_settings`, of which the first is there, stand outside of the account.

    They may only seem to, where the text is part of another.
    """
    account = message.get("account") if isinstance(message, dict) else None
    at_home = isinstance(account, dict) and SETTINGS in account
    return not at_home or value.find(_SETTINGS, first + 1) >= 0


# Values of these types have nothing to tidy.
_CLEAN = frozenset({int, float, bool, type(None)})


def _tidy(node: Any) -> Any:
    if isinstance(node, dict):
        names = "".join(node)
        are_clean = "\0" not in names and names.isascii()
        tidied = {
            name if are_clean else _clean(name): each if type(each) in _CLEAN else _tidy(each)
            for name, each in node.items()
        }
        if len(tidied) < len(node):
            # Names that differ in their NULs alone: which stays must not depend on their order.
            tidied = {_clean(name): _tidy(node[name]) for name in sorted(node, reverse=True)}
        tidied.pop(SETTINGS, None)
        return tidied
    if isinstance(node, list):
        return [_tidy(each) for each in node]
    return _clean(node) if type(node) is str else node


def _clean(text: str) -> str:
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\0", "")
