"""The webhook's worker: `mparticle-streams worker webhook`."""

from typing import Any

from agents.workers import worker_app
from streams.topics import AUDIENCE_MEMBERSHIP, EVENTS, USER_UPDATE

from .sink import DESTINATION

app = worker_app(DESTINATION)


@app.agent(app.source(USER_UPDATE))
async def user_update(stream: Any) -> None:
    """Attributes and identities go out as they are."""
    await app.process(stream)


@app.agent(app.source(EVENTS))
async def events(stream: Any) -> None:
    """So does what happened."""
    await app.process(stream)


@app.agent(app.source(AUDIENCE_MEMBERSHIP))
async def audience_membership(stream: Any) -> None:
    """And who joined or left."""
    await app.process(stream)
