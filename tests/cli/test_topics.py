"""`topics`: what is printed makes the topics that there are, within what each service allows."""

import shlex
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import pytest
import yaml

from agents.registry import all_topics
from streams import topics
from tests.cli.messages import invoke

BY_NAME = {f"shop-{topic.name}": topic for topic in all_topics()}
DAY_MS = 86_400_000
# What each lets one set, as its pages have it.
MSK = {
    "cleanup.policy",
    "compression.type",
    "max.message.bytes",
    "message.timestamp.difference.max.ms",
    "message.timestamp.type",
    "retention.bytes",
    "retention.ms",
}
CONFLUENT_LEAST_SEGMENT_MS = 14_400_000
MEBIBYTE = 1024 * 1024


class Made(NamedTuple):
    """A topic as it is printed."""

    name: str
    partitions: int
    replicas: int | None
    settings: Mapping[str, str]


def printed(service: str, *options: str) -> list[Made]:
    shown = invoke("topics", "--format", service, *options, settings={"KAFKA_PREFIX": "shop-"})
    assert shown.exit_code == 0, shown.output
    if service == "strimzi":
        return [_resource(each) for each in yaml.safe_load_all(shown.output)]
    lines = shown.output.replace("\\\n", "").splitlines()
    return [_confluent(line) if service == "confluent" else _kafka(line) for line in lines]


def _resource(made: Mapping[str, object]) -> Made:
    match made:
        case {"kind": "KafkaTopic", "spec": dict(spec)}:
            config = {name: str(value) for name, value in spec["config"].items()}
            return Made(spec["topicName"], spec["partitions"], spec["replicas"], config)
    raise AssertionError(made)


def _kafka(line: str) -> Made:
    tool, *words = shlex.split(line)
    assert tool == "kafka-topics.sh"
    assert "--command-config" in words
    given = list(pairwise(words))
    one = dict(given)
    config = dict(value.split("=") for flag, value in given if flag == "--config")
    replicas = one.get("--replication-factor")
    return Made(
        one["--topic"], int(one["--partitions"]), int(replicas) if replicas else None, config
    )


def _confluent(line: str) -> Made:
    *head, name, _, partitions, _, config = shlex.split(line)
    assert head == ["confluent", "kafka", "topic", "create"]
    return Made(name, int(partitions), None, dict(each.split("=") for each in config.split(",")))


SERVICES = ("kafka", "strimzi", "confluent", "msk-serverless")


@pytest.mark.parametrize("service", SERVICES)
def test_every_topic_is_made_once_and_as_order_and_compaction_need_it(service: str) -> None:
    made = printed(service, "--partitions", "6")
    assert Counter(each.name for each in made) == Counter(BY_NAME.keys())
    for each in made:
        topic = BY_NAME[each.name]
        assert each.partitions == (1 if topic is topics.RATE_LIMITS else 6)
        assert each.settings["cleanup.policy"] == ("compact" if topic.compacted else "delete")
    # Downstream no smaller than upstream.
    assert len({each.settings["max.message.bytes"] for each in made}) == 1


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("days", [1, 30])
def test_what_is_not_compacted_ends_and_personal_data_with_it(service: str, days: int) -> None:
    for each in printed(service, "--retention-days", str(days)):
        topic = BY_NAME[each.name]
        if topic.compacted:
            continue
        kept_ms = int(each.settings["retention.ms"])
        assert kept_ms == (topic.kept_ms or days * DAY_MS)
        if "segment.ms" in each.settings:
            # Within a day of its end, or as soon as the service lets it.
            assert int(each.settings["segment.ms"]) <= DAY_MS


def test_no_service_is_asked_for_what_it_does_not_allow() -> None:
    for each in printed("msk-serverless"):
        assert set(each.settings) <= MSK
        assert int(each.settings["max.message.bytes"]) <= 8 * MEBIBYTE
        assert each.replicas is None
    for each in printed("confluent"):
        assert int(each.settings["max.message.bytes"]) <= 8 * MEBIBYTE
        least = int(each.settings.get("segment.ms", CONFLUENT_LEAST_SEGMENT_MS))
        assert least >= CONFLUENT_LEAST_SEGMENT_MS


@pytest.mark.parametrize(("replicas", "in_sync"), [(1, None), (2, None), (3, "2"), (4, "3")])
def test_one_replica_may_be_away(replicas: int, in_sync: str | None) -> None:
    for each in printed("kafka", "--replicas", str(replicas)):
        assert each.replicas == replicas
        assert each.settings.get("min.insync.replicas") == in_sync
