"""The traffic is what was asked for: its kinds, its types, its order."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import pytest

from sandbox.mparticle import Kind, Message, Shares, duration_ms, generate
from tests.sandbox.mparticle_reader import identities, is_development, objects
from tests.sandbox.mparticle_runs import NOW_MS, Run, generated_run, handwritten_run, traffic

FIREHOSE_TYPES = {
    "session_start",
    "session_end",
    "custom_event",
    "screen_view",
    "error",
    "privacy_setting_change",
    "user_attribute_change",
    "user_identity_change",
    "push_subscription",
    "push_message_receipt",
    "push_message_open",
    "application_state_transition",
    "product_action",
    "promotion_action",
    "impression",
    "attribution",
}
BATCH_TYPES = {
    "session_start",
    "session_end",
    "screen_view",
    "custom_event",
    "commerce_event",
    "crash_report",
    "opt_out",
    "first_run",
    "pre_attribution",
    "push_registration",
    "application_state_transition",
    "push_message",
    "network_performance",
    "breadcrumb",
    "profile",
    "push_reaction",
    "user_attribute_change",
    "user_identity_change",
    "uninstall",
    "unknown",
    "validation_result",
}
MESSAGE_TYPES = {
    f"{subject}_{way}"
    for subject in (
        "module_registration",
        "event_processing",
        "audience_subscription",
        "audience_membership_change",
        "dsr_processing",
    )
    for way in ("request", "response")
}


@pytest.fixture
def generated() -> Run:
    return generated_run()


@pytest.fixture
def written() -> Run:
    return handwritten_run()


@pytest.fixture(params=[generated_run, handwritten_run], ids=["generated", "handwritten"])
def run(request: pytest.FixtureRequest) -> Run:
    found: Run = request.param()
    return found


def firehose_events(messages: Iterable[Message]) -> list[dict[str, Any]]:
    requests = (body for body in objects(messages) if "type" in body)
    return [event for body in requests for event in _events(body) if "id" in event]


def batch_events(messages: Iterable[Message]) -> list[dict[str, Any]]:
    batches = (body for body in objects(messages) if "type" not in body)
    return [event for body in batches for event in _events(body) if "data" in event]


def _events(body: dict[str, Any]) -> list[dict[str, Any]]:
    events = body.get("events")
    return events if isinstance(events, list) else []


def test_the_same_arguments_give_the_same_bytes() -> None:
    assert traffic(seed=7) == traffic(seed=7)


def test_another_seed_gives_other_messages() -> None:
    assert traffic(seed=7)[0] != traffic(seed=8)[0]


@pytest.mark.parametrize("kind", [Kind.BROKEN, Kind.CROWD, Kind.REPEAT, Kind.SNAPSHOT])
def test_the_share_of_a_kind_is_as_asked(kind: Kind) -> None:
    messages, ledger = traffic(messages=4_000, shares=Shares(**{kind.value: 0.2}))
    assert len(messages) == ledger.raw == 4_000
    assert ledger.counts.messages[kind.value] == pytest.approx(800, abs=100)


def test_shares_beyond_the_whole_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 1"):
        generate(1, 10, 10, NOW_MS, shares=Shares(broken=0.9, repeat=0.2)).__next__()


@pytest.mark.parametrize("messages", [0, 1, 14, 15, 16])
def test_a_short_run_has_as_many_messages_as_asked(messages: int) -> None:
    found, ledger = traffic(messages=messages)
    assert len(found) == ledger.raw == messages


def test_every_kind_occurs(generated: Run) -> None:
    assert set(generated.ledger.counts.messages) == {kind.value for kind in Kind}


def test_every_message_type_occurs(run: Run) -> None:
    types = {body["type"] for body in objects(run.messages) if isinstance(body.get("type"), str)}
    assert types >= MESSAGE_TYPES


def test_every_event_type_occurs(run: Run) -> None:
    assert {event.get("type") for event in firehose_events(run.messages)} >= FIREHOSE_TYPES
    assert {event.get("event_type") for event in batch_events(run.messages)} >= BATCH_TYPES


def test_ids_are_written_as_numbers_and_as_text_and_may_be_negative(generated: Run) -> None:
    mpids = [body["mpid"] for body in objects(generated.messages) if "schema_version" in body]
    assert {type(mpid) for mpid in mpids} == {int, str}
    assert min(int(mpid) for mpid in mpids) < -(2**53) < 2**53 < max(int(mpid) for mpid in mpids)


def test_the_key_is_the_mpid(run: Run) -> None:
    batches = [
        (each.key, body["mpid"])
        for each in run.messages
        for body in objects([each])
        if "message_type" in body
    ]
    assert batches
    assert {key for key, mpid in batches if key != str(mpid).encode()} <= {None}
    assert sum(key is None for key, _ in batches) <= 1


def test_events_are_sometimes_written_out_of_their_order(generated: Run) -> None:
    times = [
        [event["timestamp_ms"] for event in body["events"]]
        for body in objects(generated.messages)
        if body.get("type") == "event_processing_request" and len(_events(body)) > 1
    ]
    shuffled = sum(each != sorted(each) for each in times)
    assert 0 < shuffled < len(times) / 2


def test_only_events_are_sent_again_and_not_much_later(generated: Run) -> None:
    first: dict[Message, int] = {}
    for place, each in enumerate(generated.messages):
        if each.key and each in first:
            body = json.loads(each.value)
            types = {event.get("type", event.get("event_type")) for event in body["events"]}
            assert types.isdisjoint({"user_attribute_change", "user_identity_change"})
            assert place - first[each] < 1_000
        first.setdefault(each, place)


def test_an_audience_is_connected_before_its_first_member(generated: Run) -> None:
    connected: set[int] = set()
    for body in objects(generated.messages):
        if body.get("type") == "audience_subscription_request" and "audience_id" in body:
            connected.add(body["audience_id"])
        for audience in _audiences(body):
            assert audience["audience_id"] in connected


def _audiences(body: dict[str, Any]) -> list[dict[str, Any]]:
    profiles = body.get("user_profiles")
    return [
        audience
        for profile in (profiles if isinstance(profiles, list) else [])
        for part in ("audiences", "added_audiences", "removed_audiences")
        for audience in profile.get(part, [])
    ]


def test_a_users_memberships_grow_in_time(generated: Run) -> None:
    last: dict[tuple[str, int], int] = {}
    for body in objects(generated.messages):
        if body.get("type") != "audience_membership_change_request":
            continue
        profiles = body.get("user_profiles")
        for profile in profiles if isinstance(profiles, list) else []:
            for audience in profile.get("audiences", []):
                place = (str(profile["mpid"]), audience["audience_id"])
                assert last.get(place, 0) < body["timestamp_ms"]
                last[place] = body["timestamp_ms"]


def test_times_end_with_the_duration(generated: Run) -> None:
    times = [body["timestamp_ms"] for body in objects(generated.messages) if "timestamp_ms" in body]
    assert NOW_MS - duration_ms(20_000) < min(times)
    assert NOW_MS - 1_000 < max(times) <= NOW_MS


def test_broken_messages_have_no_shape_that_anybody_knows() -> None:
    others = {field.name: 0.0 for field in fields(Shares) if field.name != "broken"}
    messages, ledger = traffic(messages=515, shares=Shares(broken=1.0, **others))
    assert ledger.counts.broken == 500
    assert sum(_has_known_shape(each) for each in messages) == 15


def _has_known_shape(each: Message) -> bool:
    body = next(objects([each]), {})
    match body.get("type"):
        case None:
            return isinstance(body.get("events", 0), list | None)
        case "event_processing_request":
            return isinstance(body.get("events"), list | None)
        case "audience_membership_change_request":
            return isinstance(body.get("user_profiles"), list | None)
        case "audience_subscription_request":
            return "audience_id" in body
        case other:
            return other in MESSAGE_TYPES


def test_handwritten_events_have_ids_of_their_own(written: Run) -> None:
    sent_once = dict.fromkeys(written.messages)
    ids = [event["id"] for event in firehose_events(sent_once)]
    ids += [str(event["data"]["event_id"]) for event in batch_events(sent_once)]
    assert len(ids) == len(set(ids))


def test_most_users_never_have_a_usable_address_and_write_less_often(generated: Run) -> None:
    known: dict[str, bool] = {}
    messages: Counter[str] = Counter()
    for body in objects(generated.messages):
        mpid = str(body.get("mpid", 0))
        if mpid != "0" and not is_development(body):
            known[mpid] = known.get(mpid, False) or "email" in identities(body)
            messages[mpid] += 1
    unknown = [mpid for mpid in known if not known[mpid]]

    assert 0.5 < len(unknown) / len(known) < 0.7
    share = sum(messages[mpid] for mpid in unknown) / messages.total()
    assert 0.4 < share < len(unknown) / len(known)
