"""Single stories of a table of which something cannot be read, or may not be."""

from dataclasses import replace
from typing import Any

import pytest

from streams.topics import AUDIENCES
from tests.simulation.evidence import Fault, Plan
from tests.simulation.oracle import judge
from tests.simulation.story import Story

pytestmark = pytest.mark.usefixtures("told_quietly")

_PLAN = Plan(workers=2, partitions=2, users=2, records=40, seconds=20.0, faults=0)


def _table(story: Story) -> Any:
    return story.evidence.kafka.topics[AUDIENCES.name][0]


def _say(story: Story, *, is_corrupt: bool = False) -> None:
    """Somebody writes a record; on a bad disk it cannot be unpacked."""
    at = _table(story).write([(b"7", b"{}", [])], story.evidence.kafka.now_ms)
    if is_corrupt:
        _table(story).corrupt(at)
    story.evidence.kafka.tell_arrived()


@pytest.mark.parametrize("is_followed", [False, True], ids=["at start", "while it is followed"])
def test_a_worker_passes_over_what_cannot_be_unpacked_of_a_table(is_followed: bool) -> None:
    story = Story(1, _PLAN)
    at_s = 7.0 if is_followed else 0.0
    story.loop.call_later(at_s, lambda: _say(story, is_corrupt=True))
    story.loop.call_later(at_s + 0.1, lambda: _say(story))
    evidence = story.run()
    assert judge(evidence) == []
    assert len(evidence.workers) == 2


@pytest.mark.parametrize("is_at_start", [False, True])
def test_a_worker_whose_right_to_a_table_lapses_says_so_and_goes_on_when_it_is_back(
    is_at_start: bool,
) -> None:
    story = Story(1, replace(_PLAN, workers=1))
    said: list[str] = []
    refused = story.evidence.kafka.may_not_read

    def lapse() -> None:
        refused.add(AUDIENCES.name)
        story.evidence.faults.append(Fault("rights", "", story.loop.now_s, story.loop.now_s + 20))
        if not is_at_start:
            _say(story)

    def look() -> None:
        said.extend(each.state() for each in story.evidence.workers)

    if is_at_start:
        _say(story)
    story.loop.call_later(0.0 if is_at_start else 7.0, lapse)
    story.loop.call_later(17.0, look)
    story.loop.call_later(20.0, refused.clear)
    story.loop.call_later(25.0, look)
    evidence = story.run()
    assert judge(evidence) == []
    assert len(evidence.workers) == 1
    away, back = said
    assert "audiences-0 (TopicAuthorizationFailedError)" in away
    assert "audiences-0" not in back
