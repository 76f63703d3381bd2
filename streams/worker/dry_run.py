"""Dry run: everything that a sink does, except that it sends nothing and keeps no dead letters."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

import structlog

from models.dead_letter import DeadLetter
from streams.dead_letters.writer import DeadLetters, count
from streams.delivery.completion import mapping_error
from streams.delivery.rate_limit.limiter import Pacer
from streams.delivery.sink import Explains, Learns, Outlet, Sink, Wire
from streams.outcomes import Delivered, Outcome
from streams.settings import DRY_RUN_SUFFIX

log = structlog.get_logger()


class _DryWire(Wire[Any]):
    """Puts requests into their final form, for that may fail too, and sends none.

    They keep to the published rate limits, so that the group's lag says whether these suffice.
    """

    def __init__(self, sink: Sink[Any]) -> None:
        self._describe = sink.describe if isinstance(sink, Explains) else None

    def session(self, pacer: Pacer) -> AbstractAsyncContextManager[None]:  # noqa: ARG002 - the contract's signature
        return nullcontext()

    async def send(self, request: Any) -> Outcome:
        try:
            if self._describe is not None:
                self._describe(request)
        except Exception as error:  # noqa: BLE001 - see mapping_error
            return mapping_error(error)
        return Delivered()


def dry_run(sink: Sink[Any]) -> Outlet:
    """Another destination in name, and so in its group and metrics, whose requests go nowhere.

    It neither prepares nor sends again, and keeps nothing of its own in Kafka.
    """
    learns = sink if isinstance(sink, Learns) else None
    return Outlet(sink.destination + DRY_RUN_SUFFIX, sink, _DryWire(sink), learns=learns)


class CountedDeadLetters(DeadLetters):
    """Counts dead letters and says why they would be; writes none."""

    def __init__(self) -> None:
        """Needs no producer."""

    async def write(self, letters: Sequence[DeadLetter]) -> None:
        for letter in letters:
            log.info(
                "dry_run_dead_letter",
                reason=letter.reason,
                detail=letter.detail,
                topic=letter.topic,
                partition=letter.partition,
                offset=letter.offset,
            )
        count(letters)
