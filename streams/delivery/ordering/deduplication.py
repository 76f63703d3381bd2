"""Remembers the ids of records that have ended, so that a repeat is not sent."""

from collections.abc import Collection

from faust.types import TP

from streams.delivery.lane import Item
from streams.delivery.ordering.partition_memory import PartitionMemory


class Deduplication:
    """Remembers ids: of records under way, and the last `limit` of those that ended."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._ended = PartitionMemory[bytes, None](limit)
        self._under_way: dict[bytes, Item] = {}

    def has_ended(self, tp: TP, id_: bytes) -> bool:
        return self._ended.has(tp, id_)

    def under_way(self, id_: bytes) -> Item | None:
        return self._under_way.get(id_)

    def mark_started(self, id_: bytes, item: Item) -> None:
        self._under_way[id_] = item

    def mark_ended(self, tp: TP, ids: Collection[bytes]) -> None:
        for id_ in ids:
            self._under_way.pop(id_, None)
        self._ended.put_all(tp, ids, None)

    def forget(self, tp: TP) -> None:
        """Forgets what ended in a partition: it is another's, or a person moved its offset."""
        self._ended.forget(tp)

    def close(self) -> None:
        """Forgets what was under way: it will be fetched again."""
        self._under_way.clear()
