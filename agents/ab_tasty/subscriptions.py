"""Mode `firehose`: an audience's connect goes before its memberships."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import replace

from agents.ab_tasty.calls import Post
from models.audience import Audience
from streams.outcomes import Delivered, Outcome, Rejected

Send = Callable[[Post], Awaitable[Outcome]]


class Subscriptions:
    """The connects that are known here and have not been taken yet.

    An audience and its members may be in different partitions, so that their lanes know nothing of
    each other. A membership's lane sends the connect itself where that is still on its way, in a
    turn of its own, and the connect then does not go out again. Audiences that were connected
    before this worker saw them are not waited for: their connect may never come.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, Post] = {}
        self._taken: dict[str, Post] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def expect(self, audience_id: str, connect: Post) -> None:
        if self._taken.get(audience_id) != connect:
            self._waiting[audience_id] = connect

    def learn(self, audience: Audience) -> None:
        """A disconnect may have gone out from another worker: then an old connect must not."""
        if audience.state == "disconnected":
            self._waiting.pop(audience.audience_id, None)

    def before(self, memberships: Post) -> Post:
        """Returns what is to be sent first of these and the connects that still wait."""
        waiting = (self._waiting.get(each) for each in memberships.names)
        request = memberships
        for connect in filter(None, waiting):
            request = replace(connect, then=request)
        return request

    async def send(self, post: Post, send: Send) -> Outcome:
        """Sends a change of an audience, unless it is a connect that has been sent."""
        [audience_id] = post.names
        change = replace(post, then=None)
        async with self._turns[audience_id]:
            if post.then and self._waiting.get(audience_id) != change:
                return Delivered()  # the connect's own lane was quicker, or it is outdated
            if not post.then and self._taken.pop(audience_id, None) == change:
                return Delivered()
            outcome = await send(change)
            if isinstance(outcome, Delivered | Rejected):
                self._waiting.pop(audience_id, None)
            if post.then and isinstance(outcome, Delivered):
                self._taken[audience_id] = change
            return outcome
