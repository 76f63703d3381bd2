"""A delivery to a simulated AB Tasty, and what is seen of it on the way."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.structs import ConsumerRecord

from agents.ab_tasty.calls import Post
from agents.ab_tasty.sink import AbTastySink
from models.audience_membership import AudienceChanged, MembershipChanged
from sandbox.ab_tasty import AbTasty
from streams.delivery.policy import DeliveryPolicy
from streams.delivery.sink import LaneKey, Placement, Then
from streams.engine.partition import Partition
from streams.outcomes import Dropped, Outcome, Rejected
from streams.topics import AUDIENCE_MEMBERSHIP
from tests.agents.ab_tasty.factories import udc
from tests.agents.ab_tasty.simulated import TOKEN_PATH
from tests.streams.delivery.flow import AT_ONCE, Flow
from tests.streams.records import stored


class Traced(AbTastySink):
    """Notes what is placed and sent, and how much at once; sends nothing while `gate` is shut."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.placed = 0
        self.bodies: list[Any] = []
        self.most_at_once = 0
        self._under_way = 0
        self.gate = asyncio.Event()
        self.gate.set()

    def place(self, record: Any, at: Placement, now_ms: int) -> LaneKey | Dropped | Rejected:
        self.placed += 1
        return super().place(record, at, now_ms)

    async def send(self, request: Post) -> Outcome | Then[Post]:
        self.bodies.append(request.body)
        await self.gate.wait()
        self._under_way += 1
        self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            return await super().send(request)
        finally:
            self._under_way -= 1


def log(
    changes: Sequence[MembershipChanged | AudienceChanged], start: int = 0, partition: int = 0
) -> list[ConsumerRecord]:
    """The records as the router writes them."""
    return [
        stored(change, offset, partition=partition) for offset, change in enumerate(changes, start)
    ]


@asynccontextmanager
async def flowing(sink: AbTastySink, policy: DeliveryPolicy = AT_ONCE) -> AsyncIterator[Flow]:
    # The scripted destination's place in a flow is any sink's.
    flow = Flow(
        destination=sink,  # type: ignore[arg-type]
        topics=(AUDIENCE_MEMBERSHIP,),
        policy=policy,
    )
    async with flow.running():
        yield flow


async def accept(flow: Flow, *changes: MembershipChanged | AudienceChanged) -> Partition:
    partition = await flow.assign(topic=AUDIENCE_MEMBERSHIP)
    await flow.accept(partition, log(changes))
    return partition


async def ended(partition: Partition) -> None:
    async with asyncio.timeout(60):
        while partition.offsets.waiting:  # noqa: ASYNC110 - offsets have no event
            await asyncio.sleep(0.01)


def reason_of(flow: Flow) -> str | None:
    """Why the flow is blocked."""
    return flow.delivery.blocked.reason if flow.delivery.blocked else None


def udc_traced(url: str, **settings: Any) -> Traced:
    return Traced(udc(base_url=url, token_url=url + TOKEN_PATH, **settings))


def values(service: AbTasty) -> dict[str, str]:
    segments: Any = service.state()["segments"]
    return {visitor: value for visitor, held in segments.items() for value in held.values()}
