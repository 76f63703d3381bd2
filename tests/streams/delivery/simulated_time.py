"""An event loop whose time passes at once: hours of waiting in the time that the work takes."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    """Never waits: the time it was to wait has passed."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("nothing will ever happen")
        self.now += max(0.0, timeout)
        return []  # there is nothing outside to be asked, and to ask takes longer than a turn


class SimulatedTime(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._passing = _Selector()
        super().__init__(self._passing)

    def time(self) -> float:
        return self._passing.now

    def pass_(self, seconds: float) -> None:
        self._passing.now += seconds


def run(story: Coroutine[Any, Any, T]) -> T:
    """Runs to the end what only waits for time, and for nothing outside of this process."""
    with asyncio.Runner(loop_factory=SimulatedTime) as runner:
        return runner.run(story)


def now() -> float:
    return asyncio.get_running_loop().time()


async def pass_seconds(seconds: float) -> None:
    """Whatever waits for that time has its turn."""
    await asyncio.sleep(seconds)


def compute(seconds: float) -> None:
    """Time passes in which nothing else of this process runs."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedTime)
    loop.pass_(seconds)
