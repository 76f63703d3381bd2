"""The objects that several stages of one destination's delivery share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from models.record import Record
from streams.delivery.completion import Completion
from streams.delivery.ordering.deduplication import Deduplication
from streams.delivery.ordering.staleness import Staleness
from streams.delivery.ordering.update_barrier import UpdateBarrier
from streams.delivery.policy import DeliveryPolicy
from streams.delivery.sink import Outlet
from streams.fencing import MaySend
from streams.topics import Topic


@dataclass(frozen=True, slots=True)
class Components:
    """A worker or a bulk fill makes them once, and hands them to each stage."""

    outlet: Outlet
    topics: Mapping[str, Topic]
    """By their names on the cluster."""
    completion: Completion
    deduplication: Deduplication
    staleness: Staleness
    barrier: UpdateBarrier
    may_send: MaySend
    policy: DeliveryPolicy

    @property
    def readers(self) -> Mapping[str, Callable[[bytes], Record]]:
        """What reads the records of each topic, by its name on the cluster."""
        return {name: self.outlet.sink.reader(topic) for name, topic in self.topics.items()}
