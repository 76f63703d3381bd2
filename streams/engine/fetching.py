"""What is fetched, and what is not for now."""

from collections.abc import AsyncIterator, Collection, Mapping
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka.errors import ConsumerStoppedError, KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams import metrics
from streams.engine.chunks import Chunk
from streams.engine.consumer_thread import ConsumerThread, Fetched
from streams.engine.deleted_offsets import Gaps
from streams.engine.holds import Hold, Holds
from streams.engine.partition import Partition
from streams.kafka.log_bounds import Bounds

if TYPE_CHECKING:
    from streams.engine.transport import Transport

log = structlog.get_logger()

# A partition that was paused is asked for again after this long at the latest.
_FETCH_SECONDS = 0.25
# When all were asked for there is none to wait for, and each asking costs a way to the thread.
_IDLE_SECONDS = 1.0
# How long one partition alone may take to show whether it is the one that cannot be read.
_ALONE_SECONDS = 5.0


class FetchingConsumer(driver.Consumer):
    """Feeds the agents chunks of the partitions that are neither paused nor held."""

    transport: "Transport"
    _thread: ConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.partitions: dict[TP, Partition] = {}
        self.holds: Holds = {}
        self.unavailable: dict[TP, str] = {}
        """Partitions that Kafka answers nothing of, and its own word for why."""
        self.gaps = Gaps(self.transport.kafka, self.holds)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ARG002, ASYNC109 - Faust's signature
        asked = dict(self.partitions)
        fetched = await self._fetch()
        if self.should_stop:
            return
        for tp in fetched.positions:
            partition = self.partitions.get(tp)
            if partition is None or partition.closed or tp in self.holds:
                continue  # held, or a rebalance is under way, which ends with a seek
            if partition is not asked.get(tp):
                # Asked for before it was taken over, answered after it: nobody knows from which
                # position.
                await self._thread.seek_to({tp: partition.offsets.position})
            # Not when a rebalance has just begun.
            elif self.flow_active and (chunk := await self._chunk(partition, fetched)):
                yield tp, self._message(tp, chunk)

    async def _chunk(self, partition: Partition, fetched: Fetched) -> Chunk | None:
        tp, at = partition.tp, partition.offsets.position
        records, end = fetched.records.get(tp, ()), fetched.positions[tp]
        begins = records[0].offset if records else end
        if begins > at and not await self._may_pass(partition):
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
        try:
            return await self._thread.fetch(active, _IDLE_SECONDS if is_all else _FETCH_SECONDS)
        except ConsumerStoppedError:
            raise
        except Exception:
            if not await self._find_unreadable(active):
                raise
            return Fetched()

    async def _find_unreadable(self, active: Collection[TP]) -> bool:
        """Holds the partitions whose next batch cannot be unpacked; False when there is none.

        An error does not say of which partition it is, and what was fetched of others is lost with
        it: so each is asked for alone, and then all from where they stood.
        """
        asked = {tp: self.partitions[tp] for tp in active if tp in self.partitions}
        broken: dict[TP, Exception] = {}
        for tp, partition in asked.items():
            await self._thread.seek_to({tp: partition.offsets.position})
            try:
                await self._thread.fetch({tp}, _ALONE_SECONDS)
            except ConsumerStoppedError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a codec raises is told
                broken[tp] = error
        there = {tp: each for tp, each in asked.items() if self.partitions.get(tp) is each}
        await self._thread.seek_to({tp: each.offsets.position for tp, each in there.items()})
        for tp in broken.keys() & there.keys():
            self._hold_unreadable(there[tp], broken[tp])
        return bool(broken)

    def _hold_unreadable(self, partition: Partition, error: Exception) -> None:
        tp, offset = partition.tp, partition.offsets.position
        said = (
            f"{tp.topic}-{tp.partition}: the batch at offset {offset} cannot be unpacked "
            f"({type(error).__name__})"
        )
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
        """Of those that can be asked; the others are named as not available."""
        there = {}
        for tp, answer in (await self._thread.log_bounds(tps)).items():
            if isinstance(answer, KafkaError):
                self.unavailable[tp] = type(answer).__name__
            else:
                self.unavailable.pop(tp, None)
                there[tp] = answer
        return there

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
        if there.first <= position or not self.gaps.holds(tp, position, there.first):
            return True
        self.pause_partitions({tp})
        return False

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
        """Whether its records are wanted now, as far as it alone says."""
        return partition.started and partition.tp not in self.holds and not partition.full

    def pause_or_resume(self, partition: Partition) -> None:
        """Looks whether more of a partition may be fetched."""
        tp = partition.tp
        if partition.closed or tp in self.holds:
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
