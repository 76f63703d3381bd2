"""Membership that stays true: rows are sent again before they lapse, and only those."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from agents.ab_tasty import refresh
from agents.ab_tasty.topics import REFRESH_GROUP
from models.audience import Audience
from models.record import RawPosition
from sandbox.faults import Answer
from streams import metrics
from streams.delivery import resend
from streams.kafka import ranges
from streams.kafka.unreadable import UnreadableError
from streams.settings import KafkaSettings
from streams.topics import AUDIENCE_MEMBERSHIP
from tests.agents.ab_tasty.factories import membership
from tests.agents.ab_tasty.flowing import ended
from tests.agents.ab_tasty.refreshing import PEOPLE, Days, kept, members_of, working
from tests.agents.ab_tasty.simulated import ab_tasty
from tests.counted import value
from tests.streams.cluster import write
from tests.streams.delivery.flow import AT_ONCE

KAFKA = pytest.mark.kafka


@KAFKA
async def test_members_stay_for_as_long_as_they_do_not_leave_and_nobody_comes_back(
    to: KafkaSettings, days: Days
) -> None:
    """Over 70 days, with a restart, and two days on which nobody worked."""
    leavers, stayers = PEOPLE[:10], PEOPLE[10:]
    async with ab_tasty(clock=days) as (service, url):
        async with working(to, url, days) as worker:
            await worker.accept(*(membership(mpid=mpid) for mpid in PEOPLE))
            for day in range(30):
                if day == 3:
                    await worker.accept(*(membership("left", mpid=mpid) for mpid in leavers))
                    await ended(worker.partition)
                await worker.day_is_done()
                days.pass_by(1)
            start = worker.partition.offsets.position
        days.pass_by(2)
        async with working(to, url, days, start) as worker:
            for _ in range(38):
                await worker.day_is_done()
                assert members_of(service) == stayers
                days.pass_by(1)
        assert worker.flow.letters.written == []
    # Everybody's first row, the leavers' second, and about one in 21 days for each who stayed.
    rows: Any = service.state()["rows"]
    assert rows <= len(PEOPLE) + len(leavers) + 4 * len(stayers)


@KAFKA
@pytest.mark.parametrize(
    ("without", "is_kept"),
    [({"refresh_interval_days": 0}, True), ({"delete_strategy": "skip"}, False)],
    ids=["refresh_interval_days", "delete_strategy"],
)
async def test_without_it_rows_lapse_and_what_is_kept_is_who_would_be_known_later(
    to: KafkaSettings,
    days: Days,
    without: dict[str, Any],
    is_kept: bool,
) -> None:
    async with ab_tasty(clock=days) as (service, url), working(to, url, days, **without) as worker:
        await worker.accept(*(membership(mpid=mpid) for mpid in PEOPLE))
        await ended(worker.partition)
        assert members_of(service) == PEOPLE
        days.pass_by(31)
        assert members_of(service) == []
    assert bool(await kept(to)) is is_kept


@KAFKA
async def test_rows_of_an_audience_that_is_left_out_by_now_are_not_sent_again(
    to: KafkaSettings, days: Days
) -> None:
    others = PEOPLE[:10]
    async with ab_tasty(clock=days) as (service, url):
        async with working(to, url, days) as worker:
            await worker.accept(*(membership(mpid=mpid) for mpid in PEOPLE))
            await worker.accept(
                *(membership(mpid=mpid, audience_id="31002", account_id="7") for mpid in others)
            )
            await ended(worker.partition)
            start = worker.partition.offsets.position
        chosen: dict[str, Any] = {"audiences_deny": "31001", "accounts_allow": "7"}
        async with working(to, url, days, start, **chosen) as worker:
            for _ in range(31):
                await worker.day_is_done()
                days.pass_by(1)
        assert members_of(service) == others


@KAFKA
async def test_a_member_is_kept_before_his_record_ends_and_a_leave_is_a_tombstone(
    to: KafkaSettings, days: Days
) -> None:
    async with ab_tasty(clock=days) as (_, url), working(to, url, days) as worker:
        await worker.accept(
            membership(mpid="1"), membership(mpid="2"), membership("left", mpid="3")
        )
        await ended(worker.partition)
        assert await kept(to) == {"1/31001": True, "2/31001": True, "3/31001": False}
        await worker.accept(membership("left", mpid="1"), membership(mpid="3"))
        await ended(worker.partition)
        assert await kept(to) == {"1/31001": False, "2/31001": True, "3/31001": True}


@KAFKA
async def test_what_changes_while_a_slice_is_read_is_not_sent_again(
    to: KafkaSettings, days: Days, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = refresh.read
    async with ab_tasty(clock=days) as (service, url), working(to, url, days) as worker:
        await worker.accept(*(membership(mpid=mpid) for mpid in PEOPLE))
        await worker.day_is_done()
        left = False

        async def read_slowly(*given: Any) -> int:
            nonlocal left
            end = await read(*given)
            if not left:
                left = True
                before = worker.sink.placed
                await worker.accept(*(membership("left", mpid=mpid) for mpid in PEOPLE))
                await worker.flow.until(lambda: worker.sink.placed == before + len(PEOPLE))
            return end

        monkeypatch.setattr(refresh, "read", read_slowly)
        days.pass_by(8)
        await worker.day_is_done()
        await ended(worker.partition)
        joined_again = "".join(worker.sink.bodies[1:]).count(",true")
    assert left
    assert joined_again == 0
    assert members_of(service, "false") == PEOPLE


@KAFKA
async def test_what_was_under_way_when_a_slice_is_read_has_ended_first(
    to: KafkaSettings, days: Days
) -> None:
    async with ab_tasty(clock=days) as (service, url), working(to, url, days) as worker:
        await worker.accept(*(membership(mpid=mpid) for mpid in PEOPLE))
        await worker.day_is_done()
        service.set_faults([Answer(endpoint="POST segments", status=503)])
        await worker.accept(*(membership("left", mpid=mpid) for mpid in PEOPLE))
        days.pass_by(21)
        sent = len(worker.sink.bodies)
        await worker.flow.until(lambda: len(worker.sink.bodies) > sent + 3)
        service.set_faults([])
        await worker.day_is_done()
        assert "true" not in "".join(worker.sink.bodies[sent:])
    assert members_of(service, "false") == PEOPLE


@KAFKA
async def test_a_day_that_was_cut_short_is_done_by_the_next_worker(
    to: KafkaSettings, days: Days
) -> None:
    async with ab_tasty(clock=days) as (service, url):
        async with working(to, url, days) as worker:
            await worker.accept(*(membership(mpid=mpid) for mpid in PEOPLE))
            await worker.day_is_done()
            start = worker.partition.offsets.position
            service.set_faults([Answer(endpoint="POST segments", status=503)])
            days.pass_by(21)
            await worker.flow.until(lambda: len(worker.sink.bodies) > 3)
        service.set_faults([])
        async with working(to, url, days, start) as worker:
            await worker.day_is_done()
        days.pass_by(10)
        assert members_of(service) == PEOPLE


@KAFKA
async def test_while_the_partition_is_behind_nothing_is_sent_again(
    to: KafkaSettings, days: Days, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands there may be a leave that AB Tasty has taken already, before a crash."""
    impatient = replace(AT_ONCE, resend=replace(AT_ONCE.resend, settled_s=0.1))
    settled, gave_up = resend.LaneRepeat.wait_until_settled, asyncio.Event()

    async def told(feed: resend.LaneRepeat, end: int) -> bool:
        if not (is_so := await settled(feed, end)):
            gave_up.set()
        return is_so

    monkeypatch.setattr(resend.LaneRepeat, "wait_until_settled", told)
    async with (
        ab_tasty(clock=days) as (service, url),
        working(to, url, days, delivery=impatient) as worker,
    ):
        await worker.accept(*(membership(mpid=mpid) for mpid in PEOPLE))
        await worker.day_is_done()
        await write(to, AUDIENCE_MEMBERSHIP, *[b"{}"] * (len(PEOPLE) + 1))
        sent = len(worker.sink.bodies)
        gave_up.clear()  # on a busy machine the first day may not have settled at once
        days.pass_by(21)
        async with asyncio.timeout(60):
            await gave_up.wait()
        assert len(worker.sink.bodies) == sent
        await worker.accept(membership("left", mpid="1"))
        await worker.day_is_done()
    assert members_of(service) == PEOPLE[1:]
    assert "\n1,Lapsed-buyers-31001,true" not in "".join(worker.sink.bodies[1:])


