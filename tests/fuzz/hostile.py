"""Hostile messages by their seed: real ones, bent where structure, sizes and bytes can be bent."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from streams.topics import MAX_MESSAGE_BYTES
from tests.agents.router.shapes import SHAPES, ordinary

SECRET = "s3cret-of-the-account"
PERSONAL = "jane_doe_1980"

_CASES = Path(__file__).parents[1] / "agents" / "router" / "cases"
_NAMES = (
    PERSONAL,
    "",
    "id",
    "type",
    "events",
    "mpid",
    "data",
    "value",
    "user_identities",
    "__proto__",
    "a\0b",
    "\ud800",
    "\u202e",
    "\x1b[2J",
)
_TEXTS = ("", "\0", "\ud800", "\x1b]0;\x07", "NaN", "1e999", "-0", "0", "true", "\u2028", PERSONAL)
_NUMBERS = (0, -1, 2**63, -(2**63) - 1, 2**64, 10**30, 1e308, -0.0, 0.1 + 0.2, 10**13)
_ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-be", "utf-32", "latin-1", "utf-7")
_BYTES = (
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b'"',
    b"\\",
    b"{",
    b"]",
    b",",
    b"\n",
    b"\\u0000",
    b"\\ud8",
)


@dataclass(frozen=True)
class Hostile:
    """`hides` says whether the secret in it still stands under a name that tells of one."""

    value: bytes
    hides: bool


def hostile(random: Random) -> Hostile:
    """Mostly small, sometimes as large as a topic takes."""
    size = int(10 ** random.uniform(2, random.choice((4.5, 4.5, 4.5, 5.5, 6.5, 7.02))))
    match random.randrange(8):
        case 0:
            value = SHAPES[random.choice(sorted(SHAPES))](size)
            return Hostile(_bent(value, random, random.randrange(2)), hides=False)
        case 1:
            return Hostile(random.randbytes(min(size, 100_000)), hides=False)
        case 2:
            return Hostile(_bent(ordinary(size), random, random.randrange(3)), hides=False)
        case _:
            return _from_a_case(random, size)


def _from_a_case(random: Random, size: int) -> Hostile:
    text = _cases()[random.randrange(len(_cases()))]
    message = json.loads(text)
    if random.random() < 1 / 8:
        message = [json.loads(random.choice(_cases())) for _ in range(random.randrange(1, 4))]
    message = {"message": message}
    for number in range(random.randrange(5)):
        # One is large, or large times large would be more than anybody can write.
        _bend(message, random, min(size, 200) if number else size)
    hides = random.random() < 1 / 2
    if hides:
        _hide(message, random)
    text = _text(message["message"], random)
    if random.random() < 1 / 2:
        text = random.choice(_KEEPING)(text, random)
    value = text.encode(errors="surrogatepass")
    if random.random() < 1 / 8:
        value = text.encode(random.choice(_ENCODINGS[:4]), errors="surrogatepass")
    if random.random() < 1 / 8:
        value = value[: random.randrange(len(value) + 1)]
    if not hides and random.random() < 1 / 4:
        value = _bent(value, random, random.randrange(4))
    # A secret that is cut off in front of its name is one that nobody can tell.
    return Hostile(value[:MAX_MESSAGE_BYTES], hides)


@cache
def _cases() -> list[str]:
    """The messages of the router's cases, without the secrets that these hold."""
    cases = [json.loads(path.read_text()) for path in sorted(_CASES.iterdir())]
    texts = [case["text"] if "text" in case else json.dumps(case["message"]) for case in cases]
    return [text for text in texts if "account_settings" not in text]


def _places(node: Any, found: list[tuple[Any, Any]], most: int = 2_000) -> list[tuple[Any, Any]]:
    """Containers with each of their keys; without recursion, for it may be deep."""
    waiting = [node]
    while waiting and len(found) < most:
        each = waiting.pop()
        keys = list(each)[:50] if isinstance(each, dict) else range(min(len(each), 50))
        for key in keys:
            found.append((each, key))
            if isinstance(each[key], dict | list):
                waiting.append(each[key])
    return found


def _bend(message: dict[str, Any], random: Random, size: int) -> None:
    node, key = random.choice(_places(message, []))
    random.choice(_BENDS)(node, key, random, size)


def _retype(node: Any, key: Any, random: Random, _: int) -> None:
    node[key] = random.choice((*_TEXTS, *_NUMBERS, None, True, [], {}, [[]], [{}], {"": {}}))


