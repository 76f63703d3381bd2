"""An update that a router writes late, because it forgot what it knew, overwrites nothing newer."""

from typing import NamedTuple

import pytest
from aiokafka.structs import ConsumerRecord

from models.record import RawPosition, serialize
from models.user_update import AttributesChanged
from streams import headers, metrics
from streams.headers import Raw
from streams.topics import USER_UPDATE
from tests.streams.delivery.flow import Flow
from tests.streams.records import source

pytestmark = pytest.mark.usefixtures("at_once")

SECOND = 1_000


class Update(NamedTuple):
    """What the router wrote of raw message `offset`; a raw message has the same time each time."""

    offset: int
    user: str = "17"
    raw_partition: int = 0
    received_at_ms: int | None = None
    epoch: int = 0
    redriven: bool = False
    says_raw: bool = True

    @property
    def id(self) -> str:
        return f"{self.user}/{self.raw_partition}/{self.offset}"

    def stored(self, place: int) -> ConsumerRecord:
        at_ms = self.offset * SECOND if self.received_at_ms is None else self.received_at_ms
        raw = Raw(self.raw_partition, self.offset, at_ms)
        record = AttributesChanged(
            attributes={"fate": "passes"},
            id=self.id,
            mpid=self.user,
            received_at_ms=at_ms,
            raw=RawPosition(
                topic="mparticle-raw", partition=self.raw_partition, offset=self.offset, index=0
            ),
        )
        marks = headers.make(record.id, record.kind, self.epoch, raw if self.says_raw else None)
        if self.redriven:
            marks += headers.redriven("scripted", f"0/{place}")
        return source(
            serialize(record), place, key=self.user.encode(), topic=USER_UPDATE.name, headers=marks
        )


def stored(updates: list[Update]) -> list[ConsumerRecord]:
    return [update.stored(place) for place, update in enumerate(updates)]


STORIES = {
    "in their order": ([Update(1), Update(2), Update(3)], ["17/0/1", "17/0/2", "17/0/3"]),
    "an older one that nobody has seen": ([Update(2), Update(1)], ["17/0/2"]),
    "another user's": ([Update(2), Update(1, user="18")], ["17/0/2", "18/0/1"]),
    "of another raw partition": ([Update(2), Update(1, raw_partition=1)], ["17/0/2", "17/1/1"]),
    "of a raw topic made anew": (
        [Update(2), Update(1, received_at_ms=9 * SECOND)],
        ["17/0/2", "17/0/1"],
    ),
    "routed again on purpose": ([Update(2), Update(1, epoch=7)], ["17/0/2", "17/0/1"]),
    "sent again by a person": ([Update(2), Update(1, redriven=True)], ["17/0/2", "17/0/1"]),
    "of a router that says nothing of it": (
        [Update(2), Update(1, says_raw=False)],
        ["17/0/2", "17/0/1"],
    ),
    "of one message": ([Update(2), Update(2, user="17")._replace()], ["17/0/2"]),
}


def overtaken() -> float:
    labels = {"stage": "scripted", "reason": "overtaken"}
    return metrics.REGISTRY.get_sample_value("mparticle_streams_records_dropped_total", labels) or 0


@pytest.mark.parametrize("story", STORIES)
async def test_an_update_of_an_earlier_raw_message_than_the_last_is_left_out(story: str) -> None:
    updates, delivered = STORIES[story]
    before = overtaken()
    async with Flow().running() as flow:
        partition = await flow.assign(topic=USER_UPDATE)
        await flow.accept(partition, stored(updates))
        await flow.settled(partition)

    assert flow.sink.delivered == delivered
    left_out = len({update.id for update in updates}) - len(delivered)
    assert overtaken() - before == left_out


async def test_what_was_seen_before_a_restart_counts() -> None:
    newer, older = stored([Update(2), Update(1)])
    async with Flow(past=[newer]).running() as flow:
        partition = await flow.assign(1, topic=USER_UPDATE)
        await flow.accept(partition, [older])
        await flow.settled(partition)

    assert flow.sink.delivered == []


async def test_what_had_not_ended_comes_again_and_is_sent() -> None:
    """The later of two may have ended beyond the watermark, and the earlier not."""
    earlier, later = stored([Update(1), Update(2)])
    async with Flow(past=[later]).running() as flow:
        partition = await flow.assign(topic=USER_UPDATE)
        await flow.accept(partition, [earlier])
        await flow.settled(partition)

    assert flow.sink.delivered == ["17/0/1"]


@pytest.mark.parametrize("written", [b"", b"1/2", b"a/b/c", b"1/2/3/4", b"-1/2/3", b"9" * 60])
def test_a_place_that_somebody_else_wrote_says_nothing(written: bytes) -> None:
    assert headers.read([(headers.RAW, written)]).raw is None
    assert headers.read([(headers.RAW, None)]).raw is None