@KAFKA
async def test_it_stops_when_the_audience_is_disconnected(to: KafkaSettings, days: Days) -> None:
    disconnected = Audience(
        id="about-31001",
        received_at_ms=1_767_225_600_000,
        raw=RawPosition(topic="mparticle-raw", partition=0, offset=0, index=0),
        audience_id="31001",
        state="disconnected",
    )
    async with ab_tasty(clock=days) as (service, url), working(to, url, days) as worker:
        await worker.accept(membership(mpid="1"), membership(mpid="2", audience_id="31002"))
        await worker.day_is_done()
        worker.sink.learn(disconnected)
        for _ in range(31):
            days.pass_by(1)
            await worker.day_is_done()
        assert members_of(service) == ["2"]


@KAFKA
async def test_a_leave_that_is_refused_is_not_taken_back(to: KafkaSettings, days: Days) -> None:
    async with ab_tasty(clock=days) as (service, url), working(to, url, days) as worker:
        await worker.accept(*(membership(mpid=mpid) for mpid in PEOPLE))
        await ended(worker.partition)
        service.set_faults([Answer(endpoint="POST segments", user=PEOPLE[-1], status=400)])
        await worker.accept(*(membership("left", mpid=mpid) for mpid in PEOPLE))
        await ended(worker.partition)
        assert [letter.reason for letter in worker.flow.letters.written] == ["refused_rows"]
    assert await kept(to) == {f"{mpid}/31001": False for mpid in PEOPLE}


