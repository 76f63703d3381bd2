"""The way of one record through the code: how many calls, in how many files, with how many turns.

`python -m tests.benchmarks.trip` delivers a record to each simulated service, over HTTP, and prints
a JSON line a destination. The second record is counted, so that nothing is set up.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import orjson

from agents.ab_tasty.settings import AbTastySettings
from agents.ab_tasty.sink import AbTastySink
from agents.sailthru.sink import SailthruSink
from models.record import Record
from sandbox.sailthru import Options, Sailthru
from sandbox.server import Service, running
from streams.delivery.policy import DeliveryPolicy
from streams.delivery.sink import Sink
from streams.topics import AUDIENCE_MEMBERSHIP, USER_UPDATE, Topic
from tests.agents.ab_tasty.factories import membership
from tests.agents.sailthru.factories import attributes
from tests.agents.sailthru.simulated import KEY, SECRET, settings
from tests.contracts import ab_tasty
from tests.streams.delivery.flow import Flow
from tests.streams.records import stored

_ROOT = Path(__file__).parents[2]
_PRODUCT = tuple(f"{_ROOT / name}/" for name in ("agents", "models", "streams"))
# The harness asks for it again and again until the record has ended.
_POLLS = "offset_tracker.py"


class Trip:
    """Calls of functions of the product, in their order."""

    def __init__(self) -> None:
        self.calls = 0
        self.moves = 0
        self.entered: Counter[str] = Counter()
        self._at = ""

    def note(self, frame: FrameType, event: str, _argument: object) -> None:
        path = frame.f_code.co_filename
        if event != "call" or not path.startswith(_PRODUCT) or path.endswith(_POLLS):
            return
        self.calls += 1
        if path != self._at:
            self._at = path
            self.moves += 1
            self.entered[path.removeprefix(f"{_ROOT}/")] += 1

    @contextmanager
    def noted(self) -> Iterator[None]:
        sys.setprofile(self.note)
        try:
            yield
        finally:
            sys.setprofile(None)


async def _trip(sink: Sink[Any], topic: Topic, records: Sequence[Record]) -> Trip:
    trip = Trip()
    flow = Flow(
        destination=sink,  # type: ignore[arg-type]  # any sink will do
        topics=sink.topics,
        policy=DeliveryPolicy(),
    )
    async with flow.running():
        partition = await flow.assign(topic=topic)
        for offset, record in enumerate(records):
            come = [stored(record, offset)]
            with trip.noted() if offset else Trip().noted():
                await flow.accept(partition, come)
                await flow.settled(partition)
    return trip


def _sailthru(url: str) -> tuple[Sink[Any], Topic, list[Record]]:
    records = [attributes(tier=tier) for tier in ("gold", "silver")]
    return SailthruSink(settings(base_url=url)), USER_UPDATE, list(records)


def _ab_tasty(url: str) -> tuple[Sink[Any], Topic, list[Record]]:
    sink = AbTastySink(AbTastySettings.load(**ab_tasty.udc(url)))
    return sink, AUDIENCE_MEMBERSHIP, [membership(), membership("left")]


_Start = Callable[[str], tuple[Sink[Any], Topic, list[Record]]]
_SERVICES: Mapping[str, tuple[Callable[[], Service], _Start]] = {
    "sailthru": (lambda: Sailthru(Options(api_key=KEY, api_secret=SECRET)), _sailthru),
    "ab-tasty": (ab_tasty.service, _ab_tasty),
}


async def main() -> None:
    """Prints a line for each destination."""
    for name, (service, start) in _SERVICES.items():
        async with running(service().app()) as url:
            sink, topic, [first, second] = start(url)
            trip = await _trip(sink, topic, [first, second.model_copy(update={"id": "another"})])
        line = {
            "destination": name,
            "calls": trip.calls,
            "files": len(trip.entered),
            "changes_of_file": trip.moves,
            "most": dict(trip.entered.most_common(6)),
        }
        sys.stdout.write(f"{orjson.dumps(line).decode()}\n")


if __name__ == "__main__":
    asyncio.run(main())
