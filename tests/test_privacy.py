"""Nothing of a person, and no secret, in a line of log, a metric's label or a record's header."""

import ast
import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

import orjson
import pytest
from aiokafka.structs import ConsumerRecord
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from agents import registry
from agents.router.routing import route
from agents.router.schema_drift import Drift
from agents.router.settings import RouterSettings
from models.audience import Audience
from models.record import RawPosition
from sandbox.mparticle import LEAK_MARKER, Message, generate, handwritten
from streams import logs, metrics
from streams.dead_letters.writer import count
from streams.placeholder_settings import with_placeholders
from streams.topics import Topic
from streams.worker.dry_run import CountedDeadLetters, dry_run
from tests.repository import ROOT
from tests.routed import outgoing
from tests.streams.delivery.flow import Flow
from tests.streams.records import source

NOW_MS = 1_767_225_600_000
SECRET = "marked-secret-7f31"
_CHUNK = 500
# Shorter ones are no one's, and would be found in any text: "no", "TX", or 63.0 and 1041.
_TELLING = 4
_TELLING_NUMBER = 8
# A place in Kafka, and numbers.
UNPACKED = {"at", "summary.since()"}
_NOBODY = {"no_identity", "no_visitor_id"}
_ORDINARY = {"true", "false", "none"}


@pytest.fixture(autouse=True)
def only_its_own_audiences() -> Iterator[None]:
    yield
    metrics.AUDIENCES_WITHOUT_MEMBERS.clear()


class Routed(NamedTuple):
    """What the router makes of the traffic."""

    records: dict[str, list[ConsumerRecord]]
    audiences: list[Audience]
    topics: dict[str, Topic]
    personal: frozenset[str]


@cache
def traffic(seed: int = 5, messages: int = 2_000) -> list[Message]:
    by_hand, _ = handwritten(NOW_MS)
    return list(chain(generate(seed, 200, messages, NOW_MS), by_hand))


@cache
def all_routed() -> Routed:
    return routed(traffic())


def routed(messages: Sequence[Message]) -> Routed:
    """Routes messages, and counts and tells as the router does."""
    drift, found = Drift(), Routed(defaultdict(list), [], {}, frozenset())
    personal = set[str]()
    for offset, message in enumerate(messages):
        at = RawPosition(topic="mparticle-raw", partition=0, offset=offset, index=0)
        made = route(message.value, at, NOW_MS, RouterSettings())
        drift.count(made.strangers)
        count(made.dead_letters)
        for out in made.outs:
            ours = found.records[out.topic.name]
            made_of = outgoing(out)
            ours.append(
                source(
                    made_of.value,
                    len(ours),
                    key=made_of.key,
                    topic=made_of.topic,
                    headers=made_of.headers,
                )
            )
            found.topics[out.topic.name] = out.topic
            personal.update(of_a_person(orjson.loads(ours[-1].value)))
            if isinstance(out.record, Audience):
                found.audiences.append(out.record)
    return found._replace(personal=frozenset(personal))


def of_a_person(record: dict[str, Any]) -> Iterator[str]:
    """The ids of a record's user, and the values of attributes that tell something."""
    identities = (each["value"] for each in record.get("identities") or ())
    values = (str(value) for value in texts(record.get("attributes") or {}))
    for value in (record.get("mpid") or "", *identities, *values):
        number = value.removeprefix("-").replace(".", "", 1).isdecimal()
        least = _TELLING_NUMBER if number else _TELLING
        if len(value) >= least and value.lower() not in _ORDINARY:
            yield value


def texts(node: Any) -> Iterator[object]:
    if isinstance(node, dict | list):
        for each in node.values() if isinstance(node, dict) else node:
            yield from texts(each)
    elif node is not None:
        yield node


