"""Each fault in a world of its own: the long form, `make live`, about ten minutes."""

import asyncio
from pathlib import Path

import pytest

from tests.grafana.live import prometheus
from tests.grafana.live.faults import FAULTS, SLOW
from tests.grafana.live.story import live

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.timeout(420),
    pytest.mark.skipif(prometheus.PROGRAM is None, reason=prometheus.WHY_NOT),
]


EVERY = FAULTS | SLOW


@pytest.mark.parametrize("name", EVERY)
def test_a_fault_alone_raises_exactly_the_alerts_that_name_its_culprit(
    name: str, tmp_path: Path
) -> None:
    story = asyncio.run(live(tmp_path, [(name,)]))
    fault = EVERY[name]

    assert story.quiet == frozenset()
    assert story.lasting[name,] == fault.raises
    assert story.mending[name,] <= fault.raises | fault.mending
