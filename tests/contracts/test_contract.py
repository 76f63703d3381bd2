"""What the delivery may expect of every destination (streams/delivery/sink.py)."""

import re
import socket
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, NoReturn

import orjson
import pytest

from models.record import Record
from sandbox.faults import Answer, EffectWithoutAnswer, Fault, Hang, Reset
from sandbox.server import Service
from streams.delivery.sink import Batch, LaneKey, Sink
from streams.fencing import FencedError
from streams.outcomes import Delivered, Misconfigured, Outcome, Rejected, Throttled, Transient
from tests.contracts.scenario import Scenario, Subject, connected, explaining, simulated, subjects
from tests.streams.delivery.requests import send_all

REASON = re.compile(r"[a-z][a-z0-9_]*")
# Some services refuse good keys now and then, so that a few refusals prove nothing.
PATIENCE = 20


SUBJECTS = list(subjects())
SET_STATE = [each for each in SUBJECTS if each.scenario.sets_state]


@pytest.fixture(params=SUBJECTS, ids=str)
def subject(request: pytest.FixtureRequest) -> Subject:
    found: Subject = request.param
    return found


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*_: object, **__: object) -> NoReturn:
        pytest.fail("the network was touched")

    with monkeypatch.context() as patched:
        patched.setattr(socket, "socket", refuse)
        patched.setattr(socket, "getaddrinfo", refuse)
        yield


def lane_of(sink: Sink[Any], scenario: Scenario) -> LaneKey:
    places = {sink.place(record, scenario.at, scenario.now_ms) for record in scenario.records}
    [place] = places
    assert isinstance(place, LaneKey), place
    return place


def batches(sink: Sink[Any], lane: LaneKey, waiting: Sequence[Record]) -> Iterator[Batch[Any]]:
    """All that a lane's records become, one request after the other."""
    while waiting:
        batch = sink.fold(lane, waiting)
        assert 1 <= batch.size <= len(waiting)
        yield batch
        waiting = waiting[batch.size :]


async def deliver(sink: Sink[Any], scenario: Scenario) -> list[Outcome]:
    lane = lane_of(sink, scenario)
    return [await send_all(sink, each.request) for each in batches(sink, lane, scenario.records)]


async def first_outcome(sink: Sink[Any], scenario: Scenario) -> Outcome:
    lane = lane_of(sink, scenario)
    return await send_all(sink, sink.fold(lane, scenario.records).request)


def shows(text: str, values: Sequence[str]) -> list[str]:
    return [value for value in values if value in text]


# What becomes of a request.


async def test_records_arrive_and_are_said_to_be_delivered(subject: Subject) -> None:
    scenario = subject.scenario
    async with simulated(subject) as (service, url), connected(subject, url) as sink:
        assert set(await deliver(sink, scenario)) == {Delivered()}
        assert scenario.seen(service.state()) == scenario.expected


async def test_requests_as_small_as_can_be_lead_to_the_same(subject: Subject) -> None:
    scenario = subject.scenario
    async with simulated(subject) as (service, url):
        async with connected(subject, url, **scenario.tightest) as sink:
            assert set(await deliver(sink, scenario)) == {Delivered()}
        assert scenario.seen(service.state()) == scenario.expected


@pytest.mark.parametrize("subject", SET_STATE, ids=str, indirect=True)
async def test_same_requests_twice_lead_to_the_same(subject: Subject) -> None:
    scenario = subject.scenario
    async with simulated(subject) as (service, url), connected(subject, url) as sink:
        for each in list(batches(sink, lane_of(sink, scenario), scenario.records)):
            assert [await send_all(sink, each.request) for _ in range(2)] == [Delivered()] * 2
        assert scenario.seen(service.state()) == scenario.expected


# What stands between says yes to the request, and passes it on to nobody.
PAGE = Answer(status=200, body="<html>We are back in a moment</html>")
CHALLENGE = Answer(status=202, body="", headers={"x-amzn-waf-action": "challenge"})


@pytest.mark.parametrize(
    "fault",
    [Answer(status=503), Reset(), Hang(), EffectWithoutAnswer(), PAGE, CHALLENGE],
    ids=["unavailable", "reset", "silent", "effect-without-answer", "page", "challenge"],
)
async def test_what_may_pass_later_is_to_be_tried_again_and_passes(
    subject: Subject, fault: Fault
) -> None:
    scenario = subject.scenario
    once = fault.model_copy(update={"endpoint": scenario.endpoint, "count": 1})
    async with simulated(subject) as (service, url):
        service.set_faults([once])
        async with connected(subject, url, **scenario.impatient) as sink:
            outcome = await first_outcome(sink, scenario)
        assert isinstance(outcome, Transient), outcome
        assert REASON.fullmatch(outcome.reason)
        async with connected(subject, url) as sink:
            assert set(await deliver(sink, scenario)) == {Delivered()}
        if scenario.sets_state:
            assert scenario.seen(service.state()) == scenario.expected


async def test_service_that_is_away_is_waited_for(subject: Subject) -> None:
    async with simulated(subject) as (_, url):
        pass
    async with connected(subject, url) as sink:
        assert isinstance(await first_outcome(sink, subject.scenario), Transient)


