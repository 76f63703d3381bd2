"""The Sailthru worker: `faust -A agents.sailthru.app worker`."""

from typing import Any

from agents.sailthru.sink import DESTINATION
from agents.workers import worker_app
from streams.topics import AUDIENCE_MEMBERSHIP, EVENTS, USER_UPDATE

app = worker_app(DESTINATION)


@app.agent(app.source(USER_UPDATE))
async def user_update(stream: Any) -> None:
    """Attributes and identities become a profile's vars and keys."""
    await app.process(stream)


@app.agent(app.source(EVENTS))
async def events(stream: Any) -> None:
    """Delivers the topic `events`: each becomes an event at Sailthru."""
    await app.process(stream)


@app.agent(app.source(AUDIENCE_MEMBERSHIP))
async def audience_membership(stream: Any) -> None:
    """Audiences become lists, memberships who is on them."""
    await app.process(stream)
