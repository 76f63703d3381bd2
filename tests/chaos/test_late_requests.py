"""What a process sends right after a freeze, because it had asked before whether it still may."""

from dataclasses import replace

import pytest

from tests.chaos.disturbance import Disturbance
from tests.chaos.oracle.commits import Commits
from tests.chaos.oracle.items import Item
from tests.chaos.oracle.repeats import repeats
from tests.chaos.oracle.sightings import Sighting
from tests.chaos.oracle.verdict import judge
from tests.chaos.story import Story, call, event_call
from tests.chaos.traffic import TAG

FOR_GOOD = float("inf")
THAWED_AT = 2_008.0
FROZEN = Disturbance("sailthru-2#1", 2_001.0, THAWED_AT, frozen=True)


@pytest.mark.parametrize(
    ("freeze", "arrived", "source", "excused"),
    [
        (FROZEN, THAWED_AT, "sailthru-2#1", True),
        (FROZEN, THAWED_AT + 1.0, "sailthru-2#1", True),
        (FROZEN, THAWED_AT + 1.001, "sailthru-2#1", False),
        (FROZEN, THAWED_AT - 0.001, "sailthru-2#1", False),
        (FROZEN, THAWED_AT, "sailthru-3#1", False),
        (replace(FROZEN, source="sailthru-1#1"), THAWED_AT, "sailthru-1#1", False),
        (replace(FROZEN, frozen=False), THAWED_AT, "sailthru-2#1", False),
        (replace(FROZEN, source=None), THAWED_AT, "sailthru-2#1", False),
        (replace(FROZEN, begin=2_003.001), THAWED_AT, "sailthru-2#1", False),
        (replace(FROZEN, end=FOR_GOOD), THAWED_AT, "sailthru-2#1", False),
    ],
    ids=[
        "at once",
        "just in time",
        "too late",
        "still frozen",
        "another was frozen",
        "its own",
        "cut off and not frozen",
        "the broker",
        "delivered before the freeze",
        "never thawed",
    ],
)
def test_what_was_committed_comes_again_only_right_after_its_sender_was_frozen_meanwhile(
    freeze: Disturbance, arrived: float, source: str, excused: bool
) -> None:
    story = Story()
    story.requests.append(event_call("event-1", arrived, source))
    story.disturbances = [freeze]
    verdict = judge(story.evidence())

    assert (verdict.repeats, not verdict.repeated) == (1, excused)
    assert verdict.allowed_repeats >= excused


def test_a_late_request_is_excused_too_where_nothing_befell_the_first_sender() -> None:
    story = Story()
    story.forget_last_commit()
    story.requests.append(event_call("event-1", THAWED_AT, "sailthru-2#1"))
    story.disturbances = [FROZEN]

    assert story.violations() == {}


def test_what_might_be_repeated_anyway_takes_nothing_from_what_a_freeze_excuses() -> None:
    story = Story(connections={"sailthru": 0, "ab-tasty": 0})
    story.forget_last_commit()
    story.requests.append(event_call("event-1", THAWED_AT, "sailthru-2#1"))
    story.disturbances = [FROZEN, Disturbance("sailthru-1#1", 2_003.2, FOR_GOOD)]

    assert story.violations() == {}


@pytest.mark.parametrize(("connections", "wrong"), [(2, 0), (1, 1), (0, 2)])
def test_a_freeze_excuses_no_more_late_requests_than_a_worker_has_connections(
    connections: int, wrong: int
) -> None:
    story = Story(connections={"sailthru": connections, "ab-tasty": 1})
    story.disturbances = [replace(FROZEN, begin=2_000.5)]
    for number, event_id in enumerate(("event-0", "event-1")):
        story.requests.append(event_call(event_id, THAWED_AT + number / 10, "sailthru-2#1"))
    verdict = judge(story.evidence())

    assert (verdict.repeats, len(verdict.repeated)) == (2, wrong)
    assert verdict.allowed_repeats == 2 - wrong


def test_each_freeze_excuses_its_own() -> None:
    story = Story()
    story.disturbances = [
        replace(FROZEN, begin=2_000.5),
        replace(FROZEN, begin=2_000.5, source="sailthru-3#1"),
    ]
    story.requests.append(event_call("event-0", THAWED_AT, "sailthru-2#1"))
    story.requests.append(event_call("event-1", THAWED_AT + 0.1, "sailthru-3#1"))

    assert story.violations() == {}


def test_records_of_one_late_request_are_excused_together() -> None:
    sent, late = (
        event_call("", at, f"sailthru-{who}#1") for at, who in ((2_003.0, 1), (2_008.0, 2))
    )
    of_one = [Item("events", b"17", {}, [(("events", 0), offset)]) for offset in range(3)]
    seen = [Sighting(item, each, each.arrived + 0.1) for each in (sent, late) for item in of_one]
    commits = Commits()
    commits.note(("events", 0), 2_004.0, 3, "")
    told = repeats("sailthru", seen, commits, [FROZEN], connections=1)

    assert (told.count, told.allowed, told.wrong) == (3, 3, [])


def test_a_late_request_that_sets_a_user_back_is_excused_as_a_repeat_and_wrong_in_the_end() -> None:
    story = Story()
    story.disturbances = [replace(FROZEN, begin=1_999.0)]
    story.requests.append(call("POST user", THAWED_AT, "sailthru-2#1", vars={TAG: "1"}))
    story.vars[TAG] = "1"

    assert story.violations() == {"wrong": 1}
