"""The webhook as a sink: which records share a lane, and how many a request carries."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

from agents.registry import Destination
from models.record import Record
from streams.delivery.rate_limit.limiter import Pacer
from streams.delivery.sink import Batch, Explains, LaneKey, Placement, Sink
from streams.http import Http
from streams.outcomes import Outcome
from streams.reasons import Reason
from streams.settings import KafkaSettings
from streams.topics import BY_USER

from .client import post
from .mapping import Body, body
from .settings import WebhookSettings

_ENDPOINT = "post"


class WebhookSink(Sink[Body], Explains[Body]):
    """All that is known of a user, in its order: one lane each, one request at a time."""

    destination = "webhook"
    topics = BY_USER
    limits: Mapping[str, int | None] = MappingProxyType({_ENDPOINT: None})
    behind = MappingProxyType({"refused": "WEBHOOK_URL", "too_large": "WEBHOOK_BATCH_RECORDS"})

    def __init__(self, settings: WebhookSettings, kafka: KafkaSettings | None = None) -> None:
        """Keeps nothing in Kafka."""
        del kafka
        self._settings = settings
        self.limits = {_ENDPOINT: settings.requests_per_minute}

    @asynccontextmanager
    async def session(self, pacer: Pacer) -> AsyncIterator[None]:
        async with Http.open(self._settings, pacer.may_send) as self._http:
            yield

    def place(self, record: Record, at: Placement, now_ms: int) -> LaneKey:  # noqa: ARG002 - the contract's signature
        return LaneKey(_ENDPOINT, at.user)

    def fold(self, lane: LaneKey, waiting: Sequence[Record]) -> Batch[Body]:  # noqa: ARG002 - as above
        carried = waiting[: self._settings.batch_records]
        return Batch(body(carried), len(carried))

    async def send(self, request: Body) -> Outcome:
        return await post(self._http, self._settings, request.records)

    def describe(self, request: Body) -> Mapping[str, Any]:
        return {"method": "POST", "url": self._settings.url, "body": request.records}


DESTINATION = Destination(
    "webhook",
    WebhookSettings,
    WebhookSink,
    topics=WebhookSink.topics,
    port=6069,
    rejects=(Reason("refused", "the address takes no such request: `detail` has the status"),),
)
