"""A name at a destination belongs to one audience, at every worker and for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from agents.agreed_names import AgreedNames, same
from agents.sailthru.topics import SAILTHRU_AUDIENCES
from models.owned_name import OwnedName
from sandbox.kafka import Kafka
from streams import metrics
from streams.settings import KafkaSettings
from tests.streams.cluster import create, producing, read, settings

KAFKA = pytest.mark.kafka
SPELLINGS = [
    "VIP",
    "VIP ",
    "vip",
    "Vip",
    "V IP",
    "V  IP",
    "VIP (2)",
    "VIP (3)",
    "STRASSE",
    "straße",
]


def apart(name: str, audience_id: str) -> str:
    return f"{name} ({audience_id})"


def names(to: KafkaSettings | None = None, **given: int) -> AgreedNames:
    return AgreedNames(to, SAILTHRU_AUDIENCES, "sailthru", apart, **given)


@asynccontextmanager
async def worker(to: KafkaSettings) -> AsyncIterator[AgreedNames]:
    fixed = names(to)
    async with fixed.session():
        yield fixed


def taken() -> float:
    labels = {"destination": "sailthru"}
    name = "mparticle_streams_audience_name_conflicts_total"
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


@given(st.lists(st.tuples(st.sampled_from("12345"), st.sampled_from(SPELLINGS)), max_size=30))
def test_no_two_audiences_are_ever_called_the_same(wishes: list[tuple[str, str]]) -> None:
    fixed = names()
    owners: dict[str, str] = {}
    for audience_id, wanted in wishes:
        called = fixed.called(audience_id, wanted)
        assert called.settled
        assert owners.setdefault(same(called.name), audience_id) == audience_id
        assert fixed.called(audience_id, wanted) == called


@pytest.mark.parametrize("spelling", ["VIP ", " VIP", "vip", "\uff36\uff29\uff30"])
def test_what_a_service_might_take_for_the_same_name_is(spelling: str) -> None:
    fixed = names()
    assert fixed.called("1", "VIP").name == "VIP"
    assert fixed.called("2", spelling).name == f"{spelling} (2)"


def test_who_is_called_otherwise_is_counted_and_told_once() -> None:
    fixed, before = names(), taken()
    with capture_logs() as lines:
        for audience_id in ("1", "2", "2", "1"):
            fixed.called(audience_id, "VIP")
    assert taken() - before == 1
    [line] = lines
    assert line == {
        "event": "audience_name_conflict",
        "log_level": "warning",
        "audience_id": "2",
        "name": "VIP",
        "taken_by": "1",
        "called": "VIP (2)",
    }


def test_a_name_that_looks_told_apart_is_owned_like_any_other() -> None:
    fixed = names()
    assert fixed.called("3", "VIP (2)").name == "VIP (2)"
    assert fixed.called("1", "VIP").name == "VIP"
    assert fixed.called("2", "VIP").name == "VIP (2) (2)"


def test_when_there_are_too_many_names_no_two_audiences_share_one_all_the_same() -> None:
    fixed = names(most=1)
    assert fixed.called("1", "VIP").name == "VIP"
    assert [fixed.called(each, "VIP").name for each in "23"] == ["VIP (2)", "VIP (3)"]
    assert fixed.called("4", "Other").name == "Other (4)"


@KAFKA
async def test_workers_agree_on_the_owner_whoever_asks_first_and_after_a_restart(
    kafka: Kafka, prefix: str
) -> None:
    to = settings(kafka, prefix, partitions=4)
    await create(to, [SAILTHRU_AUDIENCES])
    async with worker(to) as one, worker(to) as other:
        called = await asyncio.gather(
            *(fixed.own(id_, "VIP") for id_ in "12345" for fixed in (one, other))
        )
    assert called[::2] == called[1::2]
    assert len(set(called)) == 5
    assert "VIP" in called
    async with worker(to) as later:
        assert [await later.own(id_, "VIP") for id_ in "12345"] == called[::2]


@KAFKA
async def test_until_it_is_settled_a_name_may_turn_out_to_be_anothers(
    kafka: Kafka, prefix: str
) -> None:
    to = settings(kafka, prefix, partitions=4)
    await create(to, [SAILTHRU_AUDIENCES])
    async with worker(to) as one, worker(to) as other:
        assert one.called("1", "VIP") == ("VIP", False)
        await other.own("2", "vip")
        assert await one.own("1", "VIP") == "VIP (1)"
        assert one.called("1", "VIP") == ("VIP (1)", True)


@KAFKA
async def test_what_a_dead_worker_left_undone_for_compaction_is_done_at_the_next_start(
    kafka: Kafka, prefix: str
) -> None:
    """It had claimed a name after another, and died before it said again whose the name is."""
    to = settings(kafka, prefix, partitions=4)
    await create(to, [SAILTHRU_AUDIENCES])
    first, second = (OwnedName(owned="VIP", audience_id=each) for each in "12")
    async with producing(to) as producer:
        for claim in (first, second):
            topic, value = to.topic(SAILTHRU_AUDIENCES.name), claim.model_dump_json().encode()
            await producer.send_and_wait(topic, value, key=b"name/vip")
    async with worker(to) as fixed:
        assert await fixed.own("2", "VIP") == "VIP (2)"
    async with worker(to):
        pass
    said = [each.value for each in await read(to, SAILTHRU_AUDIENCES, 4)]
    vip = [OwnedName.model_validate_json(value) for value in said if b'"VIP"' in value]
    assert [each.audience_id for each in vip if not each.instead_of] == ["1", "2", "1"]


@KAFKA
async def test_the_topic_tells_who_is_called_otherwise_and_whose_the_name_is(
    kafka: Kafka, prefix: str
) -> None:
    to = settings(kafka, prefix, partitions=4)
    await create(to, [SAILTHRU_AUDIENCES])
    async with worker(to) as fixed:
        for audience_id in "12":
            await fixed.own(audience_id, "VIP")
    [(theirs, owner)] = await names(to).told_apart()
    assert (theirs.audience_id, theirs.owned, owner.audience_id) == ("2", "VIP (2)", "1")
