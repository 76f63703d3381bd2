"""Whole workers on simulated time and network: what seeds find, and that a seed finds it again."""

import asyncio
import json
import os
import subprocess
import sys
from random import Random

import pytest

from tests.simulation.loop import HOST, Host, NothingLeftError, SimulatedLoop
from tests.simulation.mutants import MUTANTS, find_missing, read_table
from tests.simulation.story import Story

_SEEDS = 200


def _simulate(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-m", "tests.simulation", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONHASHSEED": "0"},
    )


@pytest.mark.timeout(600)
def test_the_promises_hold_in_two_hundred_schedules_of_all_kinds_of_faults() -> None:
    done = _simulate(f"--seeds={_SEEDS}")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["seeds"], result["violations"]) == (_SEEDS, 0)
    untold = Story(0)
    untold.loop.close()
    assert result["faults"].keys() == untold.faults.kinds.keys()


def test_a_seed_tells_the_same_story_turn_by_turn_alone_and_after_others() -> None:
    alone = [json.loads(_simulate(f"--seed={seed}").stdout) for seed in (23, 24)]
    together = json.loads(_simulate("--first=23", "--seeds=2").stdout)
    assert together["turns"] == sum(each["turns"] for each in alone) > 0


def test_each_mistake_that_is_hunted_still_has_its_place_in_the_code() -> None:
    assert list(find_missing()) == []
    assert len(MUTANTS) >= 15


def test_the_document_tells_of_each_mistake_how_soon_it_is_found() -> None:
    assert [*read_table()] == [mutant.name for mutant in MUTANTS]


def test_what_a_host_does_stays_in_order_and_hosts_take_turns_by_the_seed() -> None:
    def tell(seed: int) -> list[str]:
        seen: list[str] = []

        async def count(name: str) -> None:
            for number in range(5):
                seen.append(f"{name}{number}")
                await asyncio.sleep(0)

        async def story() -> None:
            await asyncio.gather(*(loop.on_host(Host(name), count(name)) for name in "ab"))

        loop = SimulatedLoop(Random(seed))
        loop.run_until_complete(story())
        loop.close()
        return seen

    stories = [tell(seed) for seed in range(20)]
    assert stories == [tell(seed) for seed in range(20)]
    assert len({tuple(story) for story in stories}) > 1
    for story in stories:
        assert [each for each in story if each[0] == "a"] == [f"a{n}" for n in range(5)]


def test_a_frozen_process_goes_on_later_and_a_killed_one_never() -> None:
    loop = SimulatedLoop(Random(0))
    seen: list[tuple[str, float]] = []

    async def tick() -> None:
        while True:
            await asyncio.sleep(1)
            seen.append((HOST.get().process, round(loop.now_s)))

    async def story() -> None:
        tasks = [loop.on_host(Host(name), tick()) for name in ("frozen", "killed", "well")]
        await asyncio.sleep(1.5)
        loop.freeze("frozen", 10)
        loop.kill("killed")
        await asyncio.sleep(12)
        for task in tasks:
            task.cancel()

    loop.run_until_complete(story())
    loop.close()
    assert [at for name, at in seen if name == "killed"] == [1]
    assert [at for name, at in seen if name == "frozen"][:2] == [1, 12]
    assert len([at for name, at in seen if name == "well"]) == 13


def test_a_story_in_which_nothing_will_happen_any_more_ends_with_an_error() -> None:
    loop = SimulatedLoop(Random(0))
    with pytest.raises(NothingLeftError):
        loop.run_until_complete(loop.create_future())
    loop.close()
