"""What chaos found, each as small as it can be; see the run that found it in its docstring."""

import asyncio
import gc
import warnings
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from faust.types import TP

from sandbox.ports import HOST
from sandbox.proxy import Proxy
from streams.delivery.history import History
from streams.engine.group_lease import GroupLease
from streams.engine.partition import Partition
from streams.engine.policy import EnginePolicy
from streams.kafka.buffered_records import Fetched
from streams.kafka.commit_metadata import Progress
from streams.kafka.log_bounds import Bounds
from streams.settings import KafkaSettings
from streams.topics import RAW
from tests.streams.engine.unstarted import consumer_of, coordinator_of, thread_of
from tests.streams.records import new_partition, source

HERE = TP(RAW.name, 0)


class Idle:
    """A processor with nothing to do."""

    def __init__(self) -> None:
        self.known: list[Partition] = []

    async def assigned(self, partitions: Sequence[Partition]) -> None:
        self.known += partitions
        for partition in partitions:
            partition.start()

    async def held(self, partitions: Sequence[Partition]) -> None:
        """Has no duties."""

    async def revoked(self, _partitions: Sequence[Partition], _deadline: float) -> None:
        """Has nothing under way."""


class Kafka:
    """In place of the consumer's thread: a log of ten records, read from 3 on after a takeover."""

    def __init__(self) -> None:
        self.position = 0
        self.commits: list[Mapping[TP, Progress]] = []
        self.before_answer: Callable[[], Awaitable[None]] | None = None
        self.before_starts: Callable[[], Awaitable[None]] | None = None

    async def fetch(self, _active: Collection[TP], _seconds: float) -> Fetched:
        if (first := self.before_answer) is not None:
            self.before_answer = None
            await first()
        offsets = range(self.position, 10)
        self.position = 10
        return Fetched(
            {HERE: [source(b"{}", offset, topic=RAW.name) for offset in offsets]}, {HERE: 10}
        )

    def read_by_group(self) -> Collection[TP]:
        return {HERE}

    async def read_progress(self, tps: Collection[TP]) -> Mapping[TP, Progress]:
        if (first := self.before_starts) is not None:
            self.before_starts = None
            await first()
        return dict.fromkeys(tps, Progress(3))

    async def log_bounds(self, tps: Collection[TP]) -> Mapping[TP, Bounds]:
        return dict.fromkeys(tps, Bounds(0, 10, 10))

    async def seek_to(self, positions: Mapping[TP, int], _generation: int | None = None) -> bool:
        self.position = positions[HERE]
        return True

    async def commit_progress(self, progress: Mapping[TP, Progress]) -> bool:
        self.commits.append(dict(progress))
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 500.0

    def __call__(self) -> float:
        return self.now


def idle(kafka: Kafka) -> Any:
    """A consumer that has taken over nothing yet."""
    return consumer_of(kafka, Idle(), {HERE})


async def test_what_is_read_between_a_takeovers_seek_and_its_end_is_read_again() -> None:
    """In aiokafka a read that a rebalance overtook waits for the next assignment.

    Its answer may come when the seek is done and the flow has not been let go yet. What it brought
    was dropped, and the position stood after it: 108 raw messages were committed and never routed.
    """
    kafka = Kafka()
    consumer = idle(kafka)

    async def takeover() -> None:
        consumer.stop_flow()
        await consumer.take_over(frozenset({HERE}), 1)

    kafka.before_answer = takeover
    too_early = [message async for _, message in consumer.getmany(1.0)]
    consumer.resume_flow()
    (message,) = [message async for _, message in consumer.getmany(1.0)]

    assert too_early == []
    assert [record.offset for record in message.value.records] == [3, 4, 5, 6, 7, 8, 9]


