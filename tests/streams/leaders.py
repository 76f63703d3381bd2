"""Who leads the partitions of a topic, as a client knows it; no broker is asked."""

from collections.abc import Mapping
from typing import Any


class Cluster:
    """What a client knows of a cluster."""

    def __init__(self, leaders: Mapping[int, int | None]) -> None:
        self.leaders = leaders
        self.cluster = self

    def partitions_for_topic(self, _topic: str) -> set[int]:
        return set(self.leaders)

    def leader_for_partition(self, at: Any) -> int | None:
        return self.leaders[at.partition]
