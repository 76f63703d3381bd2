"""A membership change older than the last one seen is dropped, in the same epoch."""

import pytest
from aiokafka.structs import ConsumerRecord
from faust.types import TP

from models.audience_membership import MembershipChanged
from models.record import RawPosition
from streams.delivery.ordering.staleness import Staleness
from streams.topics import AUDIENCE_MEMBERSHIP
from tests.streams import records
from tests.streams.delivery.flow import Flow, some_turns
from tests.streams.records import RECEIVED_AT_MS

HERE = TP(AUDIENCE_MEMBERSHIP.name, 0)
MEMBERSHIPS = (AUDIENCE_MEMBERSHIP,)


def change(at_ms: int | None, *, id_: str = "1", audience: str = "7") -> MembershipChanged:
    return MembershipChanged(
        id=id_,
        mpid="17",
        change="joined",
        audience_id=audience,
        occurred_at_ms=at_ms,
        received_at_ms=RECEIVED_AT_MS,
        raw=RawPosition(topic="mparticle-raw", partition=0, offset=0, index=0),
    )


def stored(offset: int, at_ms: int) -> ConsumerRecord:
    record = change(at_ms, id_=f"at {at_ms}")
    return records.stored(record, offset)


@pytest.mark.parametrize(
    ("times", "stale"),
    [
        ([1, 2, 3], [False, False, False]),
        ([2, 1, 3], [False, True, False]),
        ([2, 2], [False, False]),
        ([3, 1, 2], [False, True, True]),
        ([None, 1, None], [False, False, False]),
    ],
)
def test_a_change_is_stale_when_a_later_one_was_seen(
    times: list[int | None], stale: list[bool]
) -> None:
    seen = Staleness(10)

    told = [seen.is_stale(HERE, change(at), "17", b"", n) for n, at in enumerate(times)]
    assert told == stale


def test_a_change_from_the_far_future_makes_no_later_one_stale() -> None:
    """Its own time cannot be right, and the router says which counts."""
    seen = Staleness(10)
    far = change(9_999).model_copy(update={"judged_at_ms": 5})

    assert not seen.is_stale(HERE, far, "17", b"", 0)
    assert not seen.is_stale(HERE, change(6), "17", b"", 1)
    assert seen.is_stale(HERE, change(5), "17", b"", 2)


@pytest.mark.parametrize(
    ("user", "audience", "epoch"), [("18", "7", b""), ("17", "8", b""), ("17", "7", b"5")]
)
def test_changes_of_another_user_audience_or_epoch_say_nothing(
    user: str, audience: str, epoch: bytes
) -> None:
    seen = Staleness(10)
    seen.is_stale(HERE, change(2), "17", b"", 0)

    assert not seen.is_stale(HERE, change(1, audience=audience), user, epoch, 1)


def test_no_more_are_remembered_than_the_limit() -> None:
    seen = Staleness(2)
    for audience in ("1", "2", "3"):
        seen.is_stale(HERE, change(5, audience=audience), "17", b"", 0)

    told = [seen.is_stale(HERE, change(1, audience=a), "17", b"", 1) for a in ("3", "2", "1")]
    assert told == [
        True,
        True,
        False,
    ]


async def test_a_stale_change_is_dropped_on_its_way() -> None:
    async with Flow(topics=MEMBERSHIPS).running() as flow:
        partition = await flow.assign(topic=AUDIENCE_MEMBERSHIP)
        await flow.accept(partition, [stored(0, 2), stored(1, 1), stored(2, 3)])
        await flow.settled(partition)

    assert flow.sink.delivered == ["at 2", "at 3"]


async def test_what_ended_before_this_worker_came_makes_older_changes_stale() -> None:
    async with Flow(topics=MEMBERSHIPS, past=[stored(0, 2)]).running() as flow:
        partition = await flow.assign(1, topic=AUDIENCE_MEMBERSHIP)
        await flow.accept(partition, [stored(1, 1)])
        await flow.settled(partition)

    assert flow.sink.delivered == []


async def test_what_ended_and_was_not_committed_makes_older_changes_stale_after_a_rebalance() -> (
    None
):
    """The same worker gets it back: it knows that it was sent, and so how new it was."""
    async with Flow(topics=MEMBERSHIPS).running() as flow:
        partition = await flow.assign(topic=AUDIENCE_MEMBERSHIP)
        await flow.accept(partition, [stored(0, 2)])
        await flow.settled(partition)
        await flow.revoke(partition)
        again = await flow.assign(topic=AUDIENCE_MEMBERSHIP)
        await flow.accept(again, [stored(0, 2), stored(1, 1)])
        await flow.settled(again)

    assert flow.sink.delivered == ["at 2"]


async def test_a_sink_recalls_the_kinds_it_asked_for_and_no_other() -> None:
    async with Flow(topics=MEMBERSHIPS, past=[stored(0, 2)]).running() as flow:
        await flow.assign(1, topic=AUDIENCE_MEMBERSHIP)

    assert flow.sink.recalled == []


async def test_changes_that_had_not_ended_when_they_were_given_away_come_again_in_their_order() -> (
    None
):
    async with Flow(topics=MEMBERSHIPS).running() as flow:
        flow.member = False
        before = await flow.assign(topic=AUDIENCE_MEMBERSHIP)
        await flow.accept(before, [stored(0, 1), stored(1, 2)])
        await some_turns()
        await flow.revoke(before)
        flow.member = True
        again = await flow.assign(before.progress, topic=AUDIENCE_MEMBERSHIP)
        await flow.accept(again, [stored(0, 1), stored(1, 2)])
        await flow.settled(again)

    assert flow.sink.delivered == ["at 1", "at 2"]
