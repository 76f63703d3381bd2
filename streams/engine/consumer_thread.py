"""The thread that owns aiokafka's consumer; whoever asks Kafka something goes through it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Collection, Coroutine, Iterable, Mapping
from typing import Any, Protocol, TypeVar

import aiokafka
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.protocol.group import LeaveGroupRequest
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.engine.commit_requests import CommitRequests
from streams.engine.committer import Committer
from streams.engine.equal_counts import EqualRanges, read_together
from streams.engine.group_lease import GroupLease
from streams.engine.policy import EnginePolicy
from streams.engine.refusals import MissingTopicsError, Refusals
from streams.engine.startup import read_progress
from streams.kafka import clients, log_bounds
from streams.kafka.buffered_records import Fetched, fetch
from streams.kafka.commit_metadata import Progress
from streams.kafka.log_bounds import Bounds
from streams.kafka.metadata import paced
from streams.settings import KafkaSettings

T = TypeVar("T")

_COMMIT_AGAIN_SECONDS = 1.0
_LEAVE_SECONDS = 1.0
_STOP_SECONDS = 10.0


class Connection(Protocol):
    """The settings by which Kafka is reached, and the cluster that answered."""

    kafka: KafkaSettings
    policy: EnginePolicy
    cluster: str


class Member(Protocol):
    """The owner of the thread, which hears in its own loop what Kafka says of its membership."""

    lease: GroupLease
    commits: Committer
    refusals: Refusals

    @property
    def transport(self) -> Connection:
        """Returns how it reaches Kafka."""

    def join_refused(self, error: Exception) -> None:
        """Kafka does not let it into its group."""

    def join_granted(self) -> None:
        """It is in its group."""

    def membership_lost(self) -> None:
        """Kafka does not know it any more."""


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread that owns aiokafka's consumer."""

    consumer: Member  # type: ignore[assignment]  # what is asked of Faust's, which ours is

    def __post_init__(self) -> None:
        super().__post_init__()
        self._offering = CommitRequests(self._commit_as_member)
        # Set by the one commit that is under way.
        self._commits_in = -1

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        kafka: KafkaSettings = transport.kafka
        takeover_s = transport.worker.shutdown_timeout_s + kafka.session_timeout_s
        return clients.new_consumer(
            kafka,
            group_id=self.app.conf.id,
            group_instance_id=kafka.group_instance_id,
            # Partition i of all topics on one worker. Without tables Faust would take round robin,
            # which splits them, and changing it later is a full stop of the group.
            partition_assignment_strategy=[EqualRanges.of(read_together(self.app))],
            auto_offset_reset="earliest",
            max_poll_interval_ms=clients.NEVER_MS,
            max_partition_fetch_bytes=kafka.max_partition_fetch_bytes,
            # The broker answers as soon as there is data; a shorter wait burns CPU when idle.
            fetch_max_wait_ms=500,
            session_timeout_ms=int(kafka.session_timeout_s * 1000),
            heartbeat_interval_ms=int(kafka.session_timeout_s * 100),
            rebalance_timeout_ms=int(takeover_s * 1000),
        )

    async def on_start(self) -> None:
        await super().on_start()
        coordinator: Any = self._ensure_consumer()._coordinator  # noqa: SLF001 - guarded by a test
        paced(coordinator._client)  # noqa: SLF001 - as above
        self.supervise(coordinator)

    def supervise(self, coordinator: Any) -> None:
        """Has aiokafka's side of the membership tell of itself, and keep to what a member may."""
        self._confirm_heartbeats(coordinator)
        self._tell_of_refusals(coordinator)
        self._tell_of_losses(coordinator)
        self._commit_in_one_generation(coordinator)
        self._assign_what_there_is(coordinator)

    def _confirm_heartbeats(self, coordinator: Any) -> None:
        """Has heartbeats go on after one that was refused; aiokafka's would be over for good.

        Whoever then has nothing to commit would stay out of the group, and never hear of it.
        """
        heartbeat = coordinator._do_heartbeat  # noqa: SLF001 - as above
        lease = self.consumer.lease

        async def confirmed_heartbeat() -> bool:
            asked_at = lease.clock()
            try:
                answered: bool = await heartbeat()
            except KafkaError as error:
                await coordinator._push_error_to_user(error)  # noqa: SLF001 - as above
                return False
            if answered:
                self.parent_loop.call_soon_threadsafe(self.consumer.join_granted)
                if not lease.record_heartbeat(asked_at):
                    self.parent_loop.call_soon_threadsafe(self.consumer.commits.ask)
            return answered

        coordinator._do_heartbeat = confirmed_heartbeat  # noqa: SLF001 - as above

    def _tell_of_refusals(self, coordinator: Any) -> None:
        """Has a join tried again after a refusal; aiokafka waits until somebody asks for it."""
        join_again_s = self.consumer.transport.policy.join_again_s

        def told(error: Exception) -> Awaitable[Any]:
            # aiokafka hands an error in an assignment on as the text of another error.
            if isinstance(error.__cause__, MissingTopicsError):
                error = error.__cause__
            self.parent_loop.call_soon_threadsafe(self.consumer.join_refused, error)
            again = asyncio.create_task(asyncio.sleep(join_again_s))
            closing = coordinator._closing  # noqa: SLF001 - as above
            return asyncio.wait({again, closing}, return_when=asyncio.FIRST_COMPLETED)

        coordinator._push_error_to_user = told  # noqa: SLF001 - as above

    def _tell_of_losses(self, coordinator: Any) -> None:
        reset = coordinator.reset_generation

        def lost() -> None:
            # It is also how aiokafka leaves the group, and how a join is begun anew.
            closing = coordinator._closing.done()  # noqa: SLF001 - as above
            if coordinator.generation >= 0 and not closing:
                self.parent_loop.call_soon_threadsafe(self.consumer.membership_lost)
            reset()

        coordinator.reset_generation = lost

    def _commit_in_one_generation(self, coordinator: Any) -> None:
        """Has no commit sent in another generation than the one in which it was asked for.

        aiokafka waits for a coordinator first, and meanwhile the member may be put out or join
        anew: its commit would be one for what others have by now. Who was put out has no
        generation, and a group without members would take its commit for one by hand: back behind
        what others have done meanwhile.
        """
        send = coordinator._do_commit_offsets  # noqa: SLF001 - as above

        async def send_in_it(assignment: Any, offsets: Any) -> None:
            if not 0 <= self._commits_in == coordinator.generation:
                raise CommitFailedError("no member of the group, or it has gone on")
            await send(assignment, offsets)

        coordinator._do_commit_offsets = send_in_it  # noqa: SLF001 - as above

    def _assign_what_there_is(self, coordinator: Any) -> None:
        """Has a leader know the topics before it divides them.

        Where the brokers were away when it subscribed, aiokafka's gives nobody anything, and that
        may stand for ever: who replaces a static member takes over what it had.
        """
        perform = coordinator._perform_assignment  # noqa: SLF001 - as above
        client = coordinator._client  # noqa: SLF001 - as above
        app: Any = self.app
        topics = [app.kafka.topic(each.name) for each in app.reads]

        def missing() -> list[str]:
            return [each for each in topics if client.cluster.partitions_for_topic(each) is None]

        async def performed(response: Any) -> Any:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.consumer.transport.policy.metadata_s):
                    while missing():
                        await client.force_metadata_update()
                        await asyncio.sleep(self.consumer.transport.policy.metadata_again_s)
            if names := missing():
                raise MissingTopicsError(", ".join(names))
            return await perform(response)

        coordinator._perform_assignment = performed  # noqa: SLF001 - as above

    async def on_thread_stop(self) -> None:
        """Ends within seconds, wherever it finds the consumer."""
        # With the brokers away, aiokafka passes on the cancellation of a fetch that waits to try
        # again, and a thread that dies of it would be waited for, a minute long.
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await self._leave()
                await super().on_thread_stop()

    async def _leave(self) -> None:
        """Leaves the group, also in the middle of a join.

        aiokafka waits for the join to end, which is when all other members have joined too, or for
        a listener that nobody runs any more.
        """
        if self._consumer is None:
            return
        coordinator: Any = self._consumer._coordinator  # noqa: SLF001 - as above
        member = coordinator.member_id  # which it forgets as it closes
        leaving = asyncio.ensure_future(coordinator.close())
        leaving.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait({leaving}, timeout=_LEAVE_SECONDS)
        has_left = leaving.done()
        if not has_left:
            coordinator._coordination_task.cancel()  # noqa: SLF001 - as above
            await asyncio.wait({leaving}, timeout=_LEAVE_SECONDS)
        kafka: KafkaSettings = self.consumer.transport.kafka
        # aiokafka takes no leave of a group for a static member, as that is to come back.
        if kafka.leave_group_on_stop if kafka.group_instance_id else not has_left:
            await self._take_leave(coordinator, coordinator.member_id or member)

    async def _take_leave(self, coordinator: Any, member: str) -> None:
        if member:
            # On another connection: on its own one the broker answers a join first.
            farewell = LeaveGroupRequest(coordinator.group_id, member)
            with contextlib.suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(_LEAVE_SECONDS):
                    await coordinator._client.send(coordinator.coordinator_id, farewell)  # noqa: SLF001 - as above

    async def ask(self, question: Coroutine[Any, Any, T]) -> T:
        """Runs a question in the thread; it ends there when nobody waits for its answer any more.

        Faust's `call_thread` goes on with it, and has room for two: a question that Kafka does not
        answer would keep one of them for good.
        """
        asked = asyncio.run_coroutine_threadsafe(question, self.thread_loop)
        try:
            return await asyncio.wrap_future(asked)
        except asyncio.CancelledError:
            me = asyncio.current_task()
            if asked.cancelled() and me is not None and not me.cancelling():
                raise IllegalStateError("the consumer's thread has ended") from None
            raise

    async def fetch(self, active: Collection[TP], seconds: float) -> Fetched:
        """Waits so long for records of these partitions."""
        return await self.ask(fetch(self._ensure_consumer(), set(active), seconds))

    def read_by_group(self) -> Collection[TP]:
        """All partitions of the topics that the group reads, this worker's and the others'."""
        cluster: Any = self._ensure_consumer()._client.cluster  # noqa: SLF001 - guarded by a test
        app: Any = self.app
        topics = [app.kafka.topic(each.name) for each in app.reads]
        return [TP(name, i) for name in topics for i in cluster.partitions_for_topic(name) or ()]

    async def read_progress(self, tps: Iterable[TP]) -> Mapping[TP, Progress]:
        """Returns how far the group has come; waits while Kafka cannot tell."""
        there = [driver.ensure_aiokafka_TP(tp) for tp in tps]
        cluster = self.consumer.transport.cluster
        asking = read_progress(self._ensure_consumer(), there, cluster)
        return {TP(*tp): each for tp, each in (await self.ask(asking)).items()}

    async def log_bounds(self, tps: Iterable[TP]) -> Mapping[TP, Bounds | KafkaError]:
        """Returns where each partition begins and ends now, or why it cannot be told."""
        there = [driver.ensure_aiokafka_TP(tp) for tp in tps]
        committed = self.consumer.transport.kafka.isolation_level == "read_committed"
        asking = log_bounds.ask(self._ensure_consumer(), there, committed=committed)
        return {TP(*tp): each for tp, each in (await self.ask(asking)).items()}

    async def seek_to(self, positions: Mapping[TP, int], generation: int | None = None) -> bool:
        """Seeks in the consumer's own thread, where nothing iterates over what it forgets.

        False, and nothing is sought, when the group has gone on since that generation: what is
        assigned by now is for its own takeover to seek.
        """
        return await self.ask(self._seek(positions, generation))

    async def _seek(self, positions: Mapping[TP, int], generation: int | None) -> bool:
        consumer = self._ensure_consumer()
        if generation not in {None, consumer._coordinator.generation}:  # noqa: SLF001 - as above
            return False
        assigned = consumer.assignment()
        for tp, offset in positions.items():
            if (at := driver.ensure_aiokafka_TP(tp)) in assigned:
                consumer.seek(at, offset)
        return True

    async def rejoin(self) -> None:
        """Has the group divide its partitions once more, this worker's own among them."""

        async def ask() -> None:
            self._ensure_consumer()._coordinator.request_rejoin()  # noqa: SLF001 - as above

        await self.ask(ask())

    async def commit_progress(self, progress: Mapping[TP, Progress]) -> bool:
        """Commits; False when the group has moved on, and the work will be done by another."""
        cluster = self.consumer.transport.cluster
        there = {driver.ensure_aiokafka_TP(tp): each for tp, each in progress.items()}
        try:
            await self.ask(self._offering.offer(there, cluster))
        except (CommitFailedError, IllegalStateError):
            return False
        except TimeoutError:
            self.consumer.commits.ask()
            return False
        except KafkaError as error:
            # Nothing is lost by it: what has ended is offered again.
            self.consumer.refusals.record_refusal("commit", error)
            self.parent_loop.call_later(_COMMIT_AGAIN_SECONDS, self.consumer.commits.ask)
            return False
        self.consumer.refusals.clear("commit")
        return True

    async def _commit_as_member(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        consumer = self._ensure_consumer()
        self._commits_in = consumer._coordinator.generation  # noqa: SLF001 - as above
        # With the brokers away it would wait for ever, and a worker that is told to stop with it.
        async with asyncio.timeout(self.consumer.transport.policy.commit_s):
            await consumer.commit(offsets)
