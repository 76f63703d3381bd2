"""The thread that owns aiokafka's consumer, and all that is asked of Kafka through it."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import aiokafka
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.engine.metadata import Progress, encode
from streams.engine.start import Start, read_starts
from streams.settings import KafkaSettings

if TYPE_CHECKING:
    from streams.engine.consumer import Consumer

# Liveness is the heartbeat. This interval never reaches the broker, and a worker that waits longer
# than it for its destination would leave its group and never come back.
_TEN_YEARS_MS = 10 * 365 * 24 * 3600 * 1000
_COMMIT_SECONDS = 5.0


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread that owns aiokafka's consumer."""

    consumer: "Consumer"

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        kafka: KafkaSettings = transport.kafka
        return aiokafka.AIOKafkaConsumer(
            **kafka.client_options(),
            group_id=self.app.conf.id,
            group_instance_id=kafka.group_instance_id,
            # Partition i of all topics on one worker. Without tables Faust would take round robin,
            # which splits them, and changing it later is a full stop of the group.
            partition_assignment_strategy=[RangePartitionAssignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_interval_ms=_TEN_YEARS_MS,
            max_partition_fetch_bytes=kafka.fetch_max_bytes,
            # The broker answers as soon as there is data; a shorter wait burns CPU when idle.
            fetch_max_wait_ms=500,
            session_timeout_ms=int(kafka.session_timeout_s * 1000),
            heartbeat_interval_ms=int(kafka.session_timeout_s * 100),
            rebalance_timeout_ms=int((kafka.drain_s + kafka.session_timeout_s) * 1000),
        )

    async def on_start(self) -> None:
        await super().on_start()
        coordinator: Any = self._ensure_consumer()._coordinator  # noqa: SLF001 - guarded by a test
        heartbeat = coordinator._do_heartbeat  # noqa: SLF001 - as above
        membership = self.consumer.membership

        async def confirmed_heartbeat() -> bool:
            asked_at = membership.now()
            answered: bool = await heartbeat()
            if answered and not membership.answered(asked_at):
                self.parent_loop.call_soon_threadsafe(self.consumer.commits.ask)
            return answered

        coordinator._do_heartbeat = confirmed_heartbeat  # noqa: SLF001 - as above

    async def on_thread_stop(self) -> None:
        # With the brokers away, aiokafka passes on the cancellation of a fetch that waits to try
        # again, and a thread that dies of it would be waited for, a minute long.
        with contextlib.suppress(asyncio.CancelledError):
            await super().on_thread_stop()

    async def read_starts(self) -> Mapping[TP, Start]:
        transport = self.consumer.transport
        starts = await self.call_thread(read_starts, self._ensure_consumer(), transport.cluster)
        return {TP(*tp): start for tp, start in starts.items()}

    async def first_offset(self, tp: TP) -> int:
        """The first offset that Kafka still has of a partition."""
        at = driver.ensure_aiokafka_TP(tp)
        first = await self.call_thread(self._ensure_consumer().beginning_offsets, [at])
        return int(first[at])

    async def log_bounds(self, tps: Iterable[TP]) -> Mapping[TP, tuple[int, int]]:
        """Of each partition the first offset that Kafka still has, and the one after the last."""
        there = [driver.ensure_aiokafka_TP(tp) for tp in tps]
        consumer = self._ensure_consumer()
        first = await self.call_thread(consumer.beginning_offsets, there)
        end = await self.call_thread(consumer.end_offsets, there)
        return {TP(*tp): (int(first[tp]), int(end[tp])) for tp in there}

    async def seek_to(self, positions: Mapping[TP, int]) -> None:
        """Seeks in the consumer's own thread, where nothing iterates over what it forgets."""

        async def seek() -> None:
            for tp, offset in positions.items():
                self._ensure_consumer().seek(driver.ensure_aiokafka_TP(tp), offset)

        await self.call_thread(seek)

    async def commit_progress(self, progress: Mapping[TP, Progress]) -> bool:
        """Commits; False when the group has moved on, and the work will be done by another."""
        cluster = self.consumer.transport.cluster
        offsets = {
            driver.ensure_aiokafka_TP(tp): OffsetAndMetadata(each.offset, encode(each, cluster))
            for tp, each in progress.items()
        }
        try:
            await self.call_thread(self._commit_as_member, offsets)
        except (CommitFailedError, IllegalStateError):
            return False
        except TimeoutError:
            self.consumer.commits.ask()
            return False
        return True

    async def _commit_as_member(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        consumer = self._ensure_consumer()
        # Who was put out of the group has no generation, and a group without members would take
        # its commit for one by hand: back behind what others have done meanwhile.
        if consumer._coordinator.generation < 0:  # noqa: SLF001 - as above
            raise CommitFailedError("not a member of the group")
        # With the brokers away it would wait for ever, and a worker that is told to stop with it.
        async with asyncio.timeout(_COMMIT_SECONDS):
            await consumer.commit(offsets)
