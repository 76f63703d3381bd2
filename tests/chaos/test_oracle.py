"""The oracle finds what is wrong, and only that; each test changes one thing in a flawless run."""

import base64
from typing import Any

import orjson
import pytest

from tests.chaos.disturbance import Disturbance
from tests.chaos.journal import Request
from tests.chaos.oracle.commits import Commits, read_commits
from tests.chaos.oracle.evidence import DEAD_LETTERS
from tests.chaos.oracle.order import misrouted
from tests.chaos.oracle.verdict import Verdict, judge
from tests.chaos.story import Story, event_call, record, stored

FOR_GOOD = float("inf")


def test_a_flawless_run_has_no_violation() -> None:
    verdict = judge(Story().evidence())

    assert verdict == Verdict(records=4, judged=4)


def test_a_part_of_a_raw_message_that_became_nothing_is_lost() -> None:
    story = Story()
    story.raw.append(
        stored("mparticle-raw", 2, {"type": "event_processing_request", "events": [1]})
    )

    assert story.violations() == {"lost": 1}


@pytest.mark.parametrize(("action", "violations"), [("add", {"lost": 1}), ("attribute_update", {})])
def test_a_membership_must_become_something_and_what_is_shared_need_not(
    action: str, violations: dict[str, int]
) -> None:
    story = Story()
    profile = {"audiences": [{"audience_id": 1, "action": action}]}
    body = {"type": "audience_membership_change_request", "user_profiles": [profile]}
    story.raw.append(stored("mparticle-raw", 2, body))

    assert story.violations() == violations


@pytest.mark.parametrize(
    ("body", "violations"),
    [({"user_attributes": {"city": "Paris"}}, {}), ({"city": "Paris"}, {"lost": 1})],
    ids=["a batch", "nothing known"],
)
def test_a_batch_may_leave_out_its_events_and_what_is_unknown_becomes_a_dead_letter(
    body: dict[str, object], violations: dict[str, int]
) -> None:
    story = Story()
    story.raw.append(stored("mparticle-raw", 2, body))

    assert story.violations() == violations


def test_an_event_that_nobody_sent_is_lost_and_missing() -> None:
    story = Story()
    del story.requests[3], story.arrived[1]

    assert story.violations() == {"lost": 1, "wrong": 1}


def test_an_update_that_was_folded_into_the_next_is_not_lost() -> None:
    story = Story()
    _, first_event, _, _ = story.requests
    del story.requests[0]
    first_event.arrived, first_event.done = 2_002.3, 2_002.4
    story.commits["mparticle-streams-sailthru"] = Commits()
    story.commit("user-update", 2_002.5, 2)
    story.commit("events", 2_003.5, 2)

    assert story.violations() == {}


def test_what_can_be_delivered_must_not_become_a_dead_letter() -> None:
    story = Story()
    letter = {"stage": "sink", "destination": "sailthru", "reason": "refused"}
    letter["record_id"] = "custom_event-1"
    story.dead_letters.append(stored(DEAD_LETTERS, 0, letter))

    assert story.violations() == {"lost": 1}


def test_a_commit_before_the_end_of_what_it_covers_would_lose_it_at_the_next_crash() -> None:
    story = Story()
    story.commits["mparticle-streams-sailthru"] = Commits()
    story.commit("user-update", 1_999.0, 1)

    assert story.violations() == {"lost": 1}


def test_a_commit_must_not_go_back() -> None:
    story = Story()
    story.commit("events", 2_010.0, 1)

    assert story.violations() == {"wrong": 1}


def test_records_of_a_user_that_the_router_writes_in_another_order_are_out_of_order() -> None:
    story = Story()
    first, second = story.events
    story.events[:] = [second._replace(offset=0), first._replace(offset=1)]

    assert len(list(misrouted(story.evidence()))) == 1


def test_an_old_snapshot_that_a_router_tells_as_it_begins_again_is_for_the_sinks_to_drop() -> None:
    """Its memory was lost with it; the message's own events come under the ids that they had."""
    story = Story()
    told = record("attributes_changed", 0, len(story.updates), attributes={"tier": "gold"})
    story.updates.append(stored("user-update", 2, {**told, "id": "snapshot-0"}))
    assert list(misrouted(story.evidence())) == []

    own = record("attributes_changed", 0, 0, attributes={"tier": "gold"})
    story.updates.append(stored("user-update", 3, {**own, "id": "event-of-0"}))
    assert len(list(misrouted(story.evidence()))) == 1


def test_events_of_a_user_that_take_effect_in_another_order_are_out_of_order() -> None:
    story = Story()
    story.requests[1].arrived, story.requests[1].done = 2_004.0, 2_004.1
    story.commits["mparticle-streams-sailthru"] = Commits()

    assert story.violations() == {"out_of_order": 1}


def test_an_update_that_takes_effect_after_the_next_one_is_out_of_order() -> None:
    story = Story()
    story.requests[0].arrived, story.requests[0].done = 2_002.5, 2_002.6

    assert story.violations()["out_of_order"] == 1


