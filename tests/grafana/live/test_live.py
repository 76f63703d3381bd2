"""The boards are alive, and each fault raises exactly the alerts that name its culprit.

A real Prometheus scrapes the demo's world, with the committed rules at a minute a second. Here all
faults in one world; `make live` gives each a world of its own.
"""

import asyncio
import json

import pytest

from cli.demo.world import WORKERS
from sandbox.mparticle import LEAK_MARKER
from tests.grafana.live import panels, prometheus
from tests.grafana.live.faults import FAULTS, Alert, told
from tests.grafana.live.story import Story, live

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.timeout(900),
    pytest.mark.skipif(prometheus.PROGRAM is None, reason=prometheus.WHY_NOT),
]

# At each worker one at a time, at the router last: without it the others have nothing to do.
PHASES = (
    ("Sailthru 401", "AB Tasty down", "flood of poison"),
    ("broker stopped",),
    ("Sailthru 429 storm", "AB Tasty 403", "worker killed"),
)
QUERIES = list(panels.all_queries())


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    directory = tmp_path_factory.mktemp("live")
    return asyncio.run(live(directory, PHASES, {query.expression for query in QUERIES}))


def test_every_fault_happens() -> None:
    assert {name for names in PHASES for name in names} == FAULTS.keys()


def test_while_all_is_well_no_alert_is_raised(story: Story) -> None:
    assert told(story.quiet) == frozenset()


@pytest.mark.parametrize("names", PHASES, ids=" and ".join)
def test_faults_raise_exactly_the_alerts_that_name_the_culprit(
    story: Story, names: tuple[str, ...]
) -> None:
    expected = frozenset[Alert]().union(*(FAULTS[name].raises for name in names))
    assert story.lasting[names] >= expected
    assert told(story.lasting[names]) == told(expected)


@pytest.mark.parametrize("names", PHASES, ids=" and ".join)
def test_all_alerts_end_and_mending_raises_only_what_a_restart_must(
    story: Story, names: tuple[str, ...]
) -> None:
    faults = [FAULTS[name] for name in names]
    allowed = frozenset[Alert]().union(*(fault.raises | fault.mending for fault in faults))
    assert told(story.mending[names]) <= allowed


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: f"{query.board}: {query.panel}")
def test_a_panel_has_data(story: Story, query: panels.Shown) -> None:
    if not story.shown[query.expression] and (may := panels.may_be_empty(query)):
        pytest.skip(may.why)
    assert story.shown[query.expression], query.expression


def test_only_panels_that_there_are_may_be_empty() -> None:
    assert {panels.may_be_empty(query) for query in QUERIES} - {None} == set(panels.EMPTY)


def test_every_line_of_the_workers_logs_is_one_event_of_that_worker(story: Story) -> None:
    lines = [json.loads(line) for line in story.logged]
    assert {line["worker"] for line in lines} == set(WORKERS)
    assert {
        "readiness_changed",
        "delivery_blocked",
        "delivery_resumed",
        "circuit_breaker_opened",
        "circuit_breaker_closed",
    } <= {line["event"] for line in lines}
    assert not [line for line in lines if "left_out" in line]


def test_no_line_of_the_workers_logs_tells_of_a_person_or_a_secret(story: Story) -> None:
    marked = ("@", "sandbox-key", "sandbox-secret", LEAK_MARKER)
    assert not [line for line in story.logged if any(each in line for each in marked)]
