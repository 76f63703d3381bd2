"""The short form of `make chaos`: one of each fault, at times that are always the same."""

import sys
from pathlib import Path

import pytest

from tests.chaos.oracle.verdict import judge
from tests.chaos.plan import BROKER, Kind, Plan, Planned, Trouble
from tests.chaos.run import run

FAULTS = (
    Planned(2.0, Kind.KILL, "sailthru-1", 0.5),
    Planned(3.0, Kind.FREEZE, "router-2", 8.0),
    Planned(5.0, Kind.TROUBLE, "sailthru", 3.0, Trouble.LOST_ANSWER, "POST event"),
    Planned(9.0, Kind.CUT, "ab-tasty-1", 8.0),
    Planned(12.0, Kind.KILL, "router-1", 0.0),
    Planned(13.0, Kind.STOP, "sailthru-2", 0.0),
    Planned(17.0, Kind.BROKER, f"{BROKER}-1", 0.5),
)


@pytest.mark.kafka
@pytest.mark.timeout(400)
async def test_nothing_is_lost_repeated_or_out_of_order_whatever_befalls_whom(
    tmp_path: Path,
) -> None:
    plan = Plan(seed=1, partitions=3, seconds=22.0, rate=30.0, users=100, faults=FAULTS)
    finished = await run(plan, tmp_path, sys.stderr.writelines)
    verdict = judge(finished.evidence)

    assert {name: told[:5] for name, told in verdict.violations().items() if told} == {}
    assert finished.faults.total() == len(FAULTS)
    assert finished.messages == plan.messages
    # Of the others, most are of kinds that are not sent, or of users whom nobody can know.
    assert verdict.judged > verdict.records / 3 > plan.messages / 3
