"""What of one window goes into jobs, and what is counted of it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from agents.sailthru.fill.job_file import line
from agents.sailthru.sink import SailthruSink
from models.dead_letter import DeadLetter
from streams.dead_letters.writer import DeadLetters
from streams.delivery.completion import Completion, Refused
from streams.delivery.lane import Item, Lane
from streams.delivery.ordering.deduplication import Deduplication
from streams.delivery.ordering.update_barrier import NoBarrier
from streams.delivery.sink import LaneKey
from streams.outcomes import Blocked


class Waiting:
    """Where admitted records wait until their window is whole."""

    def __init__(self) -> None:
        self.why: Blocked | None = None
        self._lanes: dict[LaneKey, Lane] = {}

    @property
    def held(self) -> bool:
        return self.why is not None

    def hold(self, why: Blocked | None) -> None:
        self.why = self.why or why

    def queue(self, key: LaneKey, item: Item) -> None:
        self._lanes.setdefault(key, Lane(key)).append(item)

    def taken(self) -> Sequence[Lane]:
        """Removes and returns all queued lanes."""
        lanes, self._lanes = self._lanes, {}
        return list(lanes.values())


def planned(sink: SailthruSink, lanes: Iterable[Lane]) -> Iterator[tuple[tuple[Lane, int], bytes]]:
    """The line of each user whose first change a job can say, and how many records it carries.

    What comes after it waits for the job, and is left to calls: lines of a file have no order.
    """
    for lane in lanes:
        try:
            batch = sink.fold(lane.key, lane.head(sink.most_records))
        except Exception:  # noqa: BLE001, S112 - left to the call, which finds the record that shows it
            continue
        if (text := line(batch.request.call)) is not None:
            yield (lane, batch.size), text


class CountedCompletion(Completion):
    """Ends as a worker's, and the numbers for the person who asked."""

    def __init__(
        self, destination: str, letters: DeadLetters, deduplication: Deduplication
    ) -> None:
        super().__init__(destination, letters, deduplication, NoBarrier())
        self.delivered_records = 0
        self.dropped_records = Counter[str]()
        self.refused_records = Counter[str]()

    def delivered(self, items: Sequence[Item]) -> None:
        self.delivered_records += len(items)
        super().delivered(items)

    def dropped(self, item: Item, reason: str) -> None:
        self.dropped_records[reason] += 1
        super().dropped(item, reason)

    async def rejected(self, refused: Sequence[Refused]) -> None:
        self.refused_records.update(why.reason for _, why in refused)
        await super().rejected(refused)


class NoDeadLetters(DeadLetters):
    """Writes none: in a dry run."""

    def __init__(self) -> None:
        """Needs no producer."""

    async def write(self, letters: Sequence[DeadLetter]) -> None:
        """Nothing: they are counted where they end."""
