"""What the contract suite must be told of a destination: `SCENARIOS` in a module of its name."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple

from agents import registry
from examples.webhook import sink as webhook
from models.record import Record
from sandbox.faults import Answer
from sandbox.server import Service, running
from streams.delivery.rate_limit.limiter import Pacer
from streams.delivery.sink import Explains, Learns, Placement, Sink


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One kind of request, and how to make it go right and wrong.

    `records` wait in one lane. `settings` takes the simulator's URL; of the settings that replace
    some of these, `wrong_keys` are wrong in one way each, `impatient` gives an answer half a second
    at most, and `tightest` makes requests as small as can be, smaller than `large` which waits in
    the same lane. `seen` picks what the records change out of the simulator's state. `personal` is
    what must not be shown of the records.
    """

    name: str
    service: Callable[[], Service]
    settings: Callable[[str], Mapping[str, Any]]
    endpoint: str
    records: tuple[Record, ...]
    seen: Callable[[Any], object]
    expected: object
    large: Record
    never_passes: Record
    refusal: Answer
    rate_limit: Answer
    rate_limit_seconds: float
    wrong_keys: tuple[Mapping[str, Any], ...]
    impatient: Mapping[str, Any]
    tightest: Mapping[str, Any]
    secrets: tuple[str, ...]
    personal: tuple[str, ...]
    at: Placement
    now_ms: int
    sets_state: bool = True


class Subject(NamedTuple):
    """A destination, and a kind of request to it."""

    destination: registry.Destination
    scenario: Scenario

    def __str__(self) -> str:
        return f"{self.destination.name}-{self.scenario.name}"

    def sink(self, url: str = "http://127.0.0.1:1", **changed: Any) -> Sink[Any]:
        given = {**self.scenario.settings(url), **changed}
        return self.destination.sink(self.destination.settings.load(**given))


def explaining(sink: Sink[Any]) -> Explains[Any]:
    """The sink as one that shows its requests, which each of ours does."""
    assert isinstance(sink, Explains)
    return sink


def learning(sink: Sink[Any]) -> Learns:
    """The sink as one that learns from others' records, which each of ours does."""
    assert isinstance(sink, Learns)
    return sink


def subjects() -> Iterator[Subject]:
    """All kinds of requests of all destinations; one without a module here fails.

    The example is held to what is asked of the others.
    """
    for name, destination in {
        **registry.destinations(),
        webhook.DESTINATION.name: webhook.DESTINATION,
    }.items():
        module = import_module(f"tests.contracts.{name.replace('-', '_')}")
        for scenario in module.SCENARIOS:
            yield Subject(destination, scenario)


@asynccontextmanager
async def simulated(subject: Subject) -> AsyncIterator[tuple[Service, str]]:
    """A fresh simulator that listens, and its URL."""
    service = subject.scenario.service()
    async with running(service.app()) as url:
        yield service, url


@asynccontextmanager
async def connected(
    subject: Subject, url: str, may_send: Callable[[], bool] = lambda: True, **changed: Any
) -> AsyncIterator[Sink[Any]]:
    """A sink that is ready to send there, for as long as `may_send` says so."""
    sink = subject.sink(url, **changed)
    async with sink.session(Pacer(sink.limits, may_send=may_send)):
        yield sink