def leaks(text: str, personal: Iterable[str]) -> set[str]:
    """What of a person, or of the secrets, stands in a text as a word of its own."""
    any_of = "|".join(map(re.escape, sorted(personal)))
    words = re.compile(rf"(?<!\w)(?:{any_of})(?!\w)")
    return {*words.findall(text), *re.findall(f"{LEAK_MARKER}|{SECRET}", text)}


def labels() -> str:
    """Every label's value, except for the bounds of buckets."""
    families = text_string_to_metric_families(metrics.exposition().decode())
    samples = chain.from_iterable(family.samples for family in families)
    told = chain.from_iterable(sample.labels.items() for sample in samples)
    return "\n".join(sorted({value for label, value in told if label != "le"}))


async def deliver(destination: registry.Destination, traffic: Routed) -> None:
    """All that the destination's worker does with the records, except for sending."""
    secret = dict.fromkeys(with_placeholders(destination.settings).model_fields_set, SECRET)
    # Whom a destination cannot know becomes a dead letter, so that a line tells of it.
    strict = dict.fromkeys(_NOBODY & destination.settings.model_fields.keys(), "dead_letter")
    sink: Any = destination.sink(destination.settings.load(**secret, **strict))
    sink.limits = dict.fromkeys(sink.limits)
    outlet = dry_run(sink)
    for audience in traffic.audiences:
        outlet.learn(audience)
    letters: Any = CountedDeadLetters()
    flow = Flow(destination=sink, outlet=outlet, letters=letters, topics=sink.topics)
    async with flow.running():
        for topic in sink.topics:
            partition = await flow.assign(topic=topic)
            records = traffic.records[topic.name]
            for start in range(0, len(records), _CHUNK):
                await flow.accept(partition, records[start : start + _CHUNK])
                await flow.settled(partition)


def told_in_logs() -> Iterator[tuple[str, str]]:
    """The fields of every line of log that the product may write, and where."""
    for folder in ("agents", "streams"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                match node:
                    case ast.Call(func=ast.Attribute(value=ast.Name(id="log"))):
                        for field in node.keywords:
                            yield field.arg or ast.unparse(field.value), file.name


def test_a_line_of_log_has_only_fields_that_cannot_hold_a_payload() -> None:
    told = dict(told_in_logs())
    assert "reason" in told
    assert told.keys() <= logs.KEYS | UNPACKED, told


@pytest.mark.parametrize("name", registry.destinations())
@settings(
    max_examples=4,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**32))
async def test_nothing_of_a_person_and_no_secret_is_told(
    name: str, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    with capture_logs() as lines:
        made = routed(traffic(seed, 500))
        await deliver(registry.destinations()[name], made)

    assert {"schema_drift", "dry_run_dead_letter"} <= {line["event"] for line in lines}
    assert leaks("\n".join([*map(repr, lines), caplog.text]), made.personal) == set()
    assert leaks(labels(), made.personal) == set()


@pytest.mark.parametrize("kind", [AssertionError, KeyError, TypeError, UnicodeError, ValueError])
def test_no_exception_tells_what_it_was_given(kind: type[Exception]) -> None:
    for each in (*all_routed().personal, SECRET, LEAK_MARKER):
        assert logs.said(kind(each)) == kind.__name__


def test_no_header_of_a_record_tells_anything_of_a_person() -> None:
    made = all_routed()
    told = {
        text.decode()
        for record in chain.from_iterable(made.records.values())
        for _, text in record.headers
    }
    assert len(told) > len(traffic())
    assert leaks("\n".join(told), made.personal) == set()


def test_what_is_looked_for_is_there_to_be_found() -> None:
    made = all_routed()
    raw = b"\n".join(message.value for message in traffic()).decode(errors="replace")
    assert LEAK_MARKER in raw
    assert len(made.personal) > 400
    for each in made.personal:
        assert leaks(f"detail='{each}'.", [each]) == {each}
    assert any("@shop.example" in each.lower() for each in made.personal)
    assert leaks(f"key={SECRET}", made.personal) == {SECRET}
