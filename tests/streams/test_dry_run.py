"""A dry run does with records what the sink itself does, and sends nothing."""

import socket
from typing import Any, NoReturn

import pytest
from structlog.testing import capture_logs

from models.dead_letter import DeadLetter
from streams import metrics
from streams.delivery.rate_limit.limiter import Pacer
from streams.delivery.sink import Explains, LaneKey
from streams.outcomes import Delivered, Rejected
from streams.worker.dry_run import CountedDeadLetters, dry_run
from tests.contracts.scenario import Subject, subjects
from tests.streams.delivery.scripted import ScriptedSink


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        pytest.fail("the network was touched")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("subject", list(subjects()), ids=str)
async def test_requests_of_any_destination_are_built_and_sent_nowhere(subject: Subject) -> None:
    scenario, real = subject.scenario, subject.sink()
    dry = dry_run(real)
    assert dry.name == f"{real.destination}-dry-run"
    assert (dry.prepares, dry.resends) == (None, None)
    async with dry.wire.session(Pacer(real.limits)):
        lane = real.place(scenario.records[0], scenario.at, scenario.now_ms)
        assert isinstance(lane, LaneKey)
        batch = dry.sink.fold(lane, scenario.records)
        assert await dry.wire.send(batch.request) == Delivered()


class CannotBeShown(ScriptedSink, Explains[Any]):
    def describe(self, request: Any) -> NoReturn:
        raise ZeroDivisionError


async def test_what_cannot_be_put_into_its_final_form_is_a_dead_letter_and_ends_no_worker() -> None:
    outcome = await dry_run(CannotBeShown(most=1)).wire.send(object())

    assert outcome == Rejected("mapping_error", "ZeroDivisionError")


async def test_dead_letters_are_counted_and_told_without_what_they_hold() -> None:
    letter = DeadLetter(
        stage="sink",
        destination="sailthru-dry-run",
        reason="no_identity",
        detail="no usable email",
        topic="events",
        partition=0,
        offset=17,
        attempts=0,
        first_at_ms=0,
        last_at_ms=0,
        key=b"-7701122334455667788",
        value=b"user17@shop.example",
        length=19,
        sha256="0" * 64,
    )
    before = _count()
    with capture_logs() as lines:
        await CountedDeadLetters().write([letter, letter])
    assert _count() - before == 2
    assert [line["reason"] for line in lines] == ["no_identity"] * 2
    assert "user17" not in repr(lines)


def _count() -> float:
    labels = {"stage": "sink", "destination": "sailthru-dry-run", "reason": "no_identity"}
    return metrics.REGISTRY.get_sample_value("mparticle_streams_dead_letters_total", labels) or 0.0
