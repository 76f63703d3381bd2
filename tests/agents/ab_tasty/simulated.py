"""A simulated AB Tasty to send to, and a sink that is ready to."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from agents.ab_tasty.sink import AbTastySink
from models.record import Record
from sandbox.ab_tasty import AbTasty, Options
from sandbox.faults import Fault
from sandbox.server import running
from streams.delivery.rate_limit.limiter import Pacer
from streams.delivery.sink import LaneKey
from streams.outcomes import Outcome
from streams.settings import KafkaSettings
from tests.agents.ab_tasty.factories import AT, NOW_MS, firehose, udc
from tests.streams.delivery.requests import send_all

TOKEN_PATH = "/oauth/v2/token"


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1_767_225_600.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def ab_tasty(
    faults: Iterable[Fault] = (),
    **options: Any,
) -> AsyncIterator[tuple[AbTasty, str]]:
    service = AbTasty(Options(**options), faults)
    async with running(service.app()) as url:
        yield service, url


@asynccontextmanager
async def udc_sink(
    url: str, kafka: KafkaSettings | None = None, /, **settings: Any
) -> AsyncIterator[AbTastySink]:
    """One that agrees with others about audiences where there is a Kafka to agree by."""
    sink = AbTastySink(udc(base_url=url, token_url=url + TOKEN_PATH, **settings), kafka)
    async with sink.session(Pacer(sink.limits)):
        yield sink


@asynccontextmanager
async def firehose_sink(url: str, **settings: Any) -> AsyncIterator[AbTastySink]:
    sink = AbTastySink(firehose(base_url=url, **settings))
    async with sink.session(Pacer(sink.limits)):
        yield sink


async def send(sink: AbTastySink, *records: Record) -> Outcome:
    """Sends records of one lane as one request."""
    lanes = {sink.place(record, AT, NOW_MS) for record in records}
    assert len(lanes) == 1
    (lane,) = lanes
    assert isinstance(lane, LaneKey)
    batch = sink.fold(lane, records)
    assert batch.size == len(records)
    return await send_all(sink, batch.request)
