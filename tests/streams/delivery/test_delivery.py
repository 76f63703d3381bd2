"""From chunk to end: everything ends once, in order, and only who fails waits."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.delivery.policy import BreakerPolicy
from streams.delivery.sink import LaneKey
from streams.topics import EVENTS
from tests.streams.delivery.flow import AT_ONCE, Flow, log, of_user, some_turns
from tests.streams.properties import SMALL
from tests.streams.records import event, source

FATES = [
    "passes",
    "fails once",
    "fails twice",
    "fails six times",
    "all wait once",
    "is refused",
    "breaks the mapping",
    "breaks the placing",
    "has no place",
    "is not wanted",
]
LETTERS = {
    "is refused": "refused",
    "breaks the mapping": "mapping_error",
    "breaks the placing": "mapping_error",
    "has no place": "no_place",
}


@pytest.mark.parametrize("fate", FATES)
async def test_a_record_ends_once_whatever_becomes_of_it(fate: str) -> None:
    async with Flow().running() as flow:
        partition = await flow.given(("17", "passes"), ("17", fate), ("17", "passes"))
        await flow.settled(partition)

    letters = [(1, LETTERS[fate])] if fate in LETTERS else []
    dropped = fate == "is not wanted" or bool(letters)
    assert flow.letters.told == letters
    assert of_user("17", flow.sink.delivered) == ([0, 2] if dropped else [0, 1, 2])
    assert partition.progress.offset == 3


@pytest.mark.parametrize("most", [1, 3, 100])
async def test_a_users_order_stands_through_failures_and_refusals(most: int) -> None:
    fates = [("17", fate) for fate in FATES + FATES[::-1]]
    async with Flow(most=most).running() as flow:
        partition = await flow.given(*fates)
        await flow.settled(partition)

    took_effect = of_user("17", flow.sink.delivered)
    assert took_effect == sorted(took_effect)
    assert took_effect == [n for n, (_, fate) in enumerate(fates) if fate in FATES[:5]]


async def test_only_the_user_whose_request_fails_waits() -> None:
    async with Flow().running() as flow:
        partition = await flow.given(("17", "hangs"), ("17", "passes"), ("18", "passes"))
        await flow.until(lambda: flow.sink.delivered)
        await some_turns()

        assert flow.sink.delivered == ["18/0/2"]
        assert partition.progress.ended == ((2, 3),)

        flow.sink.released.set()
        await flow.settled(partition)

    assert flow.sink.delivered == ["18/0/2", "17/0/0", "17/0/1"]


async def test_a_user_who_keeps_failing_does_not_keep_others_back() -> None:
    """Nobody else is being sent to: that one user fails is not the endpoint's outage."""
    rare = replace(AT_ONCE, breaker=BreakerPolicy(probe_s=(3600.0,)))
    async with Flow(policy=rare).running() as flow:
        failing = await flow.given(("17", "fails six times"))
        await flow.until(lambda: len(flow.sink.requests) >= 5)
        await some_turns()
        partition = await flow.assign(number=1)
        await flow.accept(partition, log(("18", "passes"), number=1))
        await some_turns()

        assert not partition.offsets.waiting
    assert failing.offsets.waiting <= 1


async def test_a_lane_has_one_request_in_flight_however_much_waits() -> None:
    fates = [(user, "passes") for _ in range(20) for user in ("17", "18", "19")]
    async with Flow(most=1).running() as flow:
        partition = await flow.given(*fates)
        await flow.settled(partition)

    assert flow.sink.most_at_once == {LaneKey("call", user): 1 for user in ("17", "18", "19")}
    assert len(flow.sink.requests) == 60


async def test_no_more_requests_are_in_flight_than_are_allowed() -> None:
    """At first half of the connections."""
    async with Flow(connections=4).running() as flow:
        partition = await flow.given(*((str(user), "hangs") for user in range(10)))
        await some_turns()
        sent = len(flow.sink.requests)
        flow.sink.released.set()
        await flow.settled(partition)

    assert sent == 2
    assert len(flow.sink.delivered) == 10


async def test_what_waited_while_a_request_was_in_flight_goes_in_the_next_one() -> None:
    async with Flow().running() as flow:
        partition = await flow.given(("17", "hangs"))
        await flow.until(lambda: flow.sink.requests)
        await flow.accept(partition, log(*[("17", "passes")] * 5, start=1))
        flow.sink.released.set()
        await flow.settled(partition)

    assert [len(request.records) for request in flow.sink.requests] == [1, 5]


async def test_a_refused_record_becomes_a_dead_letter_that_says_all_of_it() -> None:
    records = log(("17", "fails twice, is refused"))
    async with Flow().running() as flow:
        partition = await flow.assign()
        await flow.accept(partition, records)
        await flow.settled(partition)

    (letter,) = flow.letters.written
    assert (letter.stage, letter.destination) == ("sink", "scripted")
    assert (letter.reason, letter.detail) == ("refused", "field 'colour'")
    assert (letter.topic, letter.partition, letter.offset) == ("events", 0, 0)
    assert (letter.key, letter.value) == (b"17", records[0].value)
    assert letter.record_id == "17/0/0"
    assert letter.attempts == 3
    assert letter.first_at_ms <= letter.last_at_ms
    assert flow.sink.lost == ["17/0/0"]