async def test_who_may_no_longer_be_a_member_of_the_group_sends_nothing_more(
    subject: Subject,
) -> None:
    """Whichever of its requests a freeze comes before: a token, a list, the records' own."""
    for most in count():
        async with simulated(subject) as (service, url):

            def sure(service: Service = service, most: int = most) -> bool:
                return requests(service) < most

            async with connected(subject, url, sure) as sink:
                try:
                    outcome = await first_outcome(sink, subject.scenario)
                except FencedError:
                    assert requests(service) == most
                    continue
        assert (most > 0, outcome) == (True, Delivered())
        break


def requests(service: Service) -> int:
    return sum(answers.total() for answers in service.counts.values())


async def test_rate_limit_closes_the_endpoint_for_as_long_as_it_says(subject: Subject) -> None:
    scenario = subject.scenario
    async with simulated(subject) as (service, url), connected(subject, url) as sink:
        service.set_faults([scenario.rate_limit.model_copy(update={"endpoint": scenario.endpoint})])
        outcome = await first_outcome(sink, scenario)
    assert isinstance(outcome, Throttled), outcome
    assert outcome.after == pytest.approx(scenario.rate_limit_seconds)


async def test_wrong_key_blocks_and_names_the_setting(subject: Subject) -> None:
    settings = subject.destination.settings
    prefix = settings.model_config.get("env_prefix", "")
    names = [f"{prefix}{field}".upper() for field in settings.model_fields]
    for wrong in subject.scenario.wrong_keys:
        async with simulated(subject) as (_, url), connected(subject, url, **wrong) as sink:
            outcome = await _after_retries(sink, subject.scenario)
        assert isinstance(outcome, Misconfigured), (wrong, outcome)
        assert REASON.fullmatch(outcome.reason)
        assert shows(outcome.what_to_do, names), outcome
        assert "\n" not in outcome.what_to_do
        assert not shows(outcome.what_to_do, subject.scenario.secrets)


async def _after_retries(sink: Sink[Any], scenario: Scenario) -> Outcome:
    for _ in range(PATIENCE):
        outcome = await first_outcome(sink, scenario)
        if not isinstance(outcome, Transient):
            break
    return outcome


async def test_record_that_can_never_pass_is_rejected_and_not_quoted(subject: Subject) -> None:
    scenario = subject.scenario
    record = scenario.never_passes
    async with simulated(subject) as (_, url), connected(subject, url) as sink:
        outcome: object = sink.place(record, scenario.at, scenario.now_ms)
        if isinstance(outcome, LaneKey):
            outcome = await send_all(sink, sink.fold(outcome, [record]).request)
    assert isinstance(outcome, Rejected), outcome
    assert REASON.fullmatch(outcome.reason)
    assert not shows(outcome.detail, [*scenario.personal, "user17"])


async def test_refusal_is_told_without_what_the_service_quotes(
    subject: Subject, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    scenario = subject.scenario
    async with simulated(subject) as (service, url), connected(subject, url) as sink:
        service.set_faults([scenario.refusal.model_copy(update={"endpoint": scenario.endpoint})])
        outcome = await first_outcome(sink, scenario)
    assert isinstance(outcome, Rejected), outcome
    assert REASON.fullmatch(outcome.reason)
    told = f"{outcome!r} {caplog.text}"
    assert not shows(told, [*scenario.personal, *scenario.secrets])


# What is pure.


def test_sink_is_what_the_registry_says_and_knows_its_endpoints(subject: Subject) -> None:
    sink = subject.sink()
    assert sink.destination == subject.destination.name
    assert all(topic.holds for topic in sink.topics)
    assert lane_of(sink, subject.scenario).endpoint in sink.limits


@pytest.mark.usefixtures("no_network")
def test_placing_taking_and_showing_again_gives_the_same(subject: Subject) -> None:
    sink, scenario = subject.sink(), subject.scenario

    def once() -> object:
        lane = lane_of(sink, scenario)
        taken = list(batches(sink, lane, scenario.records))
        requests = [each.request for each in taken]
        explains = explaining(sink)
        shown = [*map(explains.describe, requests), *explains.preparations(requests)]
        return lane, taken, shown

    assert once() == once()


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("count", [1, 2, 100])
@pytest.mark.parametrize("size", ["default", "tightest"])
def test_take_carries_one_record_at_least_and_none_that_does_not_wait(
    subject: Subject, count: int, size: str
) -> None:
    scenario = subject.scenario
    sink = subject.sink(**(scenario.tightest if size == "tightest" else {}))
    waiting = ((scenario.large, *scenario.records) * count)[:count]
    taken = batches(sink, lane_of(sink, scenario), waiting)
    assert sum(each.size for each in taken) == count


@pytest.mark.usefixtures("no_network")
def test_requests_are_shown_whole_but_for_their_secrets(subject: Subject) -> None:
    sink, scenario = subject.sink(), subject.scenario
    requests = [each.request for each in batches(sink, lane_of(sink, scenario), scenario.records)]
    explains = explaining(sink)
    shown = [*map(explains.describe, requests), *explains.preparations(requests)]
    for each in shown:
        assert {"method", "url", "body"} == each.keys()
    assert not shows(orjson.dumps(shown).decode(), scenario.secrets)


@pytest.mark.usefixtures("no_network")
def test_repr_shows_neither_secret_nor_personal_data(subject: Subject) -> None:
    sink, scenario = subject.sink(), subject.scenario
    requests = [each.request for each in batches(sink, lane_of(sink, scenario), scenario.records)]
    assert not shows(repr([sink, *requests]), [*scenario.secrets, *scenario.personal])
