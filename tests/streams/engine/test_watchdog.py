"""A worker that hangs is told from one that waits."""

from streams.engine.watchdog import Watchdog


class Clock:
    def __init__(self) -> None:
        self.now = 500.0

    def __call__(self) -> float:
        return self.now


def looks(*marks: tuple[object, bool]) -> list[bool]:
    """What it says every 40 seconds of (mark of progress, excused), with a limit of 100."""
    clock = Clock()
    watchdog = Watchdog(100.0, clock)
    said = []
    for mark, excused in marks:
        said.append(watchdog.stalled(mark, excused=excused))
        clock.now += 40
    return said


def test_a_mark_that_stands_still_for_too_long_is_a_stall() -> None:
    assert looks(*[(1, False)] * 5) == [False, False, False, True, True]


def test_a_mark_that_moves_is_none() -> None:
    assert not any(looks(*[(mark, False) for mark in range(10)]))


def test_an_excuse_is_none_and_the_time_counts_from_its_end() -> None:
    assert looks(*[(1, True)] * 6, *[(1, False)] * 4) == [*[False] * 8, True, True]


def test_an_excuse_from_time_to_time_is_enough() -> None:
    assert not any(looks(*[(1, turn % 2 == 0) for turn in range(12)]))
