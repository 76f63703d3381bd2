"""What a leader divides among the members of its group."""

from types import SimpleNamespace

import pytest

from streams.engine.policy import EnginePolicy
from streams.topics import RAW
from tests.streams.engine.unstarted import coordinator_of, thread_of


class Cluster:
    """Metadata of which the first answers are empty, as of brokers that have just come up."""

    def __init__(self, empty: int) -> None:
        self.empty = empty
        self.updates = 0

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        assert topic == RAW.name
        return {0, 1} if self.updates >= self.empty else None

    async def force_metadata_update(self) -> bool:
        self.updates += 1
        return True


@pytest.mark.parametrize("empty", [0, 1, 3])
async def test_a_leader_divides_nothing_before_it_knows_the_topics(empty: int) -> None:
    """Brokers restarted while a worker subscribed, and nobody had partitions for ever.

    Static members that came later took over what those before them had (a simulation, seed 77).
    """
    cluster = Cluster(empty)
    known_when_divided = []

    async def perform(response: object) -> object:
        known_when_divided.append(cluster.partitions_for_topic(RAW.name))
        return response

    client = SimpleNamespace(cluster=cluster, force_metadata_update=cluster.force_metadata_update)
    coordinator = coordinator_of(_perform_assignment=perform, _client=client)
    thread = thread_of(None)
    thread.consumer.transport.policy = EnginePolicy(metadata_again_s=0.0)
    thread.supervise(coordinator)

    assert await coordinator._perform_assignment("members") == "members"
    assert (known_when_divided, cluster.updates) == ([{0, 1}], empty)