async def test_a_takeover_that_a_rebalance_overtakes_hands_nothing_over() -> None:
    """Faust takes partitions over beside the rebalance that gave them, so the next may come first.

    The worker took over what was revoked before it knew of it, so nothing closed it. When its past
    was read back it had its partitions fetched, in the name of those of the next assignment, whose
    past was not: their first chunks went to nobody, and waited until the worker was started anew,
    while all that came later was sent. 949 events were sent out of order.
    """
    kafka = Kafka()
    consumer = idle(kafka)
    overtaken = asyncio.Event()

    async def revoked() -> None:
        overtaken.set()
        await asyncio.Event().wait()

    kafka.before_starts = revoked
    await consumer.on_partitions_assigned({HERE}, 1)
    await overtaken.wait()
    await consumer.drain()
    after_the_first = list(consumer.processor.known)
    await consumer.take_over(frozenset({HERE}), 2)

    assert after_the_first == []
    assert consumer.processor.known == list(consumer.partitions.values())


async def test_partitions_that_are_forgotten_are_closed() -> None:
    consumer = idle(Kafka())
    await consumer.take_over(frozenset({HERE}), 1)
    (before,) = consumer.partitions.values()
    await consumer.take_over(frozenset({HERE}), 1)
    (after,) = consumer.partitions.values()

    assert (before.closed, after.closed) == (True, False)


async def test_a_heartbeat_that_kafka_answers_after_a_silence_confirms_nothing() -> None:
    """A worker was frozen, and put out of its group; then the broker was started again.

    A coordinator that still reads its groups says yes to every heartbeat. The worker took that for
    a confirmation and sent what others had delivered 15 seconds before.
    """
    clock = Clock()
    lease = GroupLease(6.0, clock)
    lease.renew(clock.now)
    carried_on = []
    for silence in (0.6, 4.0, 9.0, 0.6):
        clock.now += silence
        carried_on.append(lease.record_heartbeat(clock.now))

    assert carried_on == [True, True, False, False]
    assert not lease.is_held()
    assert lease.is_in_touch()


async def test_after_a_silence_a_commit_of_what_was_committed_already_confirms() -> None:
    clock, kafka = Clock(), Kafka()
    consumer = idle(kafka)
    consumer.lease.clock = clock
    await consumer.take_over(frozenset({HERE}), 1)
    taken_over = consumer.lease.is_held()
    clock.now += 25
    silent = consumer.lease.is_held()
    await consumer.commit()

    assert (taken_over, silent, consumer.lease.is_held()) == (True, False, True)
    at_first, again = kafka.commits
    assert at_first == again
    assert at_first[HERE].offset == 3


class Driver:
    """In place of aiokafka's consumer, whose broker does not answer."""

    def __init__(self) -> None:
        self._coordinator = coordinator_of()

    async def commit(self, _offsets: object) -> None:
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """As when it cancels a fetch that waits to try again."""
        raise asyncio.CancelledError


async def test_a_commit_that_nobody_answers_gives_up_and_is_asked_for_again() -> None:
    """Told to stop while the broker was away, workers needed 82 seconds; this was 20 of them."""
    thread = thread_of(Driver())
    thread.consumer.transport.policy = EnginePolicy(commit_s=0.01)

    assert not await thread.commit_progress({HERE: Progress(3)})
    async with asyncio.timeout(1):
        await thread.consumer.commits.due()


async def test_a_consumer_that_is_cancelled_while_it_stops_does_not_end_its_thread_untold() -> None:
    """And these were the other 60: whoever waits for the thread gives up after a minute."""
    await thread_of(Driver()).on_thread_stop()


async def test_a_takeover_that_the_next_rebalance_overtakes_leaves_no_connection_behind() -> None:
    """It was cancelled while it connected, to read back what has ended."""
    async with Proxy() as silent:
        silent.black_hole()
        kafka = KafkaSettings(bootstrap_servers=f"{HOST}:{silent.port}")
        reading = asyncio.ensure_future(
            anext(History(kafka).read([[new_partition(3)]], 10, lambda *_: None))
        )
        while not silent.connections:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait({reading})

    with warnings.catch_warnings(record=True) as said:
        gc.collect()
    assert [str(each.message) for each in said] == []
