"""The summary adds up, and says so when it does not."""

from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from cli.demo.figures import Figures
from cli.demo.summary import Run, sums, table
from sandbox.mparticle import Counts, Ledger

Samples = dict[str, int]

ROUTER: Samples = {
    'records_consumed_total{topic="mparticle-raw"}': 100,
    'records_routed_total{topic="user-update",kind="attributes_changed"}': 30,
    'records_routed_total{topic="user-update",kind="identities_changed"}': 10,
    'records_routed_total{topic="events",kind="event"}': 50,
    'records_routed_total{topic="audience-membership",kind="membership_changed"}': 20,
    'records_routed_total{topic="audiences",kind="audience"}': 3,
    'records_routed_total{topic="privacy-requests",kind="data_subject_request"}': 2,
    'records_dropped_total{stage="router",reason="no_op"}': 4,
    'dead_letters_total{stage="router",destination="",reason="not_json"}': 5,
}
SAILTHRU: Samples = {
    'deliveries_total{destination="sailthru",operation="event",outcome="delivered"}': 100,
    'deliveries_total{destination="sailthru",operation="list_wanted",outcome="delivered"}': 7,
    'records_dropped_total{stage="sailthru",reason="too_old"}': 4,
    'records_deduplicated_total{topic="events"}': 3,
    'dead_letters_total{stage="sink",destination="sailthru",reason="no_identity"}': 3,
    'records_per_request_sum{destination="sailthru",endpoint="user"}': 100,
    'records_per_request_count{destination="sailthru",endpoint="user"}': 40,
    'end_to_end_latency_seconds_bucket{operation="event",le="1.0"}': 100,
    'end_to_end_latency_seconds_bucket{operation="event",le="+Inf"}': 100,
}
AB_TASTY: Samples = {
    'deliveries_total{destination="ab-tasty",operation="membership_changed"}': 18,
    'dead_letters_total{stage="sink",destination="ab-tasty",reason="no_visitor_id"}': 2,
}
TOPICS = {
    "mparticle-raw": 100,
    "user-update": 40,
    "events": 50,
    "audience-membership": 20,
    "audiences": 3,
    "privacy-requests": 2,
    "dead-letters": 10,
}


def figures(samples: Samples) -> Figures:
    lines = "".join(f"mparticle_streams_{name} {value}\n" for name, value in samples.items())
    return Figures(text_string_to_metric_families(lines))


def run(**changed: Any) -> Run:
    given: dict[str, Any] = {
        "ledger": Ledger(),
        "published": 100,
        "seconds": {"router": 3.0, "sailthru": 4.0, "ab-tasty": 4.0},
        "topics": TOPICS,
        "router": figures(ROUTER),
        "sinks": {"sailthru": figures(SAILTHRU), "ab-tasty": figures(AB_TASTY)},
        "requests": {"sailthru": {"POST user": {"200": 40}}, "ab-tasty": {}},
        "ceilings": {"sailthru": {"POST user": 18_000}, "ab-tasty": {}},
        "reads": {
            "router": ("mparticle-raw",),
            "sailthru": ("user-update", "events", "audience-membership"),
            "ab-tasty": ("audience-membership",),
        },
    }
    return Run(**given | changed)


def test_what_adds_up_is_no_difference() -> None:
    assert sums(run()) == []


@pytest.mark.parametrize("sample", [each for each in ROUTER if "dropped" not in each])
def test_every_number_of_the_router_is_in_a_sum(sample: str) -> None:
    [sentence] = sums(run(router=figures({**ROUTER, sample: ROUTER[sample] + 1})))
    assert sentence.endswith(".")


@pytest.mark.parametrize("how", ["deliveries", "records_dropped", "records_deduplicated"])
@pytest.mark.parametrize("name", ["sailthru", "ab-tasty"])
def test_every_end_at_a_destination_is_in_a_sum(name: str, how: str) -> None:
    sinks = dict(run().sinks)
    samples = {"sailthru": SAILTHRU, "ab-tasty": AB_TASTY}[name]
    sinks[name] = figures({**samples, f'{how}_total{{anything="else"}}': 1})
    [sentence] = sums(run(sinks=sinks))
    there = 110 if name == "sailthru" else 20
    assert sentence == (
        f"records that ended at {name}, and were there: {there + 1} is not {there}."
    )


def test_dead_letter_of_a_destination_is_in_two_sums() -> None:
    sinks = {**run().sinks, "ab-tasty": figures({**AB_TASTY, 'dead_letters_total{a="b"}': 1})}
    assert sums(run(sinks=sinks)) == [
        "records that ended at ab-tasty, and were there: 21 is not 20.",
        "dead letters written, and there: 11 is not 10.",
    ]


def test_published_messages_are_in_a_sum() -> None:
    assert sums(run(published=1_100)) == [
        "messages published and read by the router: 1,100 is not 100."
    ]


def test_what_people_ask_about_their_data_has_to_be_there_as_often_as_it_was_sent() -> None:
    there = TOPICS["privacy-requests"]
    assert sums(run(ledger=Ledger(counts=Counts(privacy_requests=there)))) == []
    assert sums(run(ledger=Ledger(counts=Counts(privacy_requests=there + 1)))) == [
        f"records of what people asked about their data: {there} of {there + 1}."
    ]


@pytest.mark.parametrize(
    ("topic", "sentences"),
    [
        ("user-update", 2),
        ("events", 2),
        ("audience-membership", 3),
        ("audiences", 1),
        ("privacy-requests", 1),
        ("dead-letters", 1),
    ],
)
def test_every_topic_is_in_the_sums_of_those_who_write_and_read_it(
    topic: str, sentences: int
) -> None:
    wrong = sums(run(topics={**TOPICS, topic: TOPICS[topic] - 1}))
    assert len(wrong) == sentences


def rows(of: Run) -> list[str]:
    shown = StringIO()
    Console(file=shown, width=120).print(table(of))
    return [" ".join(line.split()) for line in shown.getvalue().splitlines()]


def test_table_shows_each_number_with_what_it_counts() -> None:
    shown = rows(replace(run(), published=123_456))
    for row in (
        "raw messages published 123,456",
        "messages read by the router 100",
        "dropped: no_op 4",
        "dead-lettered: not_json 5",
        "user-update 40",
        "sailthru delivered: event 100",
        "came again, not sent twice 3",
        "requests, POST user 200: 40",
        "records per request 2.50",
        "raw to accepted, p50 0.50 s",
        "ceiling announced, POST user 18,000 a minute",
        "dead-lettered: no_visitor_id 2",
    ):
        assert row in shown


def test_nothing_took_longer_than_the_run() -> None:
    late = {'end_to_end_latency_seconds_bucket{le="300.0"}': 0}
    late |= {
        f'end_to_end_latency_seconds_bucket{{le="{bound}"}}': 100 for bound in ("1800.0", "+Inf")
    }
    sinks = {**run().sinks, "ab-tasty": figures({**AB_TASTY, **late})}
    seconds = {**run().seconds, "ab-tasty": 354.0}
    assert "raw to accepted, p99 353.46 s" in rows(run(sinks=sinks, seconds=seconds))
