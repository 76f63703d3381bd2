"""A consumer of aiokafka's that stops in a bounded time."""

import asyncio

from aiokafka import AIOKafkaConsumer


class Consumer(AIOKafkaConsumer):  # type: ignore[misc] # published without types
    """A consumer whose `stop` ends, where aiokafka's can hang for ever.

    Its fetcher leaves out the cancellations of the fetches that it ends when partitions go, and
    with them its own, when `stop` comes at that moment. Then it waits for partitions that never
    come, and `stop` for it (aiokafka 0.14, Fetcher._fetch_requests_routine). Fetches that it has
    just begun have their first turn here too: cancelled before it, they would end `stop`.
    """

    async def stop(self) -> None:
        """Ends the fetcher for certain before all else; may be called more than once."""
        if self._fetcher is not None:
            fetching = self._fetcher._fetch_task  # noqa: SLF001 - guarded by a test
            while not fetching.done():
                fetching.cancel()
                await asyncio.sleep(0)
        await super().stop()
