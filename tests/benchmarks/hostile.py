"""H1: the worst message there is, of the shapes that are known to be bad, in one process.

Each shape at three sizes: as large as a topic takes, with as many values as are read, and one with
about as many parts as are routed.
"""

import time
from collections.abc import Callable, Iterator

import orjson

from agents.receiver.envelope import look
from agents.router.raw_message import RawMessage
from agents.router.routing import route_together
from models.mparticle.parsing import MAX_VALUES
from sandbox.kafka import Kafka
from streams.topics import MAX_MESSAGE_BYTES
from tests.agents.router.shapes import SHAPES, Shape, ordinary
from tests.benchmarks.results import Result, at_most
from tests.benchmarks.work import AT, RECEIVED_MS, SETTINGS

_MOST_LOADS = 20
_SAMPLE_BYTES = 100_000
_PARTS_BYTES = 600_000


async def run(_broker: Kafka, rounds: int) -> list[Result]:
    return measure(rounds)


def measure(rounds: int) -> list[Result]:
    """The worst shape by the median of its rounds; a smaller one counts as one of 10 MiB."""
    loads = min(_timed(orjson.loads, ordinary(MAX_MESSAGE_BYTES)) for _ in range(5))
    results = []
    for what, work in (("routing", _route), ("the receiver's look", look)):
        found = [
            Result("H1", f"worst shape: {name}", f"{what} / orjson.loads", "ratio", values)
            for name, shape in SHAPES.items()
            for value in _sized(shape)
            for values in [[_timed(work, value) / loads for _ in range(rounds)]]
        ]
        worst = max(found, key=lambda result: result.value)
        target = at_most(_MOST_LOADS)
        results.append(Result("H1", worst.case, worst.what, "ratio", worst.values, target))
    return results


def _sized(shape: Shape) -> Iterator[bytes]:
    sample = shape(_SAMPLE_BYTES)
    values = sum(map(sample.count, (b",", b"{", b"["))) or 1
    yield shape(MAX_MESSAGE_BYTES)
    yield shape(min(MAX_MESSAGE_BYTES, int(0.98 * MAX_VALUES / values * len(sample))))
    yield shape(_PARTS_BYTES)


def _route(value: bytes) -> object:
    return route_together([RawMessage(value, AT, RECEIVED_MS, SETTINGS)])


def _timed(work: Callable[[bytes], object], value: bytes) -> float:
    began = time.process_time()
    work(value)
    return time.process_time() - began
