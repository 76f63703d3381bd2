"""What a message may cost: CPU time as a multiple of `orjson.loads`, memory by its bytes."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import orjson

from streams.runtime import NEW_OBJECTS
from streams.topics import MAX_MESSAGE_BYTES
from tests.agents.router.shapes import ordinary

# Times `orjson.loads` of an ordinary message as large as may be. A message of an eighth of that
# can have as many values as are read, and so take as long; a smaller one its part, or a half.
MOST_LOADS = 20
_AS_LONG = 1 / 8
_SMALLEST = 0.5
# Parsed, a byte of JSON takes up to fifty; what is written is held up to 8 MiB, and one record.
MOST_BYTES_A_BYTE = 60
MOST_BYTES_BESIDE = 128 * 1024 * 1024


@contextmanager
def like_a_worker() -> Iterator[None]:
    """Looks for garbage as seldom as a worker does."""
    before = gc.get_threshold()
    gc.set_threshold(NEW_OBJECTS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@cache
def reference() -> float:
    """CPU seconds of `orjson.loads` of an ordinary message as large as may be."""
    value = ordinary(MAX_MESSAGE_BYTES)
    return min(_timed(value) for _ in range(5))


def _timed(value: bytes) -> float:
    began = time.process_time()
    orjson.loads(value)
    return time.process_time() - began


def most_seconds(size: int) -> float:
    """CPU seconds that a message of so many bytes may take."""
    part = size / MAX_MESSAGE_BYTES / _AS_LONG
    return MOST_LOADS * reference() * min(1.0, max(part, _SMALLEST))


def most_memory(size: int) -> int:
    return MOST_BYTES_A_BYTE * size + MOST_BYTES_BESIDE
