"""However workers take over, freeze, die and hear answers: one request at a time makes a list."""

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.agents.sailthru.list_world import REQUEST_S, Worker, World, answer, hand_over, turns

WORKERS = st.integers(0, 1)
STEPS = st.one_of(
    st.tuples(st.just("work"), WORKERS),
    st.tuples(st.just("hear"), WORKERS),
    st.tuples(st.just("take over"), WORKERS, st.sampled_from(["told", "frozen", "dead"])),
    st.tuples(st.just("answer"), st.integers(0, 2), st.sampled_from(["heard", "lost", "done"])),
    st.tuples(st.just("pass"), st.sampled_from([1.0, REQUEST_S])),
    st.tuples(st.just("delete")),
)


LOOKED: list[tuple[Any, ...]] = [("work", 0), ("answer", 0, "heard")]
LATE: list[tuple[Any, ...]] = [("pass", 1.0)] * 9


# What goes wrong without: the rest after a takeover, the rest after a lost answer, the second look
# at who holds the partition.
@example([*LOOKED, ("take over", 1, "told"), ("work", 1), ("answer", 0, "heard")])
@example([*LOOKED, ("take over", 1, "dead"), ("work", 1), ("answer", 0, "heard")])
@example([*LOOKED, ("answer", 0, "lost"), ("work", 0), ("work", 0), ("answer", 0, "heard")])
@example(
    [
        *[("work", 0), ("take over", 1, "frozen"), *LATE, ("answer", 0, "heard")],
        *[("pass", 1.0), ("work", 1), ("answer", 0, "heard")],
    ]
)
@settings(max_examples=200)
@given(st.lists(STEPS, max_size=40))
async def test_however_workers_take_over_and_answers_come_one_request_makes_a_list(
    steps: list[tuple[Any, ...]],
) -> None:
    world = World()
    workers = [Worker(world) for _ in range(2)]
    await hand_over(world, workers, 0, "told")
    workers[0].need()
    for what, *given_ in steps:
        await play(world, workers, what, given_)
    await finish(world, workers)
    assert (world.there, world.most_posts) == (True, 1)


async def play(world: World, workers: list[Worker], what: str, given_: list[Any]) -> None:
    match what, given_:
        case "work", [number]:
            workers[number].need()
            workers[number].hear(len(world.log))
            workers[number].turn()
        case "hear", [number]:
            workers[number].hear(1)
        case "take over", [number, how]:
            await hand_over(world, workers, number, how)
        case "answer", [number, how] if number < len(world.calls):
            answer(world, world.calls[-1 - number], how)
        case "pass", [seconds]:
            await world.pass_by(seconds)
        case "delete", [] if not world.posts():
            world.there = False
    await turns()


async def finish(world: World, workers: list[Worker]) -> None:
    """Nothing happens any more, but that all hear of all, and get their turns."""
    for _ in range(20):
        await world.pass_by(REQUEST_S)
        for worker in workers:
            worker.need()
            worker.hear(len(world.log))
            worker.turn()
        await turns()
        for call in world.calls:
            answer(world, call, "heard")
        await turns()
    for worker in workers:
        await worker.die()
