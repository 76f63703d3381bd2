"""A process's own record of its CPU and memory over time, and how another reads it."""

import os
import resource
import sys
import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

VARIABLE = "BENCHMARK_METER"
_EVERY_SECONDS = 0.05
# Linux counts kilobytes, macOS bytes.
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class Meter:
    """Writes a line every 50 ms, so that nothing is missing when the process is killed."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", buffering=1)
        threading.Thread(target=self._sample, daemon=True).start()

    @classmethod
    def of_this_process(cls) -> "Meter":
        return cls(Path(os.environ[VARIABLE]))

    def mark(self, name: str) -> None:
        """Notes that something happens now."""
        self._write(name)

    def marking_first(self, name: str, function: Callable[P, R]) -> Callable[P, R]:
        """The same function, whose first call is noted."""
        todo = [name]

        def noted(*args: P.args, **kwargs: P.kwargs) -> R:
            if todo:
                self.mark(todo.pop())
            return function(*args, **kwargs)

        return noted

    def _sample(self) -> None:
        while True:
            self._write("-")
            time.sleep(_EVERY_SECONDS)

    def _write(self, name: str) -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT
        self._file.write(f"{time.time():.4f} {time.process_time():.6f} {peak} {name}\n")


class Reading(NamedTuple):
    """Unix seconds, CPU seconds of all threads so far, most resident bytes so far."""

    at: float
    cpu: float
    peak: int


@dataclass(slots=True)
class Readings:
    """What a meter wrote, in order."""

    samples: list[Reading] = field(default_factory=list)
    marks: dict[str, Reading] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Readings":
        readings = cls()
        for line in path.read_text().splitlines():
            at, cpu, peak, *names = line.split()
            reading = Reading(float(at), float(cpu), int(peak))
            readings.samples.append(reading)
            for name in names:
                readings.marks.setdefault(name, reading)
        return readings

    def cpu_at(self, at: float) -> float:
        """CPU seconds used until then, linear between two samples."""
        place = bisect_left(self.samples, at, key=lambda reading: reading.at)
        if place == 0 or place == len(self.samples):
            return self.samples[min(place, len(self.samples) - 1)].cpu
        before, after = self.samples[place - 1 : place + 1]
        if after.at == before.at:
            return after.cpu
        return before.cpu + (after.cpu - before.cpu) * (at - before.at) / (after.at - before.at)
