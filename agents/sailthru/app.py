"""The Sailthru worker: `faust -A agents.sailthru.app worker`."""

from typing import Any

from agents.sailthru.settings import SailthruSettings
from agents.sailthru.sink import SailthruSink
from streams.settings import KafkaSettings, WorkerSettings
from streams.topics import AUDIENCE_MEMBERSHIP, EVENTS, USER_UPDATE
from streams.worker.app import settings_or_exit
from streams.worker.sink_app import create_sink_app

_settings = settings_or_exit(SailthruSettings)
_kafka = settings_or_exit(KafkaSettings).called("sailthru")

app = create_sink_app(
    SailthruSink(_settings, _kafka),
    _kafka,
    settings_or_exit(WorkerSettings),
    connections=_settings.connections,
)


@app.agent(app.source(USER_UPDATE))
async def user_update(stream: Any) -> None:
    """Attributes and identities become a profile's vars and keys."""
    await app.process(stream)


@app.agent(app.source(EVENTS))
async def events(stream: Any) -> None:
    """What happened becomes an event of the same name."""
    await app.process(stream)


@app.agent(app.source(AUDIENCE_MEMBERSHIP))
async def audience_membership(stream: Any) -> None:
    """Audiences become lists, memberships who is on them."""
    await app.process(stream)
