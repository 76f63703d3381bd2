"""What every message is made of: bytes, keys and mParticle's ids."""

from random import Random
from typing import Any, NamedTuple, TypeAlias

import orjson

Body: TypeAlias = dict[str, Any]
# Stands in what mParticle sends and no destination is to have: tokens, and other vendors' ids.
NEVER_SENT = "never-sent-3c9e4b"
# The name of an event attribute that never has a value, so that no event at a destination has it.
VALUELESS = "gift"


class Message(NamedTuple):
    """One record of the raw topic; its key is the mpid as text, as in mParticle's output.

    An audience's is its id, as the receiver has it; what is about several has none.
    """

    key: bytes | None
    value: bytes


def message(body: object, about: int | None = None) -> Message:
    """Has the key of the user, or of the audience, that it is about."""
    return Message(None if about is None else str(about).encode(), orjson.dumps(body))


def uuid(rng: Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def int64(rng: Random) -> int:
    return rng.getrandbits(64) - 2**63


def chance(rng: Random, share: float) -> bool:
    return rng.random() < share


def number_or_text(rng: Random, number: int) -> int | str:
    """Writes a 64-bit integer in one of the two ways that mParticle's outputs do."""
    return number if chance(rng, 0.5) else str(number)


def event_times(rng: Random, count: int, end_ms: int) -> list[int]:
    """Rising times before `end_ms`; now and then all the same: then the place decides."""
    if chance(rng, 0.05):
        return [end_ms - count] * count
    return list(range(end_ms - count, end_ms))


def writing_order(rng: Random, times: list[int]) -> list[int]:
    """The places in which to write events: their order inside a message is not promised."""
    places = list(range(len(times)))
    if len(set(times)) == len(times) and chance(rng, 0.2):
        rng.shuffle(places)
    return places


def weave(rng: Random, story: list[Body], others: list[Body]) -> list[Body]:
    """Puts `others` anywhere between the events of `story`, whose order is kept."""
    woven = list(story)
    for other in others:
        woven.insert(rng.randint(0, len(woven)), other)
    return woven
