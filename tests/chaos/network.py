"""A replica's own network: a way to each broker, all of which are cut and healed together."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Self

from sandbox.kafka import Kafka
from sandbox.ports import HOST
from sandbox.proxy import Proxy


@dataclass(frozen=True)
class Network:
    """One proxy for each broker, in their order."""

    ways: Sequence[Proxy]

    @classmethod
    async def to(cls, brokers: int, stack: AsyncExitStack) -> Self:
        return cls([await stack.enter_async_context(Proxy()) for _ in range(brokers)])

    @property
    def bootstrap(self) -> str:
        return ",".join(f"{HOST}:{way.port}" for way in self.ways)

    def lead(self, brokers: Sequence[Kafka]) -> None:
        for way, broker in zip(self.ways, brokers, strict=True):
            way.target = broker.listeners[way.port]

    def cut(self) -> None:
        for way in self.ways:
            way.cut()

    def black_hole(self) -> None:
        for way in self.ways:
            way.black_hole()

    def heal(self) -> None:
        for way in self.ways:
            way.heal()
