"""The AB Tasty worker: `faust -A agents.ab_tasty.app worker`."""

from typing import Any

from agents.ab_tasty.sink import DESTINATION
from agents.workers import worker_app
from streams.topics import AUDIENCE_MEMBERSHIP

app = worker_app(DESTINATION)


@app.agent(app.source(AUDIENCE_MEMBERSHIP))
async def audience_membership(stream: Any) -> None:
    """Audiences become segments, memberships who is in them."""
    await app.process(stream)
