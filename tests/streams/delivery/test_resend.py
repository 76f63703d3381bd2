"""Records that a sink sends again of its own accord, where no Kafka is needed to see it."""

import asyncio
from typing import Any

import pytest
from faust.types import TP

from streams.delivery.lane import Item
from streams.delivery.policy import ResendPolicy
from streams.delivery.resend import LaneRepeat
from streams.delivery.sink import LaneKey
from streams.engine.partition import InFlightLimit, Partition
from streams.kafka.commit_metadata import Progress
from tests.agents.ab_tasty.factories import membership
from tests.streams.records import stored


class Queue:
    """Keeps what is queued in place of sending it."""

    def __init__(self) -> None:
        self.items: list[Item] = []

    def queue(self, _: LaneKey, item: Item) -> None:
        self.items.append(item)


async def test_who_is_told_to_stop_in_the_turn_in_which_a_record_ends_stops() -> None:
    """Python 3.11's `asyncio.wait_for` takes the record for all that has happened."""
    queue: Any = Queue()
    partition = Partition(TP("members", 0), Progress(0), InFlightLimit(), lambda _: None)
    repeat = LaneRepeat(queue, partition, "members", lambda: True, ResendPolicy(look_s=60))
    record = membership(mpid="1")
    for offset in range(2):
        repeat.queue(LaneKey("segments", ("1",)), stored(record, offset), record)
    waiting = asyncio.create_task(repeat.wait_until_ended())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    queue.items[0].partition.mark_ended(0)
    await asyncio.sleep(0)
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(10):
            await waiting
