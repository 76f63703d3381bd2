"""Which records have ended lately, so that one that comes again is not sent twice."""

from collections import OrderedDict

from streams.delivery.lane import Item


class Horizon:
    """Remembers ids: of records under way, and the last `limit` of those that ended."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._ended: OrderedDict[bytes, None] = OrderedDict()
        self._under_way: dict[bytes, Item] = {}

    def has_ended(self, id_: bytes) -> bool:
        return id_ in self._ended

    def under_way(self, id_: bytes) -> Item | None:
        return self._under_way.get(id_)

    def started(self, id_: bytes, item: Item) -> None:
        self._under_way[id_] = item

    def ended(self, id_: bytes) -> None:
        self._under_way.pop(id_, None)
        self._ended[id_] = None
        if len(self._ended) > self._limit:
            self._ended.popitem(last=False)

    def close(self) -> None:
        """Forgets what was under way: it will be fetched again."""
        self._under_way.clear()
