"""The AB Tasty worker: `faust -A agents.ab_tasty.app worker`."""

from typing import Any

from agents.ab_tasty.settings import AbTastySettings
from agents.ab_tasty.sink import AbTastySink
from streams.settings import KafkaSettings, WorkerSettings
from streams.topics import AUDIENCE_MEMBERSHIP
from streams.worker.app import settings_or_exit
from streams.worker.sink_app import create_sink_app

_settings = settings_or_exit(AbTastySettings)

_kafka = settings_or_exit(KafkaSettings).called("ab-tasty")

app = create_sink_app(
    AbTastySink(_settings, _kafka),
    _kafka,
    settings_or_exit(WorkerSettings),
    connections=_settings.connections,
)


@app.agent(app.source(AUDIENCE_MEMBERSHIP))
async def audience_membership(stream: Any) -> None:
    """Audiences become segments, memberships who is in them."""
    await app.process(stream)