async def test_one_bad_record_among_many_in_a_request_costs_itself_alone() -> None:
    fates = [("17", "passes")] * 400 + [("17", "is refused")] + [("17", "passes")] * 599
    async with Flow(most=1_000, topics=(EVENTS,)).running() as flow:
        partition = await flow.given(*fates)
        await flow.settled(partition)

    assert flow.letters.told == [(400, "refused")]
    assert of_user("17", flow.sink.delivered) == [n for n in range(1_000) if n != 400]
    assert len(flow.sink.requests) <= 13


async def test_only_what_was_refused_alone_becomes_a_dead_letter() -> None:
    """The last that is left of a refused batch is asked about too."""
    async with Flow().running() as flow:
        partition = await flow.given(*[("17", "passes")] * 9, ("17", "is refused in company"))
        await flow.settled(partition)

    assert flow.letters.told == []
    assert len(flow.sink.delivered) == 10


async def test_a_mistake_of_ours_that_shows_only_when_records_are_folded_costs_none_of_them() -> (
    None
):
    """That the one in front passed does not say that this one would not."""
    async with Flow().running() as flow:
        partition = await flow.given(("17", "passes"), ("17", "breaks the mapping in company"))
        await flow.settled(partition)

    assert flow.letters.told == []
    assert flow.sink.delivered == ["17/0/0", "17/0/1"]


def mutated(good: bytes) -> st.SearchStrategy[bytes]:
    """A record in which one stretch of bytes was replaced."""
    places = st.integers(0, len(good))
    return st.builds(
        lambda a, b, new: good[: min(a, b)] + new + good[max(a, b) :],
        places,
        places,
        st.sampled_from([b"", b"0", b"-1", b"1e999", b"null", b'""', b"[]", b"{}", b"\xff", b"\\"]),
    )


NOT_OURS = {
    "no value": None,
    "nothing": b"",
    "no JSON": b"\x00\xff\xfe",
    "a list": b"[]",
    "another shape": b'{"kind": "custom_event", "name": ["user17@shop.example"]}',
    "a cut record": event("17", "passes", "1").model_dump_json().encode()[:-9],
    "lone surrogates": b'{"name": "\\ud800"}',
    "a deep nest": b'{"details": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
}


@pytest.mark.parametrize("value", NOT_OURS.values(), ids=NOT_OURS.keys())
async def test_bytes_that_are_no_record_become_a_dead_letter(value: bytes | None) -> None:
    async with Flow().running() as flow:
        partition = await flow.assign()
        await flow.accept(partition, [source(value, 0), *log(("17", "passes"), start=1)])
        await flow.settled(partition)

    (letter,) = flow.letters.written
    assert (letter.reason, letter.value) == ("invalid_record", value or b"")
    assert "user17" not in letter.detail
    assert flow.sink.delivered == ["17/0/1"]


async def test_a_dead_letter_of_ours_shows_no_value_of_the_record_in_its_detail() -> None:
    async with Flow().running() as flow:
        partition = await flow.given(("user17@shop.example", "breaks the placing"))
        await flow.settled(partition)

    (letter,) = flow.letters.written
    assert letter.detail == "KeyError"


HEADERS: dict[str, list[tuple[str, bytes | None]]] = {
    "none": [],
    "others": [("traceparent", b"00-1")],
    "an empty id": [("id", b"")],
    "an id without value": [("id", None)],
    "an epoch without value": [("id", b"17"), ("epoch", None)],
    "a kind without value": [("id", b"17"), ("kind", None)],
    "an id twice": [("id", b"1"), ("id", b"2")],
    "bytes": [("id", b"\xff\x00"), ("epoch", b"\xff")],
}


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS.keys())
async def test_a_record_with_any_headers_is_delivered(
    headers: list[tuple[str, bytes | None]],
) -> None:
    value = event("17", "passes", "17/0/0").model_dump_json().encode()
    async with Flow().running() as flow:
        partition = await flow.assign()
        await flow.accept(partition, [source(value, 0, headers=headers)])
        await flow.settled(partition)

    assert flow.sink.delivered == ["17/0/0"]


async def test_a_foreign_record_without_a_key_of_text_still_has_a_lane() -> None:
    value = event("17", "passes", "1").model_dump_json().encode()
    async with Flow().running() as flow:
        partition = await flow.assign()
        await flow.accept(partition, [source(value, 0, key=None), source(value, 1, key=b"\xff")])
        await flow.settled(partition)

    assert {request.lane.subject for request in flow.sink.requests} == {"1", "\ufffd"}


@given(st.binary(max_size=60) | mutated(event("17", "passes", "1").model_dump_json().encode()))
@SMALL
def test_any_bytes_at_all_end_as_a_delivery_or_as_one_dead_letter(value: bytes) -> None:
    async def accept() -> Flow:
        async with Flow().running() as flow:
            partition = await flow.assign()
            await flow.accept(partition, [source(value, 0)])
            await flow.settled(partition)
        return flow

    flow = asyncio.run(accept())
    assert len(flow.sink.delivered) + len(flow.letters.written) == 1
