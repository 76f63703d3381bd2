"""Faust's consumer with our chunks and offsets in it.

What is overridden, and why, is listed in docs/architecture.md; tests/streams/engine/test_guards.py
fails when an upgrade of Faust moves the ground.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Mapping
from typing import Any

from faust.types import TP
from mode import Service

from streams import metrics
from streams.engine import gauges
from streams.engine.committer import Commits
from streams.engine.consumer_thread import ConsumerThread
from streams.engine.fetching import FetchingConsumer
from streams.engine.group_lease import Membership
from streams.engine.partition import InFlightLimit, Partition
from streams.engine.processor import Processor
from streams.engine.refusals import GroupError, Refusals
from streams.engine.twins import Twins
from streams.engine.watchdog import watch
from streams.kafka.commit_metadata import Progress

_COMMIT_PAUSE_SECONDS = 0.05
# A commit gives up after five seconds, and one may be under way.
_LAST_COMMIT_SECONDS = 6.0
# A partition that could not be asked for its bounds is asked again after this long.
_ASK_AGAIN_SECONDS = 1.0


class Consumer(FetchingConsumer):
    """Takes partitions over and gives them back; in between commits what has ended."""

    processor: Processor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._takeover: asyncio.Task[None] | None = None
        # Set for good by the drain of a stop or a crash: what is assigned after it is left alone.
        self._is_over = False
        kafka = self.transport.kafka
        self.membership = Membership(kafka.session_timeout_s)
        self.refusals = Refusals()
        self._twins = Twins(kafka.group_instance_id, kafka.session_timeout_s)
        self._final: asyncio.Queue[GroupError] = asyncio.Queue()
        self.commits = Commits(self.partitions, self.membership, self._commit)

    async def on_start(self) -> None:
        self.processor = self.transport.make_processor()
        await super().on_start()

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # -- what runs beside all else; whatever one of them raises ends the worker

    @Service.task
    async def _process(self) -> None:
        await self._or_drain(self.processor.run())

    @Service.task
    async def _commit_handler(self) -> None:
        while not self.should_stop:
            await self.commits.due()
            await self.commit()
            await self.sleep(_COMMIT_PAUSE_SECONDS)

    @Service.task
    async def _watch(self) -> None:
        limit = self.transport.kafka.stalled_after_s
        # Named on /ready, and what waits for those partitions may wait too.
        named = lambda: bool(self.unavailable)  # noqa: E731 - two lines for a word
        work = watch(limit, self.partitions, self.processor, self.membership, named)
        await self._or_drain(work)

    @Service.task
    async def _end_where_only_a_person_can_help(self) -> None:
        await self._or_drain(self._raise_final())

    async def _raise_final(self) -> None:
        raise await self._final.get()

    def join_refused(self, error: Exception) -> None:
        """Is told by the consumer's thread."""
        refused = self.refusals.refused("join its group", error)
        self._end_with(refused or self._twins.join_refused(error))

    def membership_lost(self) -> None:
        """Is told by the consumer's thread that Kafka does not know this member any more."""
        self._end_with(self._twins.lost_membership(in_touch=self.membership.in_touch()))

    def _end_with(self, error: GroupError | None) -> None:
        if error is not None:
            self._final.put_nowait(error)

    async def _or_drain(self, work: Awaitable[None]) -> None:
        """Commits what has ended before a crash: Faust's takes the thread along that commits."""
        try:
            await work
        except Exception:
            await self.end()
            raise

    @Service.task
    async def _tell_of_itself(self) -> None:
        await asyncio.gather(
            gauges.keep_log_bounds(self.learn_log_bounds),
            gauges.keep_loop_lag(),
            gauges.keep_summary(self.partitions, self.processor, self.transport.kafka.bare),
        )

    async def learn_log_bounds(self) -> None:
        """Asks where the log of each partition begins and ends."""
        partitions = dict(self.partitions)
        if not partitions:
            return
        for tp, there in (await self._log_bounds(partitions)).items():
            partitions[tp].bounds = there.first, there.readable

    @Service.task
    async def _commit_livelock_detector(self) -> None:
        """Nothing: Faust's only logs, and is wrong about idle and paused partitions."""

    # -- assignment

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Begins the takeover of an assignment, beside which heartbeats go on."""
        self.refusals.granted("join its group")
        # Who is put out again before a first commit, by a twin, was in touch all the same.
        self.membership.let_in()
        await super().on_partitions_assigned(assigned, generation_id)
        if not self._is_over:
            taking_over = self._take_over(frozenset(assigned), generation_id)
            self._takeover = asyncio.create_task(taking_over)

    async def _take_over(self, assigned: frozenset[TP], generation: int) -> None:
        try:
            await self.take_over(assigned, generation)
        except Exception as error:  # noqa: BLE001 - as of every task here, it ends the worker
            await self.end()
            await self.crash(error)

    async def perform_seek(self) -> None:
        """Seeks nothing, as takeovers do; closes what Faust has just opened.

        Faust calls it beside the rebalance that gave the partitions, at any time after it.
        """
        opened = {tp for tp, each in self.partitions.items() if self.may_fetch(each)}
        self.pause_partitions(self._get_active_partitions() - opened)

    async def take_over(self, assigned: frozenset[TP], generation: int) -> None:
        """Goes on with each partition as soon as Kafka says what there is of it.

        One that cannot be asked holds up no other. The next revocation cancels this.
        """
        self._forget()
        self.holds.clear()
        self.unavailable.clear()
        metrics.REBALANCES.inc()
        self.pause_partitions(assigned)
        committed = await self._thread.read_progress(assigned)
        left = set(assigned)
        while left:
            there = await self._log_bounds(left)
            # A partition without an offset was added later, and is read from its beginning.
            starts = {
                tp: start
                for tp, bounds in there.items()
                if (start := self.gaps.begin(tp, committed.get(tp, Progress(bounds.first)), bounds))
            }
            if not await self._thread.seek_to(_offsets(starts), generation):
                return  # the next rebalance has begun, and cancels this in a moment
            limit = InFlightLimit.share(self.transport.kafka, len(assigned))
            still = committed.keys() & (left - starts.keys())
            await self._hold({tp: committed[tp] for tp in still}, limit)
            await self._go_on(starts, limit)
            left -= there.keys()
            if left:
                await asyncio.sleep(_ASK_AGAIN_SECONDS)

    async def _hold(self, stands: Mapping[TP, Progress], limit: InFlightLimit) -> None:
        """Of these nothing is fetched; but that they are this worker's has its duties."""
        held = [
            Partition(tp, at, limit, self._partition_changed)
            for tp, at in stands.items()
            if tp not in self.partitions
        ]
        for each in held:
            each.is_held = True
            self.partitions[each.tp] = each
        if held:
            await self.processor.held(held)

    async def _go_on(self, starts: Mapping[TP, Progress], limit: InFlightLimit) -> None:
        # Each is fetched when its processor starts it.
        self.pause_partitions(starts)
        self._read_offset.update(dict.fromkeys(starts, None))
        taken = {
            tp: Partition(tp, start, limit, self._partition_changed) for tp, start in starts.items()
        }
        for tp in taken.keys() & self.partitions.keys():
            self.partitions[tp].closed = True  # held until now
        self.partitions.update(taken)
        if taken:
            await self.processor.assigned(list(taken.values()))
            await self.commits.begin(starts)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Drains and commits before Faust forgets; then lets it go on."""
        self.stop_flow()
        await self.drain()
        await super().on_partitions_revoked(revoked)

    async def end(self) -> None:
        """The drain of a stop or a crash, after which nothing is taken over any more."""
        self._is_over = True
        await self.drain()

    async def drain(self) -> None:
        """Closes all partitions, waits for what is in flight, commits, forgets."""
        self._close()
        await self._stop_takeover()
        if partitions := self._close():
            with metrics.DRAIN_SECONDS.time():
                await self.processor.revoked(partitions, self.transport.kafka.drain_s)
                # With the brokers away a commit waits for ever; what it misses is only repeated.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.commit(), _LAST_COMMIT_SECONDS)
        self._forget()

    async def _stop_takeover(self) -> None:
        takeover, self._takeover = self._takeover, None
        # One that has failed drains by itself.
        if takeover is not None and takeover is not asyncio.current_task():
            takeover.cancel()
            await asyncio.wait({takeover})

    def _close(self) -> list[Partition]:
        partitions = list(self.partitions.values())
        for partition in partitions:
            partition.closed = True
        return partitions

    def _forget(self) -> None:
        gauges.count_ended(self._close(), self.transport.kafka.bare)
        self.partitions.clear()

    # -- commits, in place of Faust's

    def _partition_changed(self, partition: Partition) -> None:
        self.commits.ask()
        self.pause_or_resume(partition)

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002 - Faust's signature
        return await self.commits.commit()

    async def _commit(self, offsets: Mapping[TP, Progress]) -> bool:  # type: ignore[override]  # our commits carry metadata
        return await self._thread.commit_progress(offsets)

    async def commit_and_end_transactions(self) -> None:
        """Nothing: the drain has committed, and with Kafka away this would wait for ever."""

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing: every chunk is a gap to Faust's own bookkeeping."""


def _offsets(starts: Mapping[TP, Progress]) -> Mapping[TP, int]:
    return {tp: start.offset for tp, start in starts.items()}
