"""When a person is needed: offsets are held, it is said what to do, and it heals or stays."""

from dataclasses import replace

import pytest

from streams import metrics
from streams.delivery.policy import BreakerPolicy
from streams.delivery.rate_limit.quota import Quota
from streams.delivery.sending.circuit_breaker import Gate
from streams.delivery.sink import LaneKey
from streams.outcomes import Blocked
from streams.topics import USER_UPDATE
from tests.streams.delivery.flow import AT_ONCE, Flow, log, some_turns
from tests.streams.delivery.scripted import NO_KEY, NO_RIGHTS
from tests.streams.records import source, update_source


def shown(why: Blocked) -> float | None:
    """What the metric says of a reason."""
    return metrics.REGISTRY.get_sample_value(
        "mparticle_streams_delivery_blocked", {"destination": "scripted", "reason": why.reason}
    )


async def test_a_block_holds_offsets_and_is_told_until_it_is_mended() -> None:
    async with Flow().running() as flow:
        partition = await flow.given(("17", "is blocked"), ("18", "is blocked"))
        await flow.until(lambda: len(flow.sink.requests) > 3)

        said = [(flow.delivery.blocked, shown(NO_KEY.block()))]
        held = partition.progress.offset
        flow.sink.mended.set()
        await flow.settled(partition)
        said.append((flow.delivery.blocked, shown(NO_KEY.block())))

    assert said == [(NO_KEY.block(), 1), (None, 0)]
    assert held == 0
    assert sorted(flow.sink.delivered) == ["17/0/0", "18/0/1"]
    assert flow.letters.written == []


async def test_while_blocked_one_request_at_a_time_asks_whether_it_is_mended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rare = replace(AT_ONCE, breaker=BreakerPolicy(blocked_probe_s=3600.0))
    async with Flow(connections=1, policy=rare).running() as flow:
        await flow.given(*[(str(user), "is blocked") for user in range(10)])
        await flow.until(lambda: flow.delivery.blocked)
        await some_turns()

        # One more may have had its turn already.
        assert len(flow.sink.requests) <= 2


async def test_an_endpoint_that_is_blocked_leaves_the_others_alone() -> None:
    """A plan may leave out one call: what passes at the others does not say that it is mended."""
    async with Flow().running() as flow:
        updates = await flow.assign(topic=USER_UPDATE)
        events = await flow.assign()
        await flow.accept(updates, [update_source(str(n), "lacks rights", n) for n in range(20)])
        await flow.until(lambda: len(flow.sink.requests) > 20)
        told, tries = set[Blocked | None](), len(flow.sink.requests)
        for number in range(50):
            await flow.accept(events, log((f"other {number}", "passes"), start=number))
            await flow.settled(events)
            told.add(flow.delivery.blocked)
        assert len(flow.sink.delivered) == 50
        assert told == {NO_RIGHTS.block()}
        flow.sink.mended.set()
        await flow.settled(updates)

    assert tries < len(flow.sink.requests)
    assert flow.letters.written == []
    assert (flow.delivery.blocked, shown(NO_RIGHTS.block())) == (None, 0)


async def test_a_reason_is_shown_until_no_endpoint_is_blocked_for_it() -> None:
    gate = Gate("scripted")
    seen = []
    for endpoint in ("call", "update"):
        gate.block(endpoint, LaneKey(endpoint, "17"), NO_KEY.block())
    for endpoint in ("call", "update"):
        seen.append((gate.is_blocked("call"), gate.is_blocked("update"), shown(NO_KEY.block())))
        gate.unblock(endpoint)
    seen.append((gate.is_blocked("call"), gate.is_blocked("update"), shown(NO_KEY.block())))

    assert seen == [(True, True, 1), (False, True, 1), (False, False, 0)]


async def test_of_two_blocks_one_after_the_other_none_is_left_behind_in_the_metrics() -> None:
    async with Flow().running() as flow:
        partition = await flow.given(("17", "is blocked"), ("18", "lacks rights"))
        await flow.until(lambda: len(flow.sink.requests) > 5)
        flow.sink.mended.set()
        await flow.settled(partition)

    assert flow.delivery.blocked is None
    assert (shown(NO_KEY.block()), shown(NO_RIGHTS.block())) == (0, 0)


