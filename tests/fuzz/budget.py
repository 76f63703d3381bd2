"""What a message may cost: CPU time as a multiple of `orjson.loads`, memory by its bytes."""

import time
from functools import cache

import orjson

from streams.topics import MAX_MESSAGE_BYTES
from tests.agents.router.shapes import ordinary

# Times `orjson.loads` of an ordinary message of the same size; smaller ones as if they had this
# part of the largest, for each part costs the same in a small message.
MOST_LOADS = 20
_SMALLEST = 0.25
# Parsed, a byte of JSON takes up to fifty; what is written is held up to 8 MiB, and one record.
MOST_BYTES_A_BYTE = 60
MOST_BYTES_BESIDE = 128 * 1024 * 1024


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
    return MOST_LOADS * reference() * max(size / MAX_MESSAGE_BYTES, _SMALLEST)


def most_memory(size: int) -> int:
    return MOST_BYTES_A_BYTE * size + MOST_BYTES_BESIDE
