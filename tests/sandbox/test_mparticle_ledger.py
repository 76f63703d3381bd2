"""The ledger says what the messages say, which a second reading of them shows."""

from collections import Counter
from random import Random

import pytest

from sandbox.mparticle import LEAK_MARKER, Kind, Ledger
from sandbox.mparticle.catalogue import ATTRIBUTES, GONE
from sandbox.mparticle.firehose import event_request
from sandbox.mparticle.users import User
from tests.sandbox.mparticle_reader import Reader
from tests.sandbox.mparticle_runs import NOW_MS, Run, generated_run, handwritten_run


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


def test_the_profiles_say_what_the_messages_say(run: Run) -> None:
    kept = {
        email: {
            "vars": profile.vars,
            "lists": set(profile.lists),
            "left": set(profile.left),
            "events": {name: set(ids) for name, ids in profile.events.items()},
            "customer_id": profile.customer_id,
        }
        for email, profile in run.ledger.profiles.items()
    }
    seen = run.reader.profiles()
    assert kept.keys() == seen.keys()
    assert [(kept[email], seen[email]) for email in kept if kept[email] != seen[email]] == []


def test_former_emails_are_those_that_the_messages_no_longer_carry(run: Run) -> None:
    former = {email for profile in run.ledger.profiles.values() for email in profile.former}
    # An e-mail that changes in a user's first message is never the current one.
    assert set() < run.reader.former() <= former


def test_what_cannot_reach_sailthru_is_counted(run: Run) -> None:
    counted = run.ledger.counts.no_identity
    assert counted == run.reader.no_identity
    assert min(counted[what] for what in ("user_updates", "events", "memberships")) > 0


def test_the_segments_say_what_the_messages_say(run: Run) -> None:
    by_id = {
        mpid: {segment.rsplit("-", 1)[1]: value for segment, value in segments.items()}
        for mpid, segments in run.ledger.segments.items()
    }
    assert by_id == run.reader.segments


def test_memberships_without_an_mpid_are_counted(run: Run) -> None:
    assert run.ledger.counts.ab_tasty_no_identity == run.reader.without_mpid > 0


def test_segment_names_have_only_what_ab_tasty_takes(run: Run) -> None:
    names = {segment for segments in run.ledger.segments.values() for segment in segments}
    assert all(letter.isalnum() or letter in "_-." for segment in names for letter in segment)
    assert any(" " in name for name in run.ledger.audiences.values())


def test_the_last_message_of_a_user_brings_the_planned_end() -> None:
    user = User(Random(1), 17, Counter({Kind.FIREHOSE: 1}), unknown=0, renamed=0)
    attributes = {attribute.name: attribute for attribute in ATTRIBUTES}
    user.ends = [(attributes["tier"], "gold"), (attributes["trial"], GONE)]
    user.known = {attributes["trial"]: "yes"}
    user.identities = {"email": "user17@shop.example"}
    user.to_come[Kind.FIREHOSE] -= 1

    body, told, _ = event_request(Random(4), user, NOW_MS, plain=0)

    reader = Reader(NOW_MS)
    reader.read(body)
    assert body["user_attributes"] == {"tier": "gold"}
    assert told.vars == {"tier": "gold", "trial": None}
    assert reader.profiles()["user17@shop.example"]["vars"] == {"tier": "gold", "trial": None}


def test_the_ledger_survives_json(run: Run) -> None:
    ledger = run.ledger
    assert Ledger.from_json(ledger.to_json()) == ledger


def test_ledgers_of_generated_and_handwritten_messages_can_be_merged(
    generated: Run, written: Run
) -> None:
    merged = Ledger.from_json(generated.ledger.to_json())
    merged.merge(written.ledger)
    assert len(merged.profiles) == len(generated.ledger.profiles) + len(written.ledger.profiles)
    assert len(merged.segments) == len(generated.ledger.segments) + len(written.ledger.segments)
    assert len(merged.audiences) == len(generated.ledger.audiences) + len(written.ledger.audiences)
    assert merged.raw == len(generated.messages) + len(written.messages)


def test_a_message_sent_again_stands_in_the_ledger_once(generated: Run) -> None:
    messages, ledger = generated.messages, generated.ledger
    again = {each for each, count in Counter(messages).items() if count > 1 and each.key}
    ids = Counter(
        (email, name, own)
        for email, profile in ledger.profiles.items()
        for name, of_name in profile.events.items()
        for own in of_name
    )
    assert min(ledger.counts.repeated_events, len(again)) > 100
    assert set(ids.values()) == {1}


def test_account_settings_carry_a_marker_that_the_ledger_never_shows(run: Run) -> None:
    messages, ledger = run.messages, run.ledger
    assert any(LEAK_MARKER.encode() in each.value for each in messages)
    assert LEAK_MARKER not in ledger.to_json()


def test_the_seven_reserved_attributes_lose_their_dollar(written: Run) -> None:
    assert written.ledger.profiles["brian@shop.example"].vars == {
        "FirstName": "Brian",
        "LastName": "O'Brian",
        "Gender": "M",
        "State": "FL",
        "Country": "US",
        "City": "Boca Raton",
        "Zip": "33431",
    }
