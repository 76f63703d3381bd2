"""Has partitions that were added to a topic wait until what came before them has been read.

Kafka's partitioner gives a key another partition from then on. So what a user did before is in one,
and what they did since in another: read side by side, the later could overtake the earlier.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping

import structlog
from aiokafka.errors import KafkaError
from faust.types import TP

from streams.kafka.commit_metadata import Progress
from streams.kafka.log_bounds import Bounds

log = structlog.get_logger()

Ends = Callable[[Collection[TP]], Awaitable[Mapping[TP, Bounds | KafkaError]]]
Committed = Callable[[Collection[TP]], Awaitable[Mapping[TP, Progress]]]


class AddedPartitions:
    """They wait until the group has passed where the others ended when they were first seen.

    Whose producer learns of them later writes to the old partition for a little longer: of that
    nothing is known here.
    """

    def __init__(self, added: Collection[TP], before: Collection[TP]) -> None:
        """`before` are the partitions of which the group has an offset.

        Of these, one of an added one's number is waited for by nobody: it was added to its topic a
        little earlier, and its events may themselves wait for updates in the one of that number.
        """
        self._added = frozenset(added)
        numbers = {tp.partition for tp in added}
        # The end of each; None until Kafka has said it.
        self._before: dict[TP, int | None] = {
            tp: None for tp in before if tp.partition not in numbers
        }
        # Added partitions are read at once until it is known what they wait for.
        self._waits = False
        if added:
            log.info("partitions_added", detail=f"{_names(added)} wait for what was before them")

    async def waiting(self, ends: Ends, committed: Committed) -> Collection[TP]:
        """Partitions that still wait for what was before them."""
        if not self._added or not self._before:
            self._waits = False
            return ()
        answers = await ends([tp for tp, end in self._before.items() if end is None])
        for tp, answer in answers.items():
            if isinstance(answer, Bounds):
                self._before[tp] = answer.readable
        passed = await committed(self._before)
        self._before = {
            tp: end
            for tp, end in self._before.items()
            if end is None or (tp in passed and passed[tp].offset < end)
        }
        self._waits = bool(self._before)
        return self._added if self._waits else ()

    @property
    def said(self) -> str | None:
        """A sentence on what waits, and for what; None where nothing does."""
        if not self._waits:
            return None
        behind = (_until(tp, end) for tp, end in sorted(self._before.items()))
        return (
            f"{_names(self._added)} were added, and wait until the group has passed what was there "
            f"before: {', '.join(behind)}"
        )


def _names(tps: Collection[TP]) -> str:
    return ", ".join(f"{tp.topic}-{tp.partition}" for tp in sorted(tps))


def _until(tp: TP, end: int | None) -> str:
    where = "where it ends, which Kafka does not say" if end is None else f"offset {end}"
    return f"{where} of {tp.topic}-{tp.partition}"