async def test_a_mistake_of_ours_in_a_mapping_does_not_look_like_a_mended_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing was sent: whether the key is right is not known any better than before."""
    async with Flow().running() as flow:
        partition = await flow.given(("17", "is blocked"))
        await flow.until(lambda: flow.delivery.blocked)
        seen: set[Blocked | None] = set()

        def look() -> bool:
            seen.add(flow.delivery.blocked)
            return bool(flow.letters.written)

        await flow.accept(partition, log(("18", "breaks the mapping"), start=1))
        await flow.until(look)

    assert seen == {NO_KEY.block()}


async def test_too_many_rejections_hold_what_is_left() -> None:
    async with Flow(max_rejected_share=0.01, most=1).running() as flow:
        partition = await flow.given(*[("17", "is refused")] * 50)
        await flow.until(lambda: flow.delivery.blocked)
        await some_turns()

    assert flow.delivery.blocked is not None
    assert flow.delivery.blocked.reason == "too_many_rejections"
    assert "look at SCRIPTED_COLOURS" in flow.delivery.blocked.what_to_do
    assert "WORKER_MAX_REJECTED_SHARE" in flow.delivery.blocked.what_to_do
    assert len(flow.letters.written) == 11
    assert partition.progress.offset == 11


@pytest.mark.parametrize("kind", ["no record", "no place"])
async def test_records_that_are_refused_on_arrival_are_held_too(kind: str) -> None:
    """A bad deploy of the router must not empty a topic into the dead letters."""
    async with Flow(max_rejected_share=0.01).running() as flow:
        partition = await flow.assign()
        for start in range(0, 1_000, 100):
            records = (
                [source(b"{", offset) for offset in range(start, start + 100)]
                if kind == "no record"
                else log(*[("17", "has no place")] * 100, start=start)
            )
            await flow.accept(partition, records)
            await some_turns()

    assert flow.delivery.blocked is not None
    assert len(flow.letters.written) == 11
    assert partition.progress.offset == 11


@pytest.mark.parametrize("fate", ["is ordinary", "is ordinary at the service", "is not wanted"])
async def test_what_says_nothing_of_a_deploy_or_a_setting_holds_nothing(fate: str) -> None:
    """Most visitors of a site are unknown, and many a user has opted out."""
    fates = [("17", "passes" if number % 10 == 0 else fate) for number in range(1_000)]
    async with Flow(max_rejected_share=0.5, most=1).running() as flow:
        partition = await flow.given(*fates)
        await flow.settled(partition)

    assert flow.delivery.blocked is None
    assert len(flow.sink.delivered) == 100


@pytest.mark.parametrize("fate", ["is ordinary", "is not wanted"])
@pytest.mark.parametrize(
    ("broken", "settings"),
    [("has no place", "SCRIPTED_PLACES"), ("breaks the placing", ""), ("is refused", "COLOURS")],
)
async def test_a_wrong_deploy_does_not_hide_behind_what_is_left_out(
    fate: str, broken: str, settings: str
) -> None:
    """All that could go breaks: nine of ten others must not count as if they had passed."""
    fates = [("17", broken if number % 10 == 0 else fate) for number in range(1_000)]
    async with Flow(max_rejected_share=0.05, most=1).running() as flow:
        await flow.given(*fates)
        await flow.until(lambda: flow.delivery.blocked)

    assert flow.delivery.blocked is not None
    assert settings in flow.delivery.blocked.what_to_do


async def test_what_is_held_stays_held_whatever_passes_or_comes_back() -> None:
    async with Flow(max_rejected_share=0.0, most=1).running() as flow:
        partition = await flow.given(("17", "hangs"), ("18", "is refused"))
        await flow.until(lambda: flow.delivery.blocked)
        held = flow.delivery.blocked
        flow.sink.released.set()
        await flow.until(lambda: flow.sink.delivered)
        await flow.revoke(partition)
        again = await flow.assign(2)
        await flow.accept(again, log(("19", "passes"), start=2))
        await some_turns()

        assert flow.delivery.blocked == held
    assert flow.sink.delivered == ["17/0/0"]
    assert again.progress.offset == 2


async def test_dead_letters_below_the_share_hold_nothing() -> None:
    fates = [("17", "is refused" if number % 3 == 0 else "passes") for number in range(3_000)]
    async with Flow(max_rejected_share=0.5, most=1).running() as flow:
        partition = await flow.given(*fates)
        await flow.settled(partition)

    assert flow.delivery.blocked is None
    assert len(flow.letters.written) == 1_000


@pytest.mark.parametrize(
    ("fate", "said"), [("all wait once", None), ("all wait an hour", "call for 3600 s more")]
)
async def test_a_limit_that_stays_closed_for_more_than_its_minute_is_told(
    fate: str, said: str | None
) -> None:
    async with Flow().running() as flow:
        await flow.given(("17", fate))
        await flow.until(lambda: flow.sink.requests)
        await some_turns()
        told = flow.delivery.limited

    assert told is None if said is None else said in str(told)


async def test_a_limit_that_somebody_else_uses_up_is_told_while_records_wait_for_it() -> None:
    async with Flow().running() as flow:
        partition = await flow.given(("17", "passes"))
        await flow.settled(partition)
        assert flow.sink.pacer
        for remaining in (60, 0):
            flow.sink.pacer.observe("call", Quota(60, remaining, reset_at=60.0, now=10.0))
        told = [flow.delivery.limited]
        await flow.accept(partition, log(("17", "passes"), start=1))
        await some_turns()
        told.append(flow.delivery.limited)

    assert told[0] is None, "nothing waits for it"
    assert "allows to call: find who" in str(told[1])


async def test_a_limit_that_this_worker_has_used_up_is_as_it_should_be() -> None:
    async with Flow().running() as flow:
        partition = await flow.given(*[("17", "passes")] * 3)
        await flow.settled(partition)
        assert flow.sink.pacer
        used = flow.sink.pacer.limits["call"].used
        flow.sink.pacer.observe("call", Quota(used, used, reset_at=60.0, now=10.0))
        flow.sink.pacer.limits["call"].used += used  # as many more answers as there are requests
        flow.sink.pacer.observe("call", Quota(used, 0, reset_at=60.0, now=10.0))
        await flow.accept(partition, log(("17", "passes"), start=3))
        await some_turns()
        told = flow.delivery.limited

    assert told is None
