"""What is refused to one call or one user: what it waits for, whom it holds up, when it ends.

Purchases beside events are most of it, for each of them needs several calls.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest

from agents.sailthru.sink import SailthruSink
from models.record import Record
from sandbox.faults import Answer, Fault
from sandbox.sailthru import PUBLISHED_CEILINGS
from streams import clocks
from streams.delivery.policy import BreakerPolicy, DeliveryPolicy, RetryPolicy
from streams.engine.partition import Partition
from streams.topics import EVENTS, USER_UPDATE, Topic
from tests.agents.sailthru.factories import attributes, event
from tests.agents.sailthru.list_workers import until
from tests.agents.sailthru.simulated import Simulated, settings, simulated
from tests.streams.delivery.flow import Flow
from tests.streams.records import stored

CAP = {"id": "P1", "name": "Cap", "price": 12.5}
IMPATIENT = DeliveryPolicy(
    retry=RetryPolicy(backoff_s=(0.001,), patience_s=0.001),
    breaker=BreakerPolicy(probe_s=(0.001,), blocked_probe_s=0.001),
)
"""Gives a lane up as soon as it has failed twice while others passed."""


def address(user: str) -> str:
    return f"{user}@shop.example"


def bought(user: str) -> Record:
    details = {"action": "purchase", "transaction_id": f"T-{user}", "products": [CAP]}
    return told(user, "purchase", kind="product_action", details=details)


def told(user: str, name: str = "viewed", **fields: Any) -> Record:
    now_ms = clocks.wall_ms()
    times = {"occurred_at_ms": now_ms, "received_at_ms": now_ms}
    return event(name, address(user), **times, **fields).model_copy(update={"mpid": user})


def updated(user: str) -> Record:
    return attributes(address(user), tier="gold").model_copy(update={"mpid": user})


class Shop:
    """A worker that records purchases and tells of them, and the account that it sends to."""

    def __init__(self, sailthru: Simulated, flow: Flow) -> None:
        self.sailthru = sailthru
        self.flow = flow
        self._partitions: dict[str, Partition] = {}

    async def accept(self, topic: Topic, records: Sequence[Record]) -> None:
        if topic.name not in self._partitions:
            self._partitions[topic.name] = await self.flow.assign(topic=topic)
        partition = self._partitions[topic.name]
        start = partition.offsets.position
        await self.flow.accept(
            partition, [stored(record, offset) for offset, record in enumerate(records, start)]
        )

    async def pass_one(self, record: Record, has_passed: Callable[[str], object]) -> None:
        """Accepts an event of a user, and waits until it has passed."""
        user = record.mpid
        assert user
        await self.accept(EVENTS, [record])
        await until(lambda: bool(has_passed(user)))

    def told_of(self, user: str) -> list[str]:
        profile = self.sailthru.profiles().get(address(user), {"events": []})
        return [each["event"] for each in profile["events"]]

    def has_recorded(self, user: str) -> bool:
        return bool(self.sailthru.profiles().get(address(user), {}).get("purchases"))

    def asked(self, endpoint: str) -> int:
        return self.sailthru.requests().get(endpoint, 0)

    async def ended(self) -> None:
        await until(lambda: not any(p.offsets.waiting for p in self._partitions.values()))


@asynccontextmanager
async def shop(
    sailthru: Simulated, *, connections: int = 8, policy: DeliveryPolicy = IMPATIENT
) -> AsyncIterator[Shop]:
    chosen: dict[str, Any] = {
        "base_url": sailthru.url,
        "timeout_s": 0.2,
        "purchases": "both",
        "events_allow": "*",
        "product_url_template": "https://shop.example/p/{id}",
    }
    sink: Any = SailthruSink(settings(**chosen))  # in the scripted one's place
    flow = Flow(
        connections=connections,
        destination=sink,
        topics=(USER_UPDATE, EVENTS),
        policy=policy,
    )
    async with flow.running():
        yield Shop(sailthru, flow)


BUYERS = [f"buyer{number}" for number in range(8)]


NO_LOOK = Answer(endpoint="GET purchase", status=503)
NO_ANSWER = Answer(endpoint="POST purchase", status=500)
AT_LIMIT = Answer(endpoint="POST purchase", status=429)


@pytest.mark.parametrize(
    ("fault", "buyers", "tries"),
    [(NO_LOOK, 8, 40), (NO_LOOK, 3, 40), (NO_ANSWER, 8, 40), (NO_ANSWER, 3, 40), (AT_LIMIT, 2, 4)],
    ids=["no look", "no look of few", "no answer", "no answer to few", "a limit"],
)
async def test_a_purchase_waits_for_its_api_as_long_as_it_is_away_and_holds_up_no_event(
    sailthru: Simulated, fault: Fault, buyers: int, tries: int
) -> None:
    sailthru.service.set_faults([fault])
    async with shop(sailthru) as at:
        await at.accept(EVENTS, [bought(user) for user in BUYERS[:buyers]])
        await at.accept(EVENTS, [told(user, "after") for user in BUYERS[:buyers]])
        visitors = map("visitor{}".format, count())
        while at.asked(fault.endpoint) < tries:
            await at.pass_one(told(next(visitors)), at.told_of)
            assert at.flow.letters.written == []
        assert not any(at.told_of(user) for user in BUYERS), "they come after the purchase"
        sailthru.service.set_faults([])
        await at.ended()
        assert at.flow.letters.written == []
        assert all(at.has_recorded(user) for user in BUYERS[:buyers])
        assert {tuple(at.told_of(user)) for user in BUYERS[:buyers]} == {("mp_purchase", "after")}


async def test_a_purchase_that_fails_while_others_pass_is_a_dead_letter_of_its_own(
    sailthru: Simulated,
) -> None:
    spoilt = Answer(endpoint="POST purchase", user=address("spoilt"), status=500)
    sailthru.service.set_faults([spoilt])
    async with shop(sailthru) as at:
        await at.accept(EVENTS, [bought("spoilt"), told("spoilt", "after")])
        others = map("other{}".format, count())
        while not at.flow.letters.written:
            await at.pass_one(bought(next(others)), at.has_recorded)
        await at.ended()
        [letter] = at.flow.letters.written
    assert (letter.offset, letter.reason) == (0, "retries_exhausted")
    assert at.told_of("spoilt") == ["after"]


async def test_nobody_waits_for_a_limit_with_a_connection_in_hand() -> None:
    """The account lets one look for a purchase pass a minute, and all else as ever."""
    few = {**PUBLISHED_CEILINGS, "GET purchase": 1}
    async with (
        simulated(ceilings=few) as sailthru,
        shop(sailthru, connections=2, policy=DeliveryPolicy()) as at,
    ):
        await at.accept(EVENTS, [bought(user) for user in BUYERS])
        await until(lambda: at.asked("GET purchase") > 0)
        await at.accept(USER_UPDATE, [updated(f"visitor{number}") for number in range(20)])
        await at.accept(EVENTS, [told(f"visitor{number}") for number in range(20)])
        await until(lambda: all(at.told_of(f"visitor{number}") for number in range(20)))
        assert sum(at.has_recorded(user) for user in BUYERS) < len(BUYERS)
        assert at.flow.letters.written == []


async def test_a_plan_without_purchases_holds_purchases_alone(sailthru: Simulated) -> None:
    no_plan = Answer(endpoint="POST purchase", status=403, body={"error": 22})
    sailthru.service.set_faults([no_plan])
    async with shop(sailthru) as at:
        await at.accept(EVENTS, [bought(user) for user in BUYERS])
        visitors = map("visitor{}".format, count())
        while at.asked(no_plan.endpoint) < 20:
            await at.pass_one(told(next(visitors)), at.told_of)
        assert at.flow.letters.written == []
        blocked = at.flow.delivery.blocked
        sailthru.service.set_faults([])
        await at.ended()
        assert all(at.has_recorded(user) for user in BUYERS)
        assert at.flow.delivery.blocked is None
    assert blocked is not None
    assert blocked.reason == "plan_too_small"


@pytest.mark.parametrize("status", [401, 405, 406])
async def test_a_firewall_that_dislikes_what_one_user_says_holds_up_nobody(
    sailthru: Simulated, status: int
) -> None:
    """AWS's answers 405 with a puzzle, ModSecurity's rules 406 (docs/sources.md)."""
    disliked = Answer(endpoint="POST event", user=address("disliked"), status=status, body="<html>")
    sailthru.service.set_faults([disliked])
    async with shop(sailthru) as at:
        await at.accept(EVENTS, [told("disliked"), *map(told, BUYERS)])
        others = map("other{}".format, count())
        while not at.flow.letters.written:
            await at.pass_one(told(next(others)), at.told_of)
        await at.ended()
        [letter] = at.flow.letters.written
        assert at.flow.delivery.blocked is None
    assert (letter.offset, letter.reason) == (0, "retries_exhausted")
    assert letter.detail in {"not_authorised", "request_not_understood"}
