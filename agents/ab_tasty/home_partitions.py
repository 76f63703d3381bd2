"""Knows which partitions of `ab-tasty-members` may hold members whose changes come elsewhere.

A member stands in the partition that the change came from. Their leave may come from another one:
users move when partitions are added, and a visitor id that is not the records' key may be that of
several users. So a leave would have to be written to all partitions, of which most hold no such
member. Who reads a partition, once a day, also looks whether all in it are at home, and notes that
beside the group's offset: then a leave of one at home in another partition is not written there.
"""

from collections.abc import Iterable, Mapping, Sequence

from aiokafka.structs import ConsumerRecord

from agents.ab_tasty.day_slices import visitor_of
from agents.ab_tasty.refresh_progress import Done
from streams.kafka.batch_writer import partition_of


class HomePartitions:
    """Shared by who reads the notes and who writes the leaves; without notes all are written."""

    def __init__(self, identity: str) -> None:
        """`identity` is the setting: of mParticle's id alone it follows where changes come from."""
        self._by_key = identity == "mpid"
        # Partition -> the number of partitions under which all in it were found at home.
        self._at_home: Mapping[int, int] = {}

    def note(self, done: Mapping[int, Done]) -> None:
        """Takes what stands beside the offsets of all partitions."""
        self._at_home = {at: each.partitions for at, each in done.items() if each.at_home}

    def mixed(self, partition: int, count: int) -> Sequence[int]:
        """Returns the others, of `count` partitions, that a leave must go to in any case."""
        others = (at for at in range(count) if at != partition)
        return [at for at in others if not self._by_key or self._at_home.get(at) != count]

    def is_home(self, key: bytes, partition: int, count: int) -> bool:
        """Returns whether a member's changes come from that partition, where there are `count`."""
        return self._by_key and partition_of(visitor_of(key).encode(), count) == partition


class Look:
    """Looks, while a partition is read, whether all in it are at home."""

    def __init__(self, home: HomePartitions, partition: int, count: int) -> None:
        self._home = home
        self._partition = partition
        self._count = count
        self.all_at_home = True

    def see(self, records: Iterable[ConsumerRecord]) -> None:
        """Takes the next records; those of who left since are seen until they are compacted."""
        self.all_at_home = self.all_at_home and all(
            each.value is None or self._home.is_home(each.key or b"", self._partition, self._count)
            for each in records
        )
