"""What a person sent again of a dead letter passes where it failed, once, and nowhere else."""

import pytest
from aiokafka.structs import ConsumerRecord

from models.audience_membership import MembershipChanged
from models.record import RawPosition
from streams import headers, metrics
from streams.topics import AUDIENCE_MEMBERSHIP
from tests.counted import value
from tests.streams.delivery.flow import Flow, log
from tests.streams.records import RECEIVED_AT_MS, event, stored


def failed(offset: int, fate: str = "is refused") -> ConsumerRecord:
    record = event("17", fate, "1")
    return stored(record, offset)


def redriven(
    offset: int, letter: str, *, to: str = "scripted", fate: str = "passes"
) -> ConsumerRecord:
    """The event that failed, after its cause was mended; or not."""
    record = event("17", fate, "1")
    marks = headers.redriven(to, letter)
    return stored(record, offset, marks=marks)


def change(offset: int, at_ms: int, *, epoch: int = 0, letter: str = "") -> ConsumerRecord:
    record = MembershipChanged(
        id=f"at {at_ms}",
        mpid="17",
        change="joined",
        audience_id="7",
        occurred_at_ms=at_ms,
        received_at_ms=RECEIVED_AT_MS,
        raw=RawPosition(topic="mparticle-raw", partition=0, offset=0, index=0),
    )
    marks = headers.redriven("scripted", letter) if letter else []
    return stored(record, offset, epoch=epoch, marks=marks)


def dropped(reason: str) -> float:
    counter = metrics.RECORDS_DROPPED.labels(stage="scripted", reason=reason)
    return value(counter)


async def test_what_failed_is_delivered_when_it_is_sent_again_and_the_second_time_it_is_known() -> (
    None
):
    async with Flow().running() as flow:
        partition = await flow.assign()
        await flow.accept(partition, [failed(0)])
        await flow.settled(partition)
        await flow.accept(partition, [redriven(1, "0/0"), redriven(2, "0/0")])
        await flow.settled(partition)
        await flow.accept(partition, [redriven(3, "0/0")])
        await flow.settled(partition)

    assert flow.letters.told == [(0, "refused")]
    assert flow.sink.delivered == ["1"]


async def test_another_letter_of_the_same_record_passes_again() -> None:
    async with Flow().running() as flow:
        partition = await flow.assign()
        await flow.accept(partition, [redriven(0, "0/0"), redriven(1, "0/1")])
        await flow.settled(partition)

    assert flow.sink.delivered == ["1", "1"]


async def test_what_was_sent_again_before_this_worker_came_is_known_from_the_log() -> None:
    async with Flow(past=[redriven(0, "0/0")]).running() as flow:
        partition = await flow.assign(1)
        await flow.accept(partition, [redriven(1, "0/0"), redriven(2, "0/1")])
        await flow.settled(partition)

    assert flow.sink.delivered == ["1"]
    assert len(flow.sink.requests) == 1


async def test_what_is_sent_again_to_another_destination_is_dropped_and_counted() -> None:
    before = dropped("redriven_elsewhere")
    async with Flow().running() as flow:
        partition = await flow.assign()
        await flow.accept(partition, [redriven(0, "0/0", to="other")])
        await flow.settled(partition)

    assert flow.sink.requests == []
    assert dropped("redriven_elsewhere") == before + 1


async def test_what_was_sent_again_to_another_destination_teaches_this_one_nothing() -> None:
    past = [redriven(0, "0/0", to="other")]
    async with Flow(past=past).running() as flow:
        partition = await flow.assign(1)
        await flow.accept(partition, [redriven(1, "0/0")])
        await flow.settled(partition)

    assert flow.sink.delivered == ["1"]


@pytest.mark.parametrize("epoch", [0, 1_767_225_600_000])
async def test_a_membership_sent_again_is_stale_when_a_later_one_was_seen_in_whatever_epoch(
    epoch: int,
) -> None:
    before = dropped("stale")
    async with Flow(topics=(AUDIENCE_MEMBERSHIP,)).running() as flow:
        partition = await flow.assign(topic=AUDIENCE_MEMBERSHIP)
        await flow.accept(partition, [change(0, 2, epoch=epoch), change(1, 1, letter="0/0")])
        await flow.settled(partition)

    assert flow.sink.delivered == ["at 2"]
    assert dropped("stale") == before + 1


async def test_a_membership_sent_again_passes_when_it_is_the_last_there_was() -> None:
    async with Flow(topics=(AUDIENCE_MEMBERSHIP,)).running() as flow:
        partition = await flow.assign(topic=AUDIENCE_MEMBERSHIP)
        await flow.accept(partition, [change(0, 1), change(1, 2), change(2, 2, letter="0/0")])
        await flow.settled(partition)

    assert flow.sink.delivered == ["at 1", "at 2", "at 2"]


@pytest.mark.parametrize("fate", ["is refused", "has no place", "breaks the placing"])
async def test_what_a_person_sends_again_does_not_hold_the_others_where_it_fails_again(
    fate: str,
) -> None:
    async with Flow(max_rejected_share=0.01).running() as flow:
        partition = await flow.assign()
        again = [redriven(offset, f"0/{offset}", fate=fate) for offset in range(60)]
        await flow.accept(partition, again)
        await flow.accept(partition, log(("18", "passes"), start=60))
        await flow.settled(partition)

    assert len(flow.letters.written) == 60
    assert flow.sink.delivered == ["18/0/60"]


@pytest.mark.parametrize("fate", ["is refused", "has no place"])
async def test_a_wrong_deploy_does_not_hide_behind_what_a_person_sends_again(fate: str) -> None:
    """Of what the router wrote all fails, and what passes was sent by hand."""
    records = [
        redriven(offset, f"0/{offset}") if offset % 25 else log(("18", fate), start=offset)[0]
        for offset in range(2_000)
    ]
    async with Flow(max_rejected_share=0.05, most=1).running() as flow:
        partition = await flow.assign()
        await flow.accept(partition, records)
        await flow.until(lambda: flow.delivery.blocked)

    assert len(flow.letters.written) == 51
