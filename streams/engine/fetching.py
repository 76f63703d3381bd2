"""What is fetched, and what is not for now."""

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams import metrics
from streams.engine.chunks import Chunk
from streams.engine.consumer_thread import ConsumerThread
from streams.engine.gaps import Gaps
from streams.engine.partition import Partition

if TYPE_CHECKING:
    from streams.engine.transport import Transport

# A partition that was paused is asked for again after this long at the latest.
_FETCH_SECONDS = 0.25
# When all were asked for there is none to wait for, and each asking costs a way to the thread.
_IDLE_SECONDS = 1.0


class FetchingConsumer(driver.Consumer):
    """Feeds the agents chunks of the partitions that are neither paused nor held."""

    transport: "Transport"
    _thread: ConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.partitions: dict[TP, Partition] = {}
        self.gaps = Gaps(self.transport.kafka)
        self._seeks = 0

    async def seek_to(self, positions: Mapping[TP, int]) -> None:
        """What was asked for before and is answered later is asked for again."""
        await self._thread.seek_to(positions)
        self._seeks += 1

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ARG002, ASYNC109 - Faust's signature
        seeks = self._seeks
        records = await self._next_records()
        if not records or self.should_stop:
            return
        again = {}
        for tp, chunk in self.scheduler.iterate(records):
            partition = self.partitions.get(tp)
            if partition is None or partition.closed or tp in self.gaps.held:
                continue  # held, or a rebalance is under way, which ends with a seek
            if seeks != self._seeks:
                # Asked for before that seek, answered after it, maybe before the flow goes on:
                # nobody knows from which position.
                again[tp] = partition.offsets.position
                continue
            if not self.flow_active:
                continue  # a rebalance has just begun
            if chunk[0].offset > partition.offsets.position and (
                await self._deleted(partition) or self.partitions.get(tp) is not partition
            ):
                continue
            yield tp, self._to_message(tp, chunk)
        if again:
            await self._thread.seek_to(again)

    async def _next_records(self) -> Mapping[TP, list[Any]]:
        """Faust's own sleeps for a second when nothing is to be fetched, however short that is."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]  # any event will do
        if active := self._get_active_partitions():
            is_all = len(active) == len(self.partitions)
            return await self._getmany(active, _IDLE_SECONDS if is_all else _FETCH_SECONDS)
        await self.sleep(_FETCH_SECONDS)
        return {}

    async def _deleted(self, partition: Partition) -> bool:
        """Whether Kafka deleted records before they were read; then the partition is held.

        Compaction and transaction marks make gaps too, but not at the head of the log.
        """
        position = partition.offsets.position
        first = await self._thread.first_offset(partition.tp)
        if first <= position or not self.gaps.holds(partition.tp, position, first):
            return False
        self.pause_partitions({partition.tp})
        return True

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        last = record[-1]
        chunk = Chunk.of(self.partitions[tp], record)
        topic = self.transport.kafka.bare(tp.topic)
        metrics.RECORDS_READ.labels(topic=topic).inc(len(chunk.records))
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            last.timestamp_type,
            [],
            None,
            chunk,  # type: ignore[arg-type]  # Faust only hands it on; see ChunkSchema
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    def pause_or_resume(self, partition: Partition) -> None:
        """Looks whether more of a partition may be fetched."""
        tp = partition.tp
        if partition.closed or tp in self.gaps.held:
            return
        if partition.full:
            if tp not in self._paused_partitions:
                self.pause_partitions({tp})
        elif tp in self._paused_partitions and partition.started and partition.drained:
            self.resume_partitions({tp})

    def on_buffer_drop(self, tp: TP) -> None:
        """Room in Faust's own queue does not open a partition that we paused."""
        super().on_buffer_drop(tp)
        self._get_active_partitions().difference_update(self._paused_partitions)
