"""The short form of `make roll`: a broker lost, all restarted in turn, then all workers."""

import sys
from pathlib import Path

import pytest

from tests.chaos.oracle.pauses import longest_pauses
from tests.chaos.oracle.verdict import judge
from tests.chaos.plan import Kind, roll
from tests.chaos.run import run


@pytest.mark.kafka
@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_nothing_is_lost_repeated_or_out_of_order_while_brokers_and_workers_are_restarted(
    tmp_path: Path,
) -> None:
    plan = roll(1, 1.0, rate=20.0, users=100)
    finished = await run(plan, tmp_path, sys.stderr.writelines)
    verdict = judge(finished.evidence)

    assert {name: told[:5] for name, told in verdict.violations().items() if told} == {}
    assert finished.faults == {Kind.BROKER.value: 1, Kind.RESTART.value: 3, Kind.EXCHANGE.value: 12}
    assert verdict.repeats <= verdict.allowed_repeats
    assert longest_pauses(finished.evidence).keys() >= {"mparticle-streams-router"}
