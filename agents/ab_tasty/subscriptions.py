"""Mode `firehose`: an audience's connect goes before its memberships."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable

from agents.ab_tasty.calls import Post
from models.audience import Audience
from streams.outcomes import Delivered, Outcome, Rejected

Send = Callable[[Post], Awaitable[Outcome]]


class Subscriptions:
    """The connects that are known here and have not been taken yet.

    An audience and its members may be in different partitions, so that their lanes know nothing of
    each other. A membership sends the connect itself where that is still on its way, and the
    connect then does not go out again. Audiences that were connected before this worker saw them
    are not waited for: their connect may never come.
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

    async def subscription(self, post: Post, send: Send) -> Outcome:
        """Sends a change of an audience, unless it is a connect that a membership has sent."""
        [audience_id] = post.names
        async with self._turns[audience_id]:
            if self._taken.pop(audience_id, None) == post:
                return Delivered()
            outcome = await send(post)
            if isinstance(outcome, Delivered | Rejected):
                self._waiting.pop(audience_id, None)
            return outcome

    async def before_memberships(self, audience_ids: Iterable[str], send: Send) -> Outcome:
        """Sends what is still waiting of these; returns why it must be waited for, or Delivered."""
        for audience_id in audience_ids:
            if audience_id not in self._waiting:
                continue
            async with self._turns[audience_id]:
                connect = self._waiting.get(audience_id)
                outcome = await send(connect) if connect else Delivered()
                if not isinstance(outcome, Delivered | Rejected):
                    return outcome
                self._waiting.pop(audience_id, None)
                if connect and isinstance(outcome, Delivered):
                    self._taken[audience_id] = connect
        return Delivered()
