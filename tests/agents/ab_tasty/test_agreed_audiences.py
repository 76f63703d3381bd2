"""What workers agree on about audiences, over restarts and at the same time."""

import asyncio
from typing import Literal

import pytest

from agents.ab_tasty.agreed_audiences import AgreedAudiences
from agents.ab_tasty.sink import AbTastySink
from agents.ab_tasty.topics import AB_TASTY_AUDIENCES, AB_TASTY_MEMBERS
from models.accepted_audience import AcceptedAudience
from models.audience import Audience
from models.owned_name import OwnedName
from models.record import RawPosition
from sandbox.kafka import Kafka
from streams import metrics
from streams.outcomes import Delivered, Outcome, Transient
from streams.settings import KafkaSettings
from tests.agents.ab_tasty.factories import AT, audience, membership
from tests.agents.ab_tasty.simulated import ab_tasty, send, udc_sink
from tests.streams.cluster import create, producing, read, settings

KAFKA = pytest.mark.kafka
KEPT = (AB_TASTY_AUDIENCES, AB_TASTY_MEMBERS)


@pytest.fixture(autouse=True)
def nobody_named() -> None:
    """What other sinks of this process have named is not of these tests."""
    metrics.AUDIENCES_WITHOUT_MEMBERS.clear()


def about(audience_id: str, state: Literal["connected", "disconnected"] = "connected") -> Audience:
    return Audience(
        id=f"about-{audience_id}",
        received_at_ms=1_767_225_600_000,
        raw=RawPosition(topic="mparticle-raw", partition=0, offset=0, index=0),
        audience_id=audience_id,
        state=state,
    )


def named_empty() -> set[str]:
    """The audiences that the metric names."""
    gauge = metrics.AUDIENCES_WITHOUT_MEMBERS
    return {sample.labels["audience"] for each in gauge.collect() for sample in each.samples}


async def keep(to: KafkaSettings, audience: AcceptedAudience) -> None:
    value, key = audience.model_dump_json().encode(), audience.audience_id.encode()
    async with producing(to) as producer:
        await producer.send_and_wait(to.topic(AB_TASTY_AUDIENCES.name), value, key=key)


@KAFKA
async def test_a_rename_does_not_split_a_segment_not_even_over_a_restart(
    kafka: Kafka, prefix: str
) -> None:
    to = settings(kafka, prefix, partitions=4)
    await create(to, KEPT)
    async with ab_tasty() as (service, url):
        async with udc_sink(url, to) as sink:
            await send(sink, membership(mpid="1"))
            await send(sink, membership(mpid="2", audience_name="Won back"))
        async with udc_sink(url, to) as sink:
            sink.recall(audience("updated", audience_name="Won back"), AT)
            await send(sink, membership(mpid="3", audience_name="Won back"))
            await send(sink, membership("left", mpid="1", audience_name=None))
    assert service.state()["segments"] == {
        "1": {"Lapsed-buyers-31001": "false"},
        "2": {"Lapsed-buyers-31001": "true"},
        "3": {"Lapsed-buyers-31001": "true"},
    }


@KAFKA
async def test_workers_that_see_an_audience_at_once_under_two_names_agree_on_one(
    kafka: Kafka, prefix: str
) -> None:
    to = settings(kafka, prefix, partitions=4)
    await create(to, KEPT)
    async with ab_tasty() as (service, url), udc_sink(url, to) as one, udc_sink(url, to) as other:

        async def deliver(sink: AbTastySink, mpid: str, name: str) -> Outcome:
            while isinstance(
                outcome := await send(sink, membership(mpid=mpid, audience_name=name)), Transient
            ):
                assert outcome.reason == "other_name"
            return outcome

        outcomes = await asyncio.gather(
            deliver(one, "1", "Lapsed buyers"), deliver(other, "2", "Won back")
        )
        assert set(outcomes) == {Delivered()}
        async with udc_sink(url, to) as later:
            await send(later, membership(mpid="3", audience_name="Third"))
    segments = [set(held) for held in service.state()["segments"].values()]  # type: ignore[attr-defined]  # as JSON
    assert segments == [segments[0]] * 3


class Overtaken(AgreedAudiences):
    """Another worker writes in the moment before this one does."""

    def __init__(self, to: KafkaSettings) -> None:
        super().__init__(to)
        self._to = to

    async def _write(self, said: AcceptedAudience | OwnedName) -> None:
        if isinstance(said, AcceptedAudience) and said.name == "Second":
            await keep(self._to, AcceptedAudience(audience_id=said.audience_id, name="First"))
        await super()._write(said)


@KAFKA
async def test_the_name_that_stands_first_is_also_the_last_so_that_compaction_keeps_it(
    kafka: Kafka, prefix: str
) -> None:
    to = settings(kafka, prefix, partitions=4)
    await create(to, KEPT)
    known = Overtaken(to)
    async with known.session():
        assert await known.settle("31001", "Second", str) == "First"
        assert known.name("31001") == "First"
    records = await read(to, AB_TASTY_AUDIENCES, 4)
    kept = [record.value for record in records if record.key == b"31001"]
    names = [AcceptedAudience.model_validate_json(value).name for value in kept]
    assert names == ["First", "Second", "First"]


@KAFKA
async def test_what_cannot_be_read_there_harms_nothing(kafka: Kafka, prefix: str) -> None:
    to = settings(kafka, prefix, partitions=4)
    await create(to, KEPT)
    async with producing(to) as producer:
        for value in (b"{", None):
            topic = to.topic(AB_TASTY_AUDIENCES.name)
            await producer.send_and_wait(topic, value, key=b"31001")
    known = AgreedAudiences(to)
    async with known.session():
        assert await known.settle("31001", "First", str) == "First"


@KAFKA
async def test_an_audience_is_named_while_it_is_connected_and_nobody_in_it_was_accepted(
    kafka: Kafka, prefix: str
) -> None:
    to = settings(kafka, prefix, partitions=4)
    await create(to, KEPT)
    async with ab_tasty() as (_, url):
        async with udc_sink(url, to) as sink:
            for number in ("31001", "31002", "31003"):
                sink.learn(about(number))
            await send(sink, membership("left", audience_id="31001"))
            await send(sink, membership(audience_id="31002"))
            assert named_empty() == {"31001", "31003"}
            sink.learn(about("31003", "disconnected"))
            await send(sink, membership(audience_id="31001"))
            assert named_empty() == set()
        async with udc_sink(url, to) as sink:
            for number in ("31001", "31002", "31003"):
                sink.learn(about(number))
            assert named_empty() == {"31003"}
            sink.learn(about("31003", "disconnected"))


async def test_no_more_audiences_are_named_than_a_metric_may_have() -> None:
    known = AgreedAudiences(None, most_named=3)
    for number in range(10):
        known.learn(about(str(number)))
    assert len(named_empty()) == 3
    for number in range(10):
        known.learn(about(str(number), "disconnected"))
    assert named_empty() == set()
