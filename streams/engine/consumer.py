"""Faust's consumer with our chunks and offsets in it.

What is overridden, and why, is listed in docs/architecture/faust.md;
tests/streams/engine/test_guards.py fails when an upgrade of Faust moves the ground.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from mode import Service

from streams import clocks, metrics
from streams.engine import gauges, startup
from streams.engine.added_partitions import AddedPartitions, up_to_highest
from streams.engine.chunks import Chunk
from streams.engine.committer import Committer
from streams.engine.consumer_thread import ConsumerThread
from streams.engine.deleted_records import DeletedRecords
from streams.engine.duplicate_members import DuplicateMembers
from streams.engine.equal_counts import in_all, read_together
from streams.engine.forgotten_offsets import refuse_forgotten
from streams.engine.group_lease import GroupLease
from streams.engine.held_partitions import Hold, Holds
from streams.engine.partition import InFlightLimit, Partition
from streams.engine.policy import EnginePolicy
from streams.engine.processor import Processor
from streams.engine.refusals import GroupError, Refusals, to_grant
from streams.engine.watchdog import watch
from streams.kafka import log_bounds
from streams.kafka.access import Access
from streams.kafka.buffered_records import Fetched
from streams.kafka.commit_metadata import Progress
from streams.kafka.granted_rights import lacking
from streams.kafka.log_bounds import Bounds
from streams.kafka.patient_producer import patient
from streams.kafka.pending_writes import PENDING
from streams.kafka.rights import Right
from streams.kafka.unavailable import UNAVAILABLE
from streams.settings import KafkaSettings, WorkerSettings
from streams.topics import BY_USER, MAX_REQUEST_BYTES

log = structlog.get_logger()

# A commit gives up after five seconds, and one may be under way.
_LAST_COMMIT_SECONDS = 6.0
# A partition that was paused is asked for again after this long at the latest.
_FETCH_SECONDS = 0.25
# When all were asked for there is none to wait for, and each asking costs a way to the thread.
_IDLE_SECONDS = 1.0
# How often Kafka is asked whether it lets us read again.
_LET_AGAIN_SECONDS = 5.0
_ANSWER_SECONDS = 30.0
# Its log began at nought, whatever Kafka has deleted of it since.
_ADDED = Progress(0)
# Until then nobody is to take it for one that has been read.
_NOT_BEGUN = Progress(0, is_begun=False)


class Consumer(driver.Consumer):
    """Takes partitions over, feeds agents their chunks, commits what has ended, gives back."""

    transport: "Transport"
    processor: Processor
    _thread: ConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.partitions: dict[TP, Partition] = {}
        self.holds: Holds = {}
        self.unavailable: dict[TP, str] = {}
        """Partitions that Kafka answers nothing of, and its own word for why."""
        self.added = AddedPartitions((), {}, ())
        """What of this assignment is not read before its turn comes."""
        self.part_of_partitions = 0.0
        """What this worker has of all that its group reads, from 0 to 1."""
        self.deleted_records = DeletedRecords(self.transport.kafka, self.holds)
        self._takeover: asyncio.Task[None] | None = None
        # Set for good by the drain of a stop or a crash: what is assigned after it is left alone.
        self._is_over = False
        kafka = self.transport.kafka
        self.lease = GroupLease(kafka.session_timeout_s)
        self.access = Access(kafka)
        self.refusals = Refusals()
        # Until its first partitions have been looked at.
        self._replaces = kafka.group_instance_id is not None
        self._duplicates = DuplicateMembers(kafka.group_instance_id, kafka.session_timeout_s)
        self._final: asyncio.Queue[GroupError] = asyncio.Queue()
        self.commits = Committer(self.partitions, self.lease, self._commit)

    async def on_start(self) -> None:
        self.processor = self.transport.make_processor()
        await super().on_start()

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # -- what runs beside all else; whatever one of them raises ends the worker

    @Service.task
    async def run_processor(self) -> None:
        await self._or_drain(self.processor.run())

    @Service.task
    async def _commit_handler(self) -> None:
        while not self.should_stop:
            await self.commits.due()
            await self.commit()
            await self.sleep(self.transport.policy.commit_pause_s)

    @Service.task
    async def _watch(self) -> None:
        limit = self.transport.worker.stall_timeout_s
        work = watch(
            limit, self.partitions, self.processor, self.lease, self.access, self._is_named
        )
        await self._or_drain(work)

    def _is_named(self) -> bool:
        """Returns whether /ready names what may hold up all; without commits no lease is held."""
        return bool(self.unavailable or UNAVAILABLE.found or PENDING.said or self.refusals.said)

    @Service.task
    async def _look_for_closed_doors(self) -> None:
        await self.access.keep()

    @Service.task
    async def _end_where_only_a_person_can_help(self) -> None:
        await self._or_drain(self._raise_final())

    async def _raise_final(self) -> None:
        raise await self._final.get()

    def join_refused(self, error: Exception) -> None:
        """Is told by the consumer's thread."""
        refused = self.refusals.record_refusal("join its group", error)
        self._end_with(refused or self._duplicates.join_refused(error))

    def join_granted(self) -> None:
        """Is told by the consumer's thread that the group has this member."""
        self.refusals.clear("join its group")

    def membership_lost(self) -> None:
        """Is told by the consumer's thread that Kafka does not know this member any more."""
        self._end_with(self._duplicates.lost_membership(in_touch=self.lease.is_in_touch()))

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
        await self._look_at_counts()
        for tp, there in (await self._log_bounds(partitions)).items():
            partitions[tp].bounds = there.first, there.end

    async def _look_at_counts(self) -> None:
        """Somebody may add partitions while it runs, to some topics before others, or for good.

        Whoever hears of them after the takeover that others began for their sake takes over once
        more: nobody else can say where its partitions ended. Whoever replaces the leader, as a
        static member, may have heard of them before it came: Kafka gives it what that one had,
        divides nothing anew, and waits until the leader asks (KIP-814).
        """
        bare = self.transport.kafka.bare
        names = {topic.name for topic in BY_USER}
        every = self._thread.read_by_group()
        read = (tp.topic for tp in every if bare(tp.topic) in names)
        self.refusals.record("unequal_partitions", startup.unequal(Counter(read)))
        may_be_unheard, self._replaces = self._replaces, False
        is_outgrown = self.added.is_outgrown(in_all(every, read_together(self.app)))
        if is_outgrown or (may_be_unheard and self.added.are_elsewhere):
            await self._thread.rejoin()

    @Service.task
    async def _commit_livelock_detector(self) -> None:
        """Does nothing: Faust's only logs, and is wrong about idle and paused partitions."""

    # -- assignment

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Begins the takeover of an assignment, beside which heartbeats go on."""
        self.join_granted()
        # A member that another puts out before its first commit was in touch all the same.
        self.lease.record_assignment()
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
        self.unavailable = {}
        self.added = AddedPartitions((), {}, ())
        metrics.REBALANCES.inc()
        # Each is fetched when its processor starts it.
        self.pause_partitions(assigned)
        there_are = in_all(self._thread.read_by_group(), read_together(self.app))
        every = up_to_highest([*there_are, *assigned])
        self.part_of_partitions = len(assigned) / max(1, len(every))
        known = await self._thread.read_progress(every)
        refuse_forgotten(self.app.conf.id, assigned, known)
        committed = {tp: known[tp] for tp in assigned if tp in known}
        added = self.added = AddedPartitions(every, known, assigned)
        left, unseen, heard_at = set(assigned), set[TP](), clocks.monotonic()
        while left or unseen or added.wait:
            there = await self._log_bounds(left.difference(added.waiting))
            starts = {
                tp: added.sighted(tp, start, bounds)
                for tp, bounds in there.items()
                if (start := self.deleted_records.begin(tp, committed.get(tp, _ADDED), bounds))
            }
            if not await self._thread.seek_to(_offsets(starts), generation):
                return  # the next rebalance has begun, and cancels this in a moment
            limit = InFlightLimit.share(self.transport.worker, len(assigned))
            still = left.difference(starts)
            await self._hold({tp: committed.get(tp, _NOT_BEGUN) for tp in still}, limit)
            await self._go_on(starts, limit)
            left -= there.keys()
            unseen |= {tp for tp, start in starts.items() if added.is_early(tp, start)}
            if left or unseen or added.wait:
                await asyncio.sleep(self.transport.policy.ask_again_s)
            if clocks.monotonic() - heard_at >= self.transport.policy.writers_hear_s:
                unseen -= await self._see(unseen)
            if added.wait:
                added.look(await self._thread.read_progress(added.before))
            if not added.wait:
                self._lift_read_limits()

    async def _see(self, unseen: Collection[TP]) -> set[TP]:
        """Settles where old partitions end, now that no user is put there any more who has moved.

        Returns those that Kafka could tell of.
        """
        there = await self._log_bounds(unseen) if unseen else {}
        for tp, bounds in there.items():
            self.partitions[tp].sight = self.added.sight(tp, bounds.end)
        self.commits.ask()
        return {*there}

    def _lift_read_limits(self) -> None:
        for partition in self.partitions.values():
            partition.lift_read_limit()

    async def _hold(self, stands: Mapping[TP, Progress], limit: InFlightLimit) -> None:
        """Holds partitions: nothing of them is fetched, and the duties that come with them stay."""
        held = [
            Partition(tp, at, limit, self.partition_changed)
            for tp, at in stands.items()
            if tp not in self.partitions
        ]
        for each in held:
            each.is_held = True
            self.partitions[each.tp] = each
        if held:
            await self.processor.held(held)

    async def _go_on(self, starts: Mapping[TP, Progress], limit: InFlightLimit) -> None:
        self._read_offset.update(dict.fromkeys(starts, None))
        taken = {
            tp: Partition(tp, start, limit, self.partition_changed) for tp, start in starts.items()
        }
        for tp in taken.keys() & self.partitions.keys():
            self.partitions[tp].closed = True  # held until now
        for tp, partition in taken.items():
            partition.read_limit = self.added.read_limit(starts[tp], tp)
            partition.origins = self.added.origins(tp, starts[tp])
        self.partitions.update(taken)
        if taken:
            await self.processor.assigned(list(taken.values()))
            await self.commit()

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
                await self.processor.revoked(partitions, self.transport.worker.shutdown_timeout_s)
                # With the brokers away a commit waits for ever; what it misses is only repeated.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LAST_COMMIT_SECONDS):
                        await self.commit()
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
        # What was refused is another's to commit; of what is taken over, Kafka is asked anew.
        self.refusals.clear("commit")

    # -- what is fetched, and what is not for now

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ARG002, ASYNC109 - Faust's signature
        asked = dict(self.partitions)
        fetched = await self._fetch()
        if self.should_stop:
            return
        for at, end in fetched.positions.items():
            tp = TP(*at)
            partition = self.partitions.get(tp)
            if partition is None or partition.closed or tp in self.holds:
                continue  # held, or a rebalance is under way, which ends with a seek
            if partition is not asked.get(tp):
                # Asked for before it was taken over, answered after it: nobody knows from which
                # position.
                await self._thread.seek_to({tp: partition.offsets.position})
            # What stands behind a gap is looked at again when it is known why there is one.
            elif tp in fetched.errors and end == partition.offsets.position:
                self._hold_unread(partition, fetched.errors[tp], fetched.behind.get(tp))
            # Not when a rebalance has just begun.
            elif self.flow_active and (chunk := await self._chunk(partition, fetched)):
                yield tp, self._message(tp, chunk)

    async def _chunk(self, partition: Partition, fetched: Fetched) -> Chunk | None:
        tp, at = partition.tp, partition.offsets.position
        records, end = fetched.records.get(tp, ()), fetched.positions[tp]
        begins = records[0].offset if records else end
        if begins < at:
            await self._go_back(partition)
            return None
        if begins > at and not await self._may_pass(partition):
            return None
        if (limit := partition.read_limit) is not None and end > limit:
            self.pause_partitions({tp})
            await self._thread.seek_to({tp: limit})
            records, end = [each for each in records if each.offset < limit], limit
            if self.partitions.get(tp) is not partition:
                return None
        return Chunk.of(partition, records, end) if end > at else None

    async def _fetch(self) -> Fetched:
        """Faust's own sleeps for a second when nothing is to be fetched, however short that is."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]  # any event will do
        if not (active := self._get_active_partitions()):
            await self.sleep(_FETCH_SECONDS)
            return Fetched()
        is_all = len(active) == len(self.partitions)
        seconds = _IDLE_SECONDS if is_all else _FETCH_SECONDS
        return await self._thread.fetch(active, seconds)

    def _hold_unread(self, partition: Partition, error: Exception, behind: int | None) -> None:
        if isinstance(error, TopicAuthorizationFailedError):
            self._hold_refused(partition.tp)
        else:
            self._hold_unreadable(partition, error, behind)

    def _hold_refused(self, tp: TP) -> None:
        said = f"Kafka does not let this worker read on: {to_grant('topic', tp.topic)}"
        self.holds[tp] = Hold("kafka_refused", said)
        self.pause_partitions({tp})
        log.error("kafka_refused", topic=tp.topic, partition=tp.partition, detail=said)

    @Service.task
    async def _go_on_where_it_is_let(self) -> None:
        while not self.should_stop:
            await self.sleep(_LET_AGAIN_SECONDS)
            refused = {
                tp: Right("Read", "topic", tp.topic)
                for tp, hold in self.holds.items()
                if hold.state == "kafka_refused"
            }
            # While Kafka is away, others say so, and it is asked again.
            with contextlib.suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(_ANSWER_SECONDS):
                    lacks = set(await self._lacking(set(refused.values())))
                await self.let_go_on(tp for tp, right in refused.items() if right not in lacks)

    async def _lacking(self, rights: Collection[Right]) -> Iterable[Right]:
        return await lacking(self.transport.kafka, rights) if rights else ()

    async def let_go_on(self, tps: Iterable[TP]) -> None:
        """Fetches partitions again that were held."""
        held = {tp: self.partitions[tp] for tp in tps if tp in self.partitions}
        # What was fetched of them meanwhile was refused too.
        await self._thread.seek_to({tp: each.offsets.position for tp, each in held.items()})
        for tp, partition in held.items():
            # A rebalance has let go of it meanwhile, or taken it over anew.
            if self.partitions.get(tp) is partition and tp in self.holds:
                del self.holds[tp]
                self.pause_or_resume(partition)

    def _hold_unreadable(self, partition: Partition, error: Exception, behind: int | None) -> None:
        tp, offset = partition.tp, partition.offsets.position
        said = (
            f"{tp.topic}-{tp.partition}: the batch at offset {offset} cannot be unpacked "
            f"({type(error).__name__})"
        )
        if behind is not None:
            said += f", the next begins at {behind}"
        self.holds[tp] = Hold("unreadable", said)
        self.pause_partitions({tp})
        log.error(
            "batch_unreadable",
            topic=tp.topic,
            partition=tp.partition,
            offset=offset,
            detail=said,
            what_to_do="look at it with another client; to pass over it, stop the workers and move "
            "the group's offset behind it with Kafka's own tool",
        )

    async def _log_bounds(self, tps: Collection[TP]) -> Mapping[TP, Bounds]:
        """Returns the bounds of those that can be asked; names the others as not available."""
        # The dict of this assignment: an answer that comes after the next says nothing of that one.
        unavailable = self.unavailable
        return log_bounds.answered(await self._thread.log_bounds(tps), unavailable)

    async def _may_pass(self, partition: Partition) -> bool:
        """Looks into a gap; holds the partition when Kafka deleted records before they were read.

        Compaction and transaction marks make gaps too, but not at the head of the log. False also
        when Kafka cannot tell, and what was fetched is fetched again.
        """
        tp, position = partition.tp, partition.offsets.position
        there = (await self._log_bounds({tp})).get(tp)
        if self.partitions.get(tp) is not partition:
            return False
        if there is None:
            await self._thread.seek_to({tp: position})
            return False
        if there.first <= position or not self.deleted_records.holds(tp, position, there.first):
            return True
        self.pause_partitions({tp})
        return False

    async def _go_back(self, partition: Partition) -> None:
        """Handles a fetch that begins before what has been read.

        The topic was made again, or a replica that had not got all leads it; aiokafka goes to the
        beginning of the log by itself. Holds the partition, unless the setting skips: then it is
        taken over as one whose committed offset is beyond the end.
        """
        tp, position = partition.tp, partition.offsets.position
        there = (await self._log_bounds({tp})).get(tp)
        if self.partitions.get(tp) is not partition or partition.closed:
            return
        if there is None or there.first <= position <= there.end:
            await self._thread.seek_to({tp: position})
        elif self.deleted_records.holds(tp, position, there.first, there.end):
            self.pause_partitions({tp})
        else:
            partition.closed = True  # of what it fetches now nothing is to be read
            await self._thread.rejoin()

    def _message(self, tp: TP, chunk: Chunk) -> ConsumerMessage:
        topic = self.transport.kafka.bare(tp.topic)
        metrics.RECORDS_READ.labels(topic=topic).inc(len(chunk.records))
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            chunk.end - 1,
            0.0,  # its records have their own times
            0,
            [],
            None,
            chunk,  # type: ignore[arg-type]  # Faust only hands it on; see ChunkSchema
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    def may_fetch(self, partition: Partition) -> bool:
        """Returns whether its records are wanted now, as far as it alone says."""
        return partition.started and partition.tp not in self.holds and not partition.is_full

    def pause_or_resume(self, partition: Partition) -> None:
        """Looks whether more of a partition may be fetched."""
        tp = partition.tp
        if partition.closed or tp in self.holds:
            return
        if partition.is_full:
            if tp not in self._paused_partitions:
                self.pause_partitions({tp})
        elif tp in self._paused_partitions and partition.started and partition.has_room:
            self.resume_partitions({tp})

    def on_buffer_drop(self, tp: TP) -> None:
        """Room in Faust's own queue does not open a partition that we paused."""
        super().on_buffer_drop(tp)
        self._get_active_partitions().difference_update(self._paused_partitions)

    # -- commits, in place of Faust's

    def partition_changed(self, partition: Partition) -> None:
        """Is told by a partition that something of it has ended, or was fetched."""
        self.commits.ask()
        self.pause_or_resume(partition)

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002 - Faust's signature
        return await self.commits.commit()

    async def _commit(self, offsets: Mapping[TP, Progress]) -> bool:  # type: ignore[override]  # our commits carry metadata
        return await self._thread.commit_progress(offsets)

    async def commit_and_end_transactions(self) -> None:
        """Does nothing: the drain has committed, and with Kafka away this would wait for ever."""

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Does nothing: every chunk is a gap to Faust's own bookkeeping."""


def _offsets(starts: Mapping[TP, Progress]) -> Mapping[TP, int]:
    return {tp: start.offset for tp, start in starts.items()}


class Producer(driver.Producer):
    """Idempotent: it neither gives up on a batch, nor reorders, nor writes it twice."""

    transport: "Transport"

    def _settings_default(self) -> Mapping[str, Any]:
        return {
            **self.transport.kafka.client_options(),
            "acks": "all",
            "enable_idempotence": True,
            "linger_ms": 0,
            "max_batch_size": 512 * 1024,
            "max_request_size": MAX_REQUEST_BYTES,
        }

    def _new_producer(self, transactional_id: str | None = None) -> AIOKafkaProducer:
        return patient(super()._new_producer(transactional_id))

    def _settings_auth(self) -> Mapping[str, Any]:
        return {}


class Transport(driver.Transport):
    """Joins Faust to the engine; what it holds is set before the app starts."""

    Consumer = Consumer
    Producer = Producer

    kafka: KafkaSettings
    worker: WorkerSettings
    policy: EnginePolicy = EnginePolicy()
    make_processor: Callable[[], Processor]
    cluster: str = ""
