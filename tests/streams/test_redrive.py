"""What is sent again of a dead letter, and why some cannot be."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.dead_letter import DeadLetter
from streams import headers
from streams.dead_letters.reader import Choice, Found, Position
from streams.dead_letters.writer import preserve, preserve_key
from streams.operations.dedup_reach import Reach
from streams.operations.redrive import Again, Plan
from streams.settings import KafkaSettings
from tests.routed import written
from tests.streams.records import event

HOUR_MS = 3_600_000
NOW_MS = 100 * HOUR_MS
# Sailthru's workers would read that partition from offset 41 on; elsewhere a day is remembered.
REACH = Reach({("sailthru", "eu-events", 1): 41}, since_ms=NOW_MS - 24 * HOUR_MS)
# In partition 1 of 2, as of 4; of 5 it would be in 0.
RECORD = event("77", "Read", "record-1")
PARTITIONS = {"eu-mparticle-raw": 2, "eu-events": 2, "eu-user-update": 2, "eu-other": 2}


def keeping(value: bytes) -> dict[str, Any]:
    return preserve(value)


def found(at: int = 7, *, age_ms: int = HOUR_MS, **changed: Any) -> Found:
    fields = {
        "stage": "sink",
        "destination": "sailthru",
        "reason": "invalid_email",
        "topic": "eu-events",
        "partition": 1,
        "offset": 41,
        "record_id": RECORD.id,
        "first_at_ms": 1,
        "last_at_ms": 2,
        "key": b"77",
        **keeping(written(RECORD).value),
        **changed,
    }
    return Found(Position(3, at), NOW_MS - age_ms, DeadLetter(**fields))


def raw(at: int = 7, *, age_ms: int = HOUR_MS, **changed: Any) -> Found:
    of_router = {"stage": "router", "destination": None, "topic": "eu-mparticle-raw"}
    fields = {**of_router, "record_id": None, **keeping(b"{"), **changed}
    return found(at, age_ms=age_ms, **fields)


def plan(reach: Reach | None = REACH, counts: Mapping[str, int] = PARTITIONS) -> Plan:
    return Plan(KafkaSettings(prefix="eu-"), {**PARTITIONS, **counts}, reach)


def test_a_record_goes_back_to_where_it_stood_marked_for_the_destination_that_failed() -> None:
    marks = [("redriven-for", b"sailthru"), ("redriven-of", b"3/7")]
    assert plan().of(found()) == Again(
        "eu-events",
        1,
        b"77",
        written(RECORD).value,
        [("id", b"record-1"), ("kind", b"custom_event"), *marks],
    )


GROWN = {"eu-events": 5, "eu-user-update": 5}


def test_a_letter_goes_to_where_its_user_lives_now() -> None:
    """Where it stood nobody would know any more what came since for its user."""
    again = plan(None, GROWN).of(found())
    assert isinstance(again, Again)
    assert (again.topic, again.partition, again.key) == ("eu-events", 0, b"77")


def test_what_workers_knew_where_its_user_lived_before_is_forgotten_where_they_live_now() -> None:
    assert plan(counts=GROWN).of(found()) == (
        "its user has moved to partition 0, where workers may not know what was delivered before: "
        "see --beyond-dedup-window"
    )


@pytest.mark.parametrize(
    ("letter", "counts", "partition"),
    [
        # Until all topics by user are raised, whoever writes to them divides by the least.
        (found(), {"eu-events": 5}, 1),
        # Without a key nobody moves, and the router reads all its partitions for all users.
        (found(key=None), GROWN, 1),
        (raw(), {"eu-mparticle-raw": 5}, 1),
    ],
)
def test_who_has_not_moved_is_sent_to_where_they_were(
    letter: Found, counts: dict[str, int], partition: int
) -> None:
    again = plan(counts=counts).of(letter)
    assert isinstance(again, Again)
    assert again.partition == partition


def test_a_raw_message_goes_back_for_all() -> None:
    again = plan().of(raw())
    assert again == Again("eu-mparticle-raw", 1, b"77", b"{", [("redriven-of", b"3/7")])
    assert headers.read(again.headers).redriven_for is None


@pytest.mark.parametrize("value", [b"{", b"[1]", b"\xff", b'{"kind": null}'])
def test_a_record_that_cannot_be_read_goes_back_as_it_was(value: bytes) -> None:
    for record_id in ("1", None):
        again = plan().of(found(record_id=record_id, **keeping(value)))
        assert isinstance(again, Again)
        assert again.value == value
        assert headers.read(again.headers).redriven_for == "sailthru"


def test_a_raw_message_of_which_two_parts_failed_goes_once() -> None:
    both = plan()
    assert isinstance(both.of(raw(1, index=0)), Again)
    assert both.of(raw(2, index=3)) is None
    assert isinstance(both.of(raw(3, offset=42, **keeping(b"[{"))), Again)


@given(st.lists(st.integers(0, 9), unique=True), st.integers(1, 5))
def test_a_raw_message_that_failed_again_is_sent_once(messages: list[int], times: int) -> None:
    """Each try adds a letter of what failed, at another place; the next one sends as many."""
    letters = [raw(n, offset=n, **keeping(b"{%d" % n)) for n in messages]
    for end in range(100, 100 + times):
        try_ = plan()
        said = [try_.of(letter) for letter in letters]
        sent = [again for again in said if isinstance(again, Again)]
        assert [again.value for again in sent] == [b"{%d" % n for n in messages]
        letters += [raw(end, offset=end, **keeping(again.value)) for again in sent]


@pytest.mark.parametrize(
    ("letter", "says"),
    [
        (found(topic="events"), "sailthru reads no topic events here"),
        (found(topic="eu-other"), "sailthru reads no topic eu-other here"),
        (raw(topic="eu-events"), "router reads no topic eu-events here"),
        (found(partition=2), "eu-events has no partition 2 any more"),
        (
            found(**keeping(b"x" * 10_000_000)),
            "only the first 65536 of 10000000 bytes: replay eu-events/1/41",
        ),
        (found(key=preserve_key(b"k" * 70_000)), "key was too long"),
        (
            found(offset=40),
            "workers no longer know what was delivered then: see --beyond-dedup-window",
        ),
        (raw(age_ms=25 * HOUR_MS), "workers no longer know what was delivered then"),
        # One may have been written a moment before the other, by another machine's clock.
        (raw(age_ms=24 * HOUR_MS), "workers no longer know what was delivered then"),
    ],
)
def test_what_cannot_be_sent_again_says_why(letter: Found, says: str) -> None:
    said = plan().of(letter)
    assert isinstance(said, str)
    assert says in said


@pytest.mark.parametrize("letter", [found(offset=40), raw(age_ms=25 * HOUR_MS)])
def test_what_workers_have_forgotten_goes_when_it_is_meant(letter: Found) -> None:
    assert isinstance(plan(reach=None).of(letter), Again)


@pytest.mark.parametrize(
    "letter",
    [
        found(age_ms=1_000 * HOUR_MS),
        found(destination="ab-tasty", offset=1),
        found(partition=0, offset=1, key=b"17"),
        raw(age_ms=23 * HOUR_MS, offset=1),
    ],
)
def test_what_workers_still_know_goes_however_old_it_is(letter: Found) -> None:
    assert isinstance(plan().of(letter), Again)


def test_updates_are_counted_because_they_overwrite() -> None:
    some = plan()
    for letter in (found(), found(topic="eu-user-update"), found(topic="user-update")):
        some.of(letter)
    assert some.updates == 1


@pytest.mark.parametrize(
    ("choice", "taken"),
    [
        (Choice(), True),
        (Choice(worker="sailthru", reason="invalid_email"), True),
        (Choice(worker="router"), False),
        (Choice(reason="invalid_record"), False),
        (Choice(since_ms=NOW_MS - HOUR_MS), True),
        (Choice(since_ms=NOW_MS - HOUR_MS + 1), False),
        (Choice(until_ms=NOW_MS - HOUR_MS), False),
        (Choice(until_ms=NOW_MS - HOUR_MS + 1), True),
    ],
)
def test_a_choice_takes_what_it_names(choice: Choice, *, taken: bool) -> None:
    assert choice.takes(found()) is taken
