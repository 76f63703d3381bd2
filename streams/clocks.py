"""A worker's clocks, in one place, so that a simulation can show its own."""

import time

# A machine that is suspended stands still for `time.monotonic` and not for Kafka, which gives its
# partitions away meanwhile; this one goes on, where the system has it (Linux: clock_gettime(2)).
_STILL_COUNTS = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def monotonic() -> float:
    """Seconds that only grow; those of a suspended machine count."""
    return time.clock_gettime(_STILL_COUNTS)


def wall() -> float:
    """Seconds since 1970, UTC, as this machine believes."""
    return time.time()


def wall_ms() -> int:
    """The same in milliseconds, as records and Kafka have it."""
    return int(wall() * 1000)
