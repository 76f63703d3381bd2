"""Dry run: everything that a sink does, except that it sends nothing and keeps no dead letters."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

import structlog

from models.audience import Audience
from models.dead_letter import DeadLetter
from models.record import Record
from streams.dead_letters.writer import DeadLetters, count
from streams.delivery.rate_limit.limiter import Pacer
from streams.delivery.sink import Batch, Feed, Lane, Placement, Sink
from streams.outcomes import Delivered, Dropped, Outcome, Rejected
from streams.settings import DRY_RUN_SUFFIX

log = structlog.get_logger()


class DryRun(Sink[Any]):
    """Another destination in name, and so in its group and metrics; its requests go nowhere.

    They keep to the published rate limits, so that the group's lag says whether these suffice.
    """

    def __init__(self, sink: Sink[Any]) -> None:
        self._sink = sink
        self.destination = sink.destination + DRY_RUN_SUFFIX
        self.topics = sink.topics
        self.ceilings = sink.ceilings
        self.rate_share = sink.rate_share
        self.admitted_in_a_turn = sink.admitted_in_a_turn
        self.recalls = sink.recalls
        self.behind = sink.behind

    def session(self, pacer: Pacer) -> AbstractAsyncContextManager[None]:  # noqa: ARG002 - the contract's signature
        return nullcontext()

    def place(self, record: Record, at: Placement, now_ms: int) -> Lane | Dropped | Rejected:
        return self._sink.place(record, at, now_ms)

    def take(self, lane: Lane, waiting: Sequence[Record]) -> Batch[Any]:
        batch = self._sink.take(lane, waiting)
        # Put into its final form, for that may fail too.
        self._sink.describe(batch.request)
        return batch

    async def send(self, request: Any) -> Outcome:  # noqa: ARG002 - the contract's signature
        return Delivered()

    async def refused(self, record: Record, partition: int) -> None:
        """Nothing: the sink may keep in Kafka what it hears here."""

    async def repeat(self, feed: Feed) -> None:
        """Nothing: it is about what was sent."""

    def learn(self, audience: Audience) -> None:
        self._sink.learn(audience)

    def recall(self, record: Record, at: Placement) -> None:
        self._sink.recall(record, at)

    def describe(self, request: Any) -> Mapping[str, Any]:
        return self._sink.describe(request)

    def preparations(self, requests: Sequence[Any]) -> Sequence[Mapping[str, Any]]:
        return self._sink.preparations(requests)


class CountedDeadLetters(DeadLetters):
    """Counts dead letters and says why they would be; writes none."""

    def __init__(self) -> None:
        """Needs no producer."""

    async def write(self, letters: Sequence[DeadLetter]) -> None:
        for letter in letters:
            log.info(
                "would_be_dead_letter",
                reason=letter.reason,
                detail=letter.detail,
                topic=letter.topic,
                partition=letter.partition,
                offset=letter.offset,
            )
        count(letters)
