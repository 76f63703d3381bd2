"""Has what users do since partitions were added wait until what they did before has been read.

Kafka's partitioner gives a key another partition from then on. So what a user did before is in one,
and what they did since in another: read side by side, the later could overtake the earlier.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import structlog
from faust.types import TP

from streams.engine.forgotten_offsets import begun, forgotten
from streams.kafka.commit_metadata import Progress, Sight
from streams.kafka.log_bounds import Bounds

log = structlog.get_logger()


class AddedPartitions:
    """They wait until the group has passed where the others ended when they were first seen.

    Where each of the others ended, its worker commits beside its offset, once and for all: so it
    outlasts that worker. Added to a multiple of what there was, users stay where they are or go to
    what is new. With any other number some go from one old partition to another: so none of the old
    is read beyond that end either, before all have come to theirs.

    Whose producer learns of them earlier or later writes to the old partitions meanwhile, before or
    behind that end: of that nothing is known here.
    """

    def __init__(
        self, every: Collection[TP], known: Mapping[TP, Progress], assigned: Collection[TP]
    ) -> None:
        """`every` partition that the group reads, what is `known` of them, and whose turn is here.

        The group has no offset of an added one.
        """
        self._counts, self._begun = _counts(every), begun(known)
        self._added = {*every} - known.keys() - {*forgotten(every, known)}
        self.are_elsewhere = not self._added <= {*assigned}
        """Whether others are to read some of them, or nobody yet."""
        grown = {tp.topic for tp in self._added}
        self._reshuffled = {
            topic for topic in grown if self._counts[topic] % max(1, self._begun.get(topic, 0))
        }
        self._is_concerned = bool(
            self._added & {*assigned} or self._reshuffled & {tp.topic for tp in assigned}
        )
        # Whether it was said that Kafka has where each of the others ended.
        self._is_told = False
        self.look(known)

    def look(self, known: Mapping[TP, Progress]) -> None:
        """Takes how far the group has come by now.

        Once all have committed where theirs ended, it says so: who writes may be waiting for it.
        """
        self._known = known
        if self._is_concerned and not self._is_told and all(map(self._is_seen, known)):
            self._is_told = True
            log.info(
                "partitions_seen",
                detail=f"{_names(self._added)} were added, and Kafka has where all others ended: "
                "who writes may go on",
            )

    def is_outgrown(self, every: Iterable[TP]) -> bool:
        """Returns whether some topic has more partitions than were known of here."""
        return any(tp.partition >= self._counts.get(tp.topic, math.inf) for tp in every)

    @property
    def before(self) -> Collection[TP]:
        """The partitions that are waited for, or were."""
        return self._known.keys()

    @property
    def wait(self) -> bool:
        """Returns whether something of this worker's has to wait."""
        return self._is_concerned and any(map(self._is_behind, self._known))

    @property
    def waiting(self) -> Collection[TP]:
        """Partitions of which nothing is read yet."""
        return self._added if self.wait else ()

    def read_limit(self, start: Progress, tp: TP) -> int | None:
        """Returns from where on a partition is not read yet."""
        return start.sight.end if tp.topic in self._reshuffled and self.wait else None

    def sighted(self, tp: TP, start: Progress, there: Bounds) -> Progress:
        """Returns where it goes on, with where it ended when the group first saw the partitions.

        What is beyond the end of its log was seen of another log. What `is_early` to be settled is
        left as it was.
        """
        before = start.sight
        if tp in self._added:
            return replace(start, sight=self.sight(tp, start.offset))
        is_unseen = before.partitions < self._counts[tp.topic] and not self.is_early(tp, start)
        if is_unseen or before.end > there.end:
            return replace(start, sight=self.sight(tp, there.end))
        if before.is_of_added(tp.partition):
            return start
        return replace(start, sight=before._replace(begun=self._begun.get(tp.topic, 0)))

    def origins(self, tp: TP, start: Progress) -> Mapping[TP, int]:
        """Returns where the users of an added partition were before, and where each of these ended.

        All that stands before that has ended, as what was added has waited for it.
        """
        count, before = start.sight.partitions, start.sight.begun
        if not start.sight.is_of_added(tp.partition):
            return {}
        numbers = range(before) if count % before else [tp.partition % before]
        origins = (TP(tp.topic, number) for number in numbers)
        return {each: self._known[each].sight.end for each in origins if each in self._known}

    def is_early(self, tp: TP, start: Progress) -> bool:
        """Returns whether who writes may still put users there who have moved from it.

        Only where it is read on meanwhile, and users move to what is new alone.
        """
        is_grown = 0 < start.sight.partitions < self._counts[tp.topic]
        return is_grown and tp not in self._added and tp.topic not in self._reshuffled

    def sight(self, tp: TP, end: int) -> Sight:
        """Returns that it ended there when there were as many partitions as there are now."""
        return Sight(self._begun.get(tp.topic, 0), self._counts[tp.topic], end)

    def _is_behind(self, tp: TP) -> bool:
        return not self._is_seen(tp) or self._known[tp].offset < self._known[tp].sight.end

    def _is_seen(self, tp: TP) -> bool:
        """Whether its worker has committed where it ended when there were so many."""
        return self._known[tp].sight.partitions >= self._counts[tp.topic]

    @property
    def said(self) -> str | None:
        """A sentence on what waits, and for what; None where nothing does."""
        if not self.wait:
            return None
        behind = (self._until(tp) for tp in sorted(filter(self._is_behind, self._known)))
        said = (
            f"{_names(self._added)} were added, and wait until the group has passed what was there "
            f"before: {', '.join(behind)}"
        )
        return f"{said}; {self._said_of_limits}" if self._reshuffled else said

    @property
    def _said_of_limits(self) -> str:
        counts = ", ".join(
            f"{topic} had {self._begun.get(topic, 0)} partitions and has {self._counts[topic]}"
            for topic in sorted(self._reshuffled)
        )
        return (
            f"what came since to the others waits too, as users move between them: {counts}, "
            "which is no multiple"
        )

    def _until(self, tp: TP) -> str:
        if not self._is_seen(tp):
            return f"where {tp.topic}-{tp.partition} ends, which no worker has committed"
        return f"offset {self._known[tp].sight.end} of {tp.topic}-{tp.partition}"


def up_to_highest(tps: Iterable[TP]) -> set[TP]:
    """Returns these and all of lower numbers: what a worker has heard of topics may be old."""
    return {TP(topic, each) for topic, count in _counts(tps).items() for each in range(count)}


def _counts(tps: Iterable[TP]) -> Mapping[str, int]:
    """As many partitions of each topic as there are up to the highest."""
    counts: dict[str, int] = {}
    for tp in tps:
        counts[tp.topic] = max(counts.get(tp.topic, 0), tp.partition + 1)
    return counts


def _names(tps: Collection[TP]) -> str:
    return ", ".join(f"{tp.topic}-{tp.partition}" for tp in sorted(tps))