@KAFKA
async def test_refreshed_rows_are_counted_apart(to: KafkaSettings, days: Days) -> None:
    def counted() -> float:
        labels = {"destination": "scripted", "operation": "membership_refreshed"}
        return value(metrics.DELIVERIES.labels(**labels, outcome="delivered"))

    before = counted()
    async with ab_tasty(clock=days) as (_, url), working(to, url, days) as worker:
        await worker.accept(*(membership(mpid=mpid) for mpid in PEOPLE))
        await worker.day_is_done()
        days.pass_by(21)
        await worker.day_is_done()
    assert counted() == before + len(PEOPLE)


@KAFKA
async def test_what_cannot_be_read_of_members_is_told_and_tried_again_and_ends_no_worker(
    to: KafkaSettings, days: Days, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, failed = ranges.read, list[int]()

    def failing(*given: Any, **named: Any) -> Any:
        if not failed:
            failed.append(1)
            raise UnreadableError("The batch at offset 3 of members-0 cannot be unpacked.")
        return read(*given, **named)

    async with ab_tasty(clock=days) as (service, url), working(to, url, days) as worker:
        await worker.accept(*(membership(mpid=mpid) for mpid in PEOPLE))
        await worker.day_is_done()
        monkeypatch.setattr(ranges, "read", failing)
        with capture_logs() as lines:
            days.pass_by(25)
            await worker.day_is_done()
        assert members_of(service) == PEOPLE
    said = [line["detail"] for line in lines if line["event"] == "kafka_refused"]
    assert said == [
        (
            "Kafka does not let this worker send members' rows again, as the group "
            f"{to.group(REFRESH_GROUP)}: The batch at offset 3 of members-0 cannot be unpacked"
        )
    ]