@pytest.mark.parametrize(("age", "hasty"), [(29.0, True), (31.0, False)])
def test_an_event_must_not_be_sent_before_its_update_was_answered_unless_it_has_waited_for_long(
    age: float, hasty: bool
) -> None:
    story = Story()
    story.requests[2].answered = 2_003.1
    story.raw[1] = story.raw[1]._replace(at=2_003.0 - age)

    assert story.violations() == ({"overtaken": 1} if hasty else {})


def test_an_update_that_nobody_answered_was_not_answered() -> None:
    story = Story()
    story.requests[2].answered = None
    story.raw[1] = story.raw[1]._replace(at=2_002.0)

    assert story.violations() == {"overtaken": 1}


def test_a_repeat_of_what_was_committed_is_one_too_many_whatever_happened() -> None:
    story = Story()
    story.requests.append(again(2_009.0))
    story.disturbances.append(Disturbance("sailthru-1#1", 2_003.9, FOR_GOOD))

    assert story.violations() == {"repeated": 1}


@pytest.mark.parametrize(
    ("disturbances", "allowed"),
    [
        ([Disturbance("sailthru-1#1", 2_003.2, FOR_GOOD)], True),
        ([Disturbance(None, 2_003.5, 2_004.0)], True),
        ([Disturbance("sailthru-2#1", 2_003.2, FOR_GOOD)], False),
        ([Disturbance("sailthru-1#1", 2_010.0, FOR_GOOD)], False),
        ([Disturbance("sailthru-1#1", 1_900.0, 1_910.0)], False),
        ([], False),
    ],
    ids=["killed", "broker", "another", "later", "long ago", "nothing"],
)
def test_a_repeat_of_what_was_not_committed_needs_a_reason(
    disturbances: list[Disturbance], allowed: bool
) -> None:
    story = Story()
    story.forget_last_commit()
    story.requests.append(again(2_009.0))
    story.disturbances = disturbances
    verdict = judge(story.evidence())

    assert (verdict.repeats, not verdict.repeated) == (1, allowed)
    assert verdict.allowed_repeats >= verdict.repeats or not allowed


def test_a_repeat_of_what_got_no_answer_needs_no_other_reason() -> None:
    story = Story()
    story.forget_last_commit()
    story.requests[3].answered = None
    story.requests.append(again(2_009.0))
    verdict = judge(story.evidence())

    assert (verdict.repeats, verdict.allowed_repeats, verdict.repeated) == (1, 1, [])


@pytest.mark.parametrize(
    ("kind", "fields", "violations"),
    [
        ("custom_event", {}, {"lost": 1}),
        ("session_start", {}, {"lost": 1}),
        ("screen_view", {}, {}),
        ("custom_event", {"environment": "development"}, {}),
        ("custom_event", {"identities": []}, {}),
    ],
    ids=["wanted", "a session", "not wanted", "in development", "of nobody"],
)
def test_only_what_is_wanted_must_arrive(
    kind: str, fields: dict[str, Any], violations: dict[str, int]
) -> None:
    story = Story()
    event = record(kind, 2, 1, name="another", event_id="event-9") | fields
    story.events.append(stored("events", 2, event))

    assert story.violations() == violations


def test_a_final_state_other_than_the_ledgers_is_wrong() -> None:
    story = Story()
    story.vars["tier"] = "gold"

    assert story.violations() == {"wrong": 1}


def again(at: float) -> Request:
    """The last event once more, from another process."""
    return event_call("event-1", at, "sailthru-2#1")


def test_kafkas_log_of_commits_is_read_with_what_ended_beyond_and_counts_generations() -> None:
    key = b"\x00\x01\x00\x01g\x00\x01t\x00\x00\x00\x02"
    runs = base64.b64encode(bytes([2, 1, 1, 3])).decode()  # [7, 8) and [9, 12)
    metadata = f"2|cluster|5|0|0.0.0|{runs}".encode()
    value = b"\x00\x04" + (5).to_bytes(8) + b"\xff\xff\xff\xff"
    value += bytes([len(metadata) + 1]) + metadata + (0).to_bytes(8) + b"\x00"
    generation = b"\x00\x03\x00\x08consumer\x00\x00\x00\x07\xff\xff"
    commits = read_commits([(10.0, key, value), (11.0, b"\x00\x02\x00\x01g", generation)])["g"]

    assert sorted(commits.covered["t", 2]) == [0, 1, 2, 3, 4, 7, 9, 10, 11]
    assert commits.positions == {("t", 2): 5}
    assert commits.generations == {7}


def test_a_group_with_metadata_of_its_own_is_read_all_the_same() -> None:
    commits = Commits()
    commits.note(("t", 0), 10.0, 2, "21 20759")

    assert commits.covered["t", 0] == {0: 10.0, 1: 10.0}


@pytest.mark.parametrize("body", [b"{", b"17", orjson.dumps({"hello": 1})])
def test_what_nobody_can_read_must_become_a_dead_letter(body: bytes) -> None:
    story = Story()
    story.raw.append(stored("mparticle-raw", 2, {})._replace(value=body))

    assert story.violations() == {"lost": 1}
