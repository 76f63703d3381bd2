"""Single stories of tables and pasts whose partitions have no leader for long."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from streams.delivery.history import Group, History, Tell
from streams.topics import AUDIENCES, EVENTS, Topic
from tests.simulation import story as stories
from tests.simulation.evidence import GROUP, Fault, Plan
from tests.simulation.oracle import judge
from tests.simulation.story import Story

pytestmark = pytest.mark.usefixtures("told_quietly")

_PLAN = Plan(workers=2, partitions=2, users=2, records=40, seconds=20.0, faults=0)
# Longer than a client tries, and than a worker may hang.
_AWAY_S = 400.0


def _take_leader(story: Story, topic: Topic, number: int, *, until_s: float) -> None:
    kafka = story.evidence.kafka
    partition = kafka.topics[topic.name][number]
    partition.led_by(None)
    kafka.tell_arrived()
    story.loop.call_later(until_s - story.loop.now_s, partition.led_by, 0)


def _kill_first(story: Story) -> None:
    story.loop.kill("w1")
    story.evidence.faults.append(Fault("kill", "w1", story.loop.now_s, story.loop.now_s))


def _said(story: Story) -> dict[str, str]:
    return {each.name: each.state() for each in story.evidence.workers if not each.is_over}


@pytest.mark.filterwarnings("ignore:Unclosed AIOKafkaConnection")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("request_timeout_s", "is_stopped"), [(5.0, False), (30.0, True)])
def test_a_worker_that_starts_while_a_table_has_no_leader_waits_and_names_it(
    monkeypatch: pytest.MonkeyPatch, request_timeout_s: float, is_stopped: bool
) -> None:
    short = {"request_timeout_s": request_timeout_s}
    monkeypatch.setattr(stories, "KAFKA", stories.KAFKA.model_copy(update=short))
    story = Story(1, _PLAN)
    workers, said, generations = story.evidence.workers, list[dict[str, str]](), list[int]()

    def look() -> None:
        said.append(_said(story))
        generations.append(story.evidence.kafka.group(GROUP).generation)

    def stop() -> None:
        workers[2].tell_to_stop()

    story.loop.call_later(3.0, lambda: _take_leader(story, AUDIENCES, 0, until_s=_AWAY_S))
    story.loop.call_later(5.0, lambda: _kill_first(story))
    if is_stopped:
        story.loop.call_later(60.0, stop)
    for at_s in (100.0, 300.0, _AWAY_S - 1):
        story.loop.call_later(at_s, look)
    evidence = story.run()

    assert judge(evidence) == []
    assert len(workers) == (4 if is_stopped else 3)
    waits = "partitions_unavailable: Kafka answers nothing of audiences-0 (LeaderNotAvailableError)"
    assert all(waits in each[workers[-1].name] for each in said)
    assert all(each["w2"] == "" for each in said)
    assert len(set(generations)) == 1


@pytest.mark.filterwarnings("ignore:Unclosed AIOKafkaConnection")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_past_whose_leader_goes_is_waited_for_and_named_while_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It goes between two questions where its log ends: the takeover's, and recovery's."""
    story = Story(1, replace(_PLAN, workers=1, records=60))
    read = History.read
    said, going = list[str](), list[set[int]]()

    def reading(
        history: History, groups: Sequence[Group], share: int, tell: Tell
    ) -> AsyncGenerator[Group, None]:
        if story.loop.now_s > 10.0:
            _take_leader(story, EVENTS, 0, until_s=_AWAY_S)
        return read(history, groups, share, tell)

    def look() -> None:
        worker = story.evidence.workers[-1]
        said.append(worker.state())
        assert worker.app is not None
        consumer: Any = worker.app.consumer
        going.append({each.tp.partition for each in consumer.partitions.values() if each.started})

    monkeypatch.setattr(History, "read", reading)
    story.loop.call_later(10.0, lambda: _kill_first(story))
    for at_s in (100.0, 300.0, _AWAY_S - 1):
        story.loop.call_later(at_s, look)
    evidence = story.run()
    assert judge(evidence) == []
    assert len(evidence.workers) == 2
    waits = "partitions_unavailable: Kafka answers nothing of events-0 ("
    assert all(waits in each for each in said)
    assert going == [{1}] * 3
