"""The plan of a run: the same for the same seed, and worth its time."""

from collections import Counter

import pytest

from tests.chaos.plan import BROKER, INSTANCES, UPGRADES, Kind, draw, roll

SEEDS = range(1, 21)


def test_a_seed_always_draws_the_same_plan() -> None:
    assert draw(7, 10) == draw(7, 10)
    assert draw(7, 10) != draw(8, 10)


@pytest.mark.parametrize("seed", SEEDS)
def test_ten_minutes_have_thirty_kills_and_every_kind_of_fault(seed: int) -> None:
    counts = Counter(fault.kind for fault in draw(seed, 10).faults)

    assert counts[Kind.KILL] >= 30
    assert set(counts) == set(Kind) - {Kind.RESTART, Kind.EXCHANGE}


def test_three_brokers_are_killed_and_restarted_one_by_one() -> None:
    faults = [fault for seed in SEEDS for fault in draw(seed, 10, brokers=3).faults]
    of_brokers = {(fault.kind, fault.target) for fault in faults if BROKER in fault.target}

    assert of_brokers == {
        (kind, f"{BROKER}-{number}") for kind in (Kind.BROKER, Kind.RESTART) for number in (1, 2, 3)
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_however_short_a_run_of_three_brokers_loses_one(seed: int) -> None:
    kinds = {fault.kind for fault in draw(seed, 1, brokers=3).faults}

    assert kinds & {Kind.BROKER, Kind.RESTART}


def test_a_roll_exchanges_each_worker_and_takes_it_back() -> None:
    exchanged = [each.target for each in roll(1, 3).faults if each.kind is Kind.EXCHANGE]

    assert exchanged == [*UPGRADES, *reversed(UPGRADES)]
    assert set(UPGRADES) == set(INSTANCES)


@pytest.mark.parametrize("seed", SEEDS)
def test_of_two_replicas_one_is_always_in_touch(seed: int) -> None:
    held = [
        (fault.target[:-2], fault.at, fault.at + fault.seconds)
        for fault in draw(seed, 10).faults
        if fault.kind in (Kind.FREEZE, Kind.CUT, Kind.BLACK_HOLE)
    ]

    assert not any(
        first is not second and first[0] == second[0] and first[1] <= second[1] < first[2]
        for first in held
        for second in held
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_no_fault_begins_when_the_traffic_is_about_to_end(seed: int) -> None:
    plan = draw(seed, 10)

    assert all(fault.at + 20 <= plan.seconds for fault in plan.faults)


def test_seeds_take_turns_with_few_and_many_partitions() -> None:
    assert [draw(seed, 1).partitions for seed in (1, 2, 3, 4)] == [3, 8, 3, 8]
