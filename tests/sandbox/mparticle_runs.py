"""The traffic that the tests of mParticle's sandbox look at, made once."""

from functools import cache
from typing import Any, NamedTuple

from sandbox.mparticle import Ledger, Message, duration_ms, generate, handwritten
from tests.sandbox.mparticle_reader import Reader, objects

NOW_MS = 1_790_000_000_000


class Run(NamedTuple):
    messages: list[Message]
    ledger: Ledger
    reader: Reader


def traffic(seed: int = 5, messages: int = 2_000, **options: Any) -> tuple[list[Message], Ledger]:
    source = generate(seed, 200, messages, NOW_MS - duration_ms(messages), **options)
    return list(source), source.ledger


@cache
def generated_run() -> Run:
    return _read(*traffic(messages=20_000))


@cache
def handwritten_run() -> Run:
    return _read(*handwritten(NOW_MS))


def _read(messages: list[Message], ledger: Ledger) -> Run:
    reader = Reader(NOW_MS)
    # A message that is sent again is the same to the last byte, and says nothing new.
    for body in objects(dict.fromkeys(messages)):
        reader.read(body)
    return Run(messages, ledger, reader)
