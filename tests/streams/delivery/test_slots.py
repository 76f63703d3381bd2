"""Whose a free slot is, however endpoints come, end and give up."""

import asyncio
from collections import Counter, deque

from hypothesis import given
from hypothesis import strategies as st

from streams.delivery.sending.slots import Slots
from tests.streams.delivery.flow import some_turns

ENDPOINTS = st.sampled_from(["user", "event", "purchase"])
STEPS = st.one_of(
    st.tuples(st.just("asks"), ENDPOINTS),
    st.tuples(st.just("ends"), ENDPOINTS),
    st.tuples(st.just("gives up"), ENDPOINTS),
    st.tuples(st.just("has now"), st.integers(1, 6)),
)


class Held:
    """The slots, and those who have one or wait."""

    def __init__(self, count: int) -> None:
        self.slots = Slots(count)
        self.held = Counter[str]()
        self.waiting: deque[tuple[str, asyncio.Task[None]]] = deque()

    def ask(self, endpoint: str) -> None:
        self.waiting.append((endpoint, asyncio.create_task(self._hold(endpoint))))

    async def _hold(self, endpoint: str) -> None:
        await self.slots.acquire(endpoint)
        self.held[endpoint] += 1

    def end(self, endpoint: str) -> None:
        if self.held[endpoint]:
            self.held[endpoint] -= 1
            self.slots.release(endpoint)

    def give_up(self, endpoint: str) -> None:
        for name, task in self.waiting:
            if name == endpoint and not task.done():
                task.cancel()
                return

    async def settle(self) -> None:
        await some_turns()
        self.waiting = deque(each for each in self.waiting if not each[1].done())


async def play(count: int, steps: list[tuple[str, str | int]], *, in_turn: bool) -> Held:
    """`in_turn`: each step is over before the next, else several fall into one moment."""
    held = Held(count)
    for what, value in steps:
        match what, value:
            case "asks", str(endpoint):
                held.ask(endpoint)
            case "ends", str(endpoint):
                held.end(endpoint)
            case "gives up", str(endpoint):
                held.give_up(endpoint)
            case "has now", int(number):
                held.slots.resize(number)
        if in_turn:
            await held.settle()
    await held.settle()
    return held


@given(st.integers(1, 6), st.lists(STEPS, max_size=40), st.booleans())
async def test_no_slot_is_lost_however_endpoints_come_end_and_give_up(
    count: int, steps: list[tuple[str, str | int]], in_turn: bool
) -> None:
    held = await play(count, steps, in_turn=in_turn)
    assert held.slots.are_taken or not held.waiting, "a slot is free, and somebody waits"
    while held.held.total():
        held.end(next(name for name, has in held.held.items() if has))
        await held.settle()
    assert not held.waiting
    assert not held.slots.are_taken


@given(st.lists(ENDPOINTS, min_size=1, max_size=12), st.lists(ENDPOINTS, max_size=12))
async def test_a_free_slot_goes_to_the_waiting_endpoint_that_holds_the_fewest(
    holding: list[str], asking: list[str]
) -> None:
    held = await play(len(holding), [("asks", each) for each in holding], in_turn=True)
    for endpoint in asking:
        held.ask(endpoint)
    await held.settle()
    while held.waiting:
        before = held.held.copy()
        ends = before.most_common(1)[0][0]
        waiting = {name for name, _ in held.waiting}
        before[ends] -= 1
        held.end(ends)
        await held.settle()
        [given_to] = held.held - before
        assert before[given_to] == min(before[name] for name in waiting)
        assert given_to in waiting
