"""Selects what of a window of records goes into an update job; the rest is left to calls."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from agents.sailthru.fill.job_file import line
from agents.sailthru.sender import Request
from agents.sailthru.sink import SailthruSink
from streams.delivery.lane import Item, Lane
from streams.delivery.sink import Batch, LaneKey
from streams.outcomes import Blocked


class WindowLanes:
    """Keeps a window's admitted records in their lanes until the window is whole."""

    def __init__(self) -> None:
        self.why: Blocked | None = None
        self._lanes: dict[LaneKey, Lane] = {}

    @property
    def is_held(self) -> bool:
        return self.why is not None

    def hold(self, why: Blocked | None) -> None:
        self.why = self.why or why

    def queue(self, key: LaneKey, item: Item) -> Lane:
        lane = self._lanes.setdefault(key, Lane(key))
        lane.append(item)
        return lane

    def taken(self) -> Sequence[Lane]:
        """Removes and returns all queued lanes."""
        lanes, self._lanes = self._lanes, {}
        return list(lanes.values())


Said: TypeAlias = tuple[Lane, Batch[Request]]
"""What a line says: a batch of the lane's first records."""


def job_lines(sink: SailthruSink, lanes: Iterable[Lane]) -> Iterator[tuple[Said, bytes]]:
    """Yields the line of each user whose first change a job can say, and what it says.

    What comes after it waits for the job, and is left to calls: lines of a file have no order.
    """
    for lane in lanes:
        try:
            batch = sink.fold(lane.key, lane.head(sink.most_records))
        except Exception:  # noqa: BLE001, S112 - left to the call, which finds the record that shows it
            continue
        if (text := line(batch.request.call)) is not None:
            yield (lane, batch), text
