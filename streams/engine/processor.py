"""The contract between the engine and whatever works on its chunks."""

from collections.abc import Sequence
from typing import Protocol

from streams.engine.chunks import Chunk
from streams.engine.partition import Partition
from streams.outcomes import Blocked


class Processor(Protocol):
    """Takes chunks and ends each of their records, sooner or later, at the chunk's partition."""

    @property
    def blocked(self) -> Blocked | None:
        """Returns why nothing goes on until a person mends something; None while all is well."""

    @property
    def limited(self) -> str | None:
        """Returns the destination's limits that have been closed for longer than is ordinary."""

    @property
    def waits_on_purpose(self) -> bool:
        """Returns whether no progress is as it should be: blocked, or the destination is away."""

    async def run(self) -> None:
        """Works until cancelled; what it raises ends the worker."""

    async def assigned(self, partitions: Sequence[Partition]) -> None:
        """Returns soon; starts each partition when it is ready for its records, now or later."""

    async def held(self, partitions: Sequence[Partition]) -> None:
        """Is told of partitions that are assigned and not fetched for now.

        They are revoked like all others, or assigned when they can be fetched.
        """

    async def accept(self, chunk: Chunk) -> None:
        """Takes a chunk, without waiting for its end; called in fetch order of each partition."""

    async def revoked(self, partitions: Sequence[Partition], deadline: float) -> None:
        """Stops work on closed partitions; waits for what is in flight, `deadline` seconds."""
