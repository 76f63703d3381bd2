"""Partitions that were added wait for what was before them, and for nothing else."""

from collections.abc import Collection, Mapping

from aiokafka.errors import KafkaError, LeaderNotAvailableError
from faust.types import TP

from streams.engine.added_partitions import AddedPartitions
from streams.kafka.commit_metadata import Progress
from streams.kafka.log_bounds import Bounds

OLD, OTHER, EARLIER = TP("user-update", 0), TP("events", 0), TP("events", 4)
ADDED = TP("user-update", 4)
END = 10


class Kafka:
    """Each log ends at `END`, and each partition is committed as far as is set."""

    def __init__(self) -> None:
        self.committed: dict[TP, int] = {}
        self.silent: set[TP] = set()

    async def ends(self, tps: Collection[TP]) -> Mapping[TP, Bounds | KafkaError]:
        there = Bounds(0, END + 1, END)  # after which a transaction is open
        return {tp: LeaderNotAvailableError() if tp in self.silent else there for tp in tps}

    async def progress(self, tps: Collection[TP]) -> Mapping[TP, Progress]:
        return {tp: Progress(at) for tp, at in self.committed.items() if tp in tps}


async def test_their_turn_comes_when_each_of_the_others_is_where_it_ended() -> None:
    kafka, added = Kafka(), AddedPartitions([ADDED], [OLD, OTHER])
    kafka.committed = {OLD: END, OTHER: END - 1}
    assert await added.waiting(kafka.ends, kafka.progress) == {ADDED}
    assert added.said == (
        "user-update-4 were added, and wait until the group has passed what was there before: "
        "offset 10 of events-0"
    )
    kafka.committed = {OLD: END, OTHER: END}
    assert await added.waiting(kafka.ends, kafka.progress) == ()
    assert added.said is None


async def test_where_another_ended_is_asked_until_kafka_says_it() -> None:
    kafka, added = Kafka(), AddedPartitions([ADDED], [OLD])
    kafka.committed, kafka.silent = {OLD: END}, {OLD}
    assert await added.waiting(kafka.ends, kafka.progress) == {ADDED}
    assert str(added.said).endswith("where it ends, which Kafka does not say of user-update-0")
    kafka.silent = set()
    assert await added.waiting(kafka.ends, kafka.progress) == ()


async def test_they_do_not_wait_for_their_own_number_which_waits_for_them() -> None:
    kafka, added = Kafka(), AddedPartitions([ADDED], [OLD, EARLIER])
    kafka.committed = {OLD: END, EARLIER: 0}
    assert await added.waiting(kafka.ends, kafka.progress) == ()
