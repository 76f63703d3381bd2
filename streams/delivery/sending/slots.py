"""Says who is next to send, where endpoints share a number of requests in flight."""

import asyncio
from collections import Counter


class Slots:
    """So many requests at once; a free slot goes to the waiting endpoint that holds the fewest.

    So one whose answers take long fills what the others leave free, and never all that they need.
    Among those that hold as many, who came first is first.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._held = Counter[str]()
        self._in_use = 0
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []
        self._is_handing_out = False

    @property
    def are_taken(self) -> bool:
        return self._in_use >= self.count

    async def acquire(self, endpoint: str) -> None:
        """Waits for a slot."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((endpoint, turn))
        self._hand_out_soon()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.release(endpoint)  # it came at the moment in which it was no longer wanted
            raise

    def release(self, endpoint: str) -> None:
        """Returns a slot."""
        self._held[endpoint] -= 1
        self._in_use -= 1
        self._hand_out_soon()

    def resize(self, count: int) -> None:
        """Has more slots at once, or fewer as they are returned."""
        self.count = count
        self._hand_out_soon()

    def _hand_out_soon(self) -> None:
        # One slot in a turn of the event loop: who just got one asks for the next within a turn,
        # and several that are returned at once would else go to whoever waits at that moment.
        if not self._is_handing_out and self._waiting and not self.are_taken:
            self._is_handing_out = True
            asyncio.get_running_loop().call_soon(self._hand_out)

    def _hand_out(self) -> None:
        self._is_handing_out = False
        self._waiting = [each for each in self._waiting if not each[1].done()]
        if not self._waiting or self.are_taken:
            return
        first = min(self._waiting, key=lambda each: self._held[each[0]])
        self._waiting.remove(first)
        endpoint, turn = first
        self._held[endpoint] += 1
        self._in_use += 1
        turn.set_result(None)
        self._hand_out_soon()
