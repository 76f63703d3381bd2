"""Nobody who left is joined again, whatever was changed between the join and the leave."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import GroupAuthorizationFailedError, KafkaConnectionError, KafkaError

from agents.ab_tasty import refresh, refresh_progress
from agents.ab_tasty.topics import AB_TASTY_MEMBERS
from streams import metrics
from streams.engine.refusals import Refusals
from streams.settings import KafkaSettings
from streams.topics import AUDIENCE_MEMBERSHIP
from tests.agents.ab_tasty.factories import membership
from tests.agents.ab_tasty.flowing import ended
from tests.agents.ab_tasty.refreshing import PEOPLE, Days, Worker, kept, members_of, working
from tests.agents.ab_tasty.simulated import ab_tasty
from tests.streams.cluster import add_partitions

pytestmark = pytest.mark.kafka


async def add_partition(to: KafkaSettings) -> None:
    """To both, as whoever needs more does while the workers are stopped."""
    for each in (AUDIENCE_MEMBERSHIP, AB_TASTY_MEMBERS):
        await add_partitions(to, each, 2)


async def joined(to: KafkaSettings, url: str, days: Days, **options: Any) -> int:
    """Everybody joins; where the partition's next record will stand."""
    async with working(to, url, days, **options) as worker:
        await worker.accept(*(membership(mpid=mpid) for mpid in PEOPLE))
        await ended(worker.partition)
        return worker.partition.offsets.position


async def two_months(worker: Worker, days: Days) -> None:
    """Long enough for rows that nobody sends again to lapse."""
    for _ in range(3):
        await worker.day_is_done()
        days.pass_by(20)
    await worker.day_is_done()


async def test_who_left_after_partitions_were_added_is_not_joined_again(
    to: KafkaSettings, days: Days
) -> None:
    leavers, stayers = PEOPLE[:10], PEOPLE[10:]
    async with ab_tasty(clock=days) as (service, url):
        start = await joined(to, url, days)
        await add_partition(to)
        async with working(to, url, days, number=1) as worker:
            await worker.accept(*(membership("left", mpid=mpid) for mpid in leavers))
            await ended(worker.partition)
        async with working(to, url, days, start) as worker:
            await two_months(worker, days)
        assert members_of(service) == stayers


async def test_who_leaves_at_another_worker_while_their_slice_is_sent_stays_out(
    to: KafkaSettings, days: Days, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = refresh.read
    async with ab_tasty(clock=days) as (service, url):
        start = await joined(to, url, days)
        await add_partition(to)
        async with working(to, url, days, start) as old, working(to, url, days, number=1) as new:
            await old.day_is_done()
            left = False

            async def read_late(*given: Any) -> int:
                nonlocal left
                end = await read(*given)
                if given[2].partition == 0 and not left:
                    left = True
                    await new.accept(*(membership("left", mpid=mpid) for mpid in PEOPLE))
                    await ended(new.partition)
                return end

            monkeypatch.setattr(refresh, "read", read_late)
            days.pass_by(21)
            await old.day_is_done()
            assert left
            assert members_of(service, "false") == PEOPLE
    assert not any((await kept(to)).values())


async def test_who_left_while_rows_were_not_sent_again_is_not_joined_again(
    to: KafkaSettings, days: Days
) -> None:
    leavers, stayers = PEOPLE[:10], PEOPLE[10:]
    async with ab_tasty(clock=days) as (service, url):
        start = await joined(to, url, days)
        async with working(to, url, days, start, refresh_interval_days=0) as worker:
            await worker.accept(*(membership("left", mpid=mpid) for mpid in leavers))
            await ended(worker.partition)
            start = worker.partition.offsets.position
        async with working(to, url, days, start) as worker:
            await two_months(worker, days)
        assert members_of(service) == stayers


FIREHOSE = {"mode": "firehose", "api_key": "sandbox-key", "account_id": "4242"}


@pytest.mark.parametrize("meanwhile", [{"delete_strategy": "skip"}, FIREHOSE], ids=str)
async def test_who_was_in_before_leaves_were_kept_from_us_is_known_no_more(
    to: KafkaSettings, days: Days, meanwhile: dict[str, Any]
) -> None:
    """Any of them may have left; who joins afterwards is known again."""
    async with ab_tasty(clock=days) as (service, url):
        start = await joined(to, url, days)
        async with working(to, url, days, start, **meanwhile) as worker:
            await worker.notes_that_nothing_is_kept()
        async with working(to, url, days, start) as worker:
            await worker.accept(membership(mpid="77"))
            await two_months(worker, days)
        assert members_of(service) == ["77"]


async def test_the_row_of_another_kind_of_visitor_is_not_sent_again(
    to: KafkaSettings, days: Days
) -> None:
    """Their leave comes under the id that is asked for now."""
    customer: Any = ({"type": "customer_id", "value": "C34", "encoding": "raw"},)
    async with ab_tasty(clock=days) as (service, url):
        start = await joined(to, url, days)
        async with working(to, url, days, start, identity="user:customer_id") as worker:
            await worker.accept(membership(mpid="1", identities=customer))
            await two_months(worker, days)
        held: Any = service.state()["segments"]
    assert [visitor for visitor, segments in held.items() if segments] == ["C34"]


@pytest.mark.parametrize(
    ("error", "is_said"),
    [(GroupAuthorizationFailedError("refresh"), True), (KafkaConnectionError("away"), False)],
)
async def test_what_keeps_rows_from_being_sent_again_is_said_until_it_is_over(
    to: KafkaSettings,
    days: Days,
    monkeypatch: pytest.MonkeyPatch,
    error: KafkaError,
    is_said: bool,
) -> None:
    asked = asyncio.Event()
    read_done = refresh_progress.read_done

    async def refused(*given: Any) -> Any:
        await read_done(*given)
        asked.set()
        raise error

    async with ab_tasty(clock=days) as (_, url):
        start = await joined(to, url, days)
        days.pass_by(3)
        monkeypatch.setattr(refresh, "read_done", refused)
        async with working(to, url, days, start) as worker:
            refusals: Refusals = worker.flow.refusals
            await asked.wait()
            asked.clear()
            await asked.wait()
            group = to.group("ab-tasty-refresh")
            assert (group in refusals.said and "Read on the group" in refusals.said) is is_said
            assert behind() == 21  # nobody knows
            monkeypatch.setattr(refresh, "read_done", read_done)
            await worker.day_is_done()
            await worker.flow.until(lambda: not refusals.said)
            assert behind() == 0


def behind() -> float | None:
    name = "mparticle_streams_ab_tasty_refresh_lag_days"
    return metrics.REGISTRY.get_sample_value(name)
