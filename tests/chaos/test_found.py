"""What chaos found, each as small as it can be; see the run that found it in its docstring."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiokafka.structs import ConsumerRecord
from faust.types import TP

from streams.engine.metadata import Progress
from streams.engine.start import Start
from streams.topics import RAW
from tests.streams.engine.unstarted import router_app
from tests.streams.records import source

HERE = TP(RAW.name, 0)


class Idle:
    """A processor with nothing to do."""

    async def assigned(self, _partitions: object) -> None: ...


class Kafka:
    """In place of the consumer's thread: a log of ten records, read from 3 on after a takeover."""

    def __init__(self) -> None:
        self.position = 0
        self.before_answer: Callable[[], Awaitable[None]] | None = None

    async def getmany(self, _active: set[TP], _timeout: float) -> Mapping[TP, list[ConsumerRecord]]:
        if (first := self.before_answer) is not None:
            self.before_answer = None
            await first()
        offsets = range(self.position, 10)
        self.position = 10
        return {HERE: [source(b"{}", offset, topic=RAW.name) for offset in offsets]}

    async def read_starts(self) -> Mapping[TP, Start]:
        return {HERE: Start(Progress(3), first=0, end=10)}

    async def seek_to(self, positions: Mapping[TP, int]) -> None:
        self.position = positions[HERE]

    async def commit_progress(self, _progress: Mapping[TP, Progress]) -> bool:
        return True


async def test_what_is_read_between_a_takeovers_seek_and_its_end_is_read_again() -> None:
    """In aiokafka a read that a rebalance overtook waits for the next assignment.

    Its answer may come when the seek is done and the flow has not been let go yet. What it brought
    was dropped, and the position stood after it: 108 raw messages were committed and never routed.
    """
    consumer: Any = router_app().consumer
    consumer._thread = kafka = Kafka()
    consumer.processor = Idle()
    consumer._set_active_tps({HERE})

    async def takeover() -> None:
        consumer.stop_flow()
        await consumer.perform_seek()

    kafka.before_answer = takeover
    too_early = [message async for _, message in consumer.getmany(1.0)]
    consumer.resume_flow()
    (message,) = [message async for _, message in consumer.getmany(1.0)]

    assert too_early == []
    assert [record.offset for record in message.value.records] == [3, 4, 5, 6, 7, 8, 9]
