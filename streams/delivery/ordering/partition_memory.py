"""A bounded memory of keyed entries, kept by partition."""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from faust.types import TP

Key = TypeVar("Key")
Value = TypeVar("Value")


class PartitionMemory(Generic[Key, Value]):
    """Holds `limit` entries at most, of all partitions together, each partition's newest last.

    Above that the partition that has most forgets its oldest: several at once, as it has to be
    found. `forgets` is told of each entry that has no room any more.
    """

    def __init__(
        self, limit: int, forgets: Callable[[TP, Value], None] = lambda _tp, _value: None
    ) -> None:
        self.limit = limit
        self._forgets = forgets
        self._of: defaultdict[TP, OrderedDict[Key, Value]] = defaultdict(OrderedDict)
        self._count = 0

    def has(self, tp: TP, key: Key) -> bool:
        return key in self._of[tp]

    def get(self, tp: TP, key: Key) -> Value | None:
        return self._of[tp].get(key)

    def put(self, tp: TP, key: Key, value: Value) -> None:
        self.put_all(tp, (key,), value)

    def put_all(self, tp: TP, keys: Iterable[Key], value: Value) -> None:
        """Puts one value under many keys, in their order."""
        mine = self._of[tp]
        for key in keys:
            if key in mine:
                mine.move_to_end(key)
            else:
                self._count += 1
            mine[key] = value
        while self._count > self.limit:
            self._forget_oldest()

    def drop(self, tp: TP, key: Key) -> None:
        """Forgets one entry, if it is there."""
        if self._of[tp].pop(key, None) is not None:
            self._count -= 1

    def _forget_oldest(self) -> None:
        tp, most = max(self._of.items(), key=lambda each: len(each[1]))
        too_many = self._count - self.limit + self.limit // 1_000
        for _ in range(min(too_many, len(most))):
            _, value = most.popitem(last=False)
            self._count -= 1
            self._forgets(tp, value)

    def forget(self, tp: TP) -> None:
        """Forgets all of a partition."""
        self._count -= len(self._of.pop(tp, ()))