def _blow(node: Any, key: Any, random: Random, size: int) -> None:
    unit = random.choice(("a", "1", "é", "\\", '"', "\0", " ", "\u202e", "{[", "."))
    node[key] = unit * (size // len(unit))


def _lengthen(node: Any, key: Any, random: Random, size: int) -> None:
    digits = min(size, 4_000)
    node[key] = random.choice((10**digits, -(10**digits)))


def _deepen(node: Any, key: Any, random: Random, _: int) -> None:
    inside = node[key]
    for _level in range(random.choice((1, 5, 95, 101, 300))):
        inside = [inside] if random.random() < 1 / 2 else {"a": inside}
    node[key] = inside


def _repeat(node: Any, key: Any, random: Random, size: int) -> None:
    """Many of what is there: parts, names, identities."""
    each = node[key]
    unit = len(json.dumps(each)) + 8 if not isinstance(each, float) else 16
    count = max(1, min(size // unit, 300_000))
    if isinstance(each, list) and each:
        node[key] = each * max(1, count)
    elif isinstance(node, list):
        node[key : key + 1] = [each] * count
    elif isinstance(each, dict) and each:
        name, value = random.choice(list(each.items()))
        each |= {f"{name}{number}": value for number in range(count)}
    else:
        node[key] = [each] * count


def _rename(node: Any, key: Any, random: Random, size: int) -> None:
    if isinstance(node, dict) and key != "message":
        names = (*_NAMES, "n" * min(size, 1_000_000))
        node[random.choice(names)] = node.pop(key)


def _drop(node: Any, key: Any, *_: Any) -> None:
    if key != "message":
        del node[key]


def _empty(node: Any, key: Any, *_: Any) -> None:
    node[key] = None


_BENDS: tuple[Callable[[Any, Any, Random, int], None], ...] = (
    *(_retype, _blow, _lengthen, _deepen, _repeat, _repeat),
    *(_rename, _drop, _empty),
)


def _hide(message: dict[str, Any], random: Random) -> None:
    objects = [node for node, _ in _places(message, []) if isinstance(node, dict)][1:]
    settings = {"apiKey": SECRET, "more": [{"k": SECRET}], "n": 1.5}
    top = message.setdefault("message", {})
    if isinstance(top, dict) and random.random() < 1 / 3:
        top["api_key"] = SECRET
    elif objects:
        random.choice(objects)["account_settings"] = random.choice((settings, SECRET, [SECRET]))


def _text(message: Any, random: Random) -> str:
    try:
        return json.dumps(
            message,
            ensure_ascii=random.random() < 1 / 2,
            indent=random.choice((None, None, None, 1)),
            separators=random.choice((None, (",", ":"))),
        )
    except (RecursionError, ValueError):
        return '{"events":['


def _commas(text: str, _: Random) -> str:
    return text.replace("}", ",}")


def _newlines(text: str, random: Random) -> str:
    return text.replace("s3cret", "s3\ncret") if random.random() < 1 / 2 else text + "\n{}"


def _escaped(text: str, _: Random) -> str:
    return re.sub('(?<=")ap(?=i_key)|acc(?=ount_s)', lambda found: _unicode(found[0]), text)


def _unicode(text: str) -> str:
    return "".join(f"\\u{ord(each):04x}" for each in text)


def _twice(text: str, _: Random) -> str:
    return f"{text}{text}"


# Ways to break a text that leave the names of secrets as they are.
_KEEPING: tuple[Callable[[str, Random], str], ...] = (*(_commas, _newlines, _escaped, _twice),)


def _bent(value: bytes, random: Random, times: int) -> bytes:
    """Bytes changed, put in, taken out and repeated, wherever they stand."""
    bent = bytearray(value[:MAX_MESSAGE_BYTES])
    for _ in range(times):
        place = random.randrange(len(bent) + 1)
        match random.randrange(4):
            case 0:
                bent[place : place + 1] = random.randbytes(1)
            case 1:
                bent[place:place] = random.choice(_BYTES) * random.choice((1, 1, 1, 1_000))
            case 2:
                del bent[place : place + random.choice((1, 10, 10_000))]
            case _:
                part = bytes(bent[place : place + 200])
                bent[place:place] = part * random.choice((1, 10, 1_000))
    return bytes(bent[:MAX_MESSAGE_BYTES])
