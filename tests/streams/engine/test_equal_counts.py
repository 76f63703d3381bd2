"""Topics that belong together are read as far as all of them have partitions, and in step."""

from collections.abc import Mapping

import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from faust.types import TP

from streams.engine.equal_counts import EqualRanges, in_all

TOGETHER = ("user-update", "events", "audience-membership")


class Cluster:
    """Knows how many partitions topics have."""

    def __init__(self, **counts: int) -> None:
        self.counts = {name.replace("_", "-"): count for name, count in counts.items()}

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        count = self.counts.get(topic)
        return None if count is None else set(range(count))


def divided(cluster: Cluster, *members: str) -> Mapping[str, Mapping[str, list[int]]]:
    topics = [*TOGETHER, "mparticle-raw"]
    asking = {member: ConsumerProtocolMemberMetadata(0, topics, b"") for member in members}
    given = EqualRanges.of(TOGETHER).assign(cluster, asking)
    return {member: dict(each.assignment) for member, each in given.items()}


@pytest.mark.parametrize("raised", range(4))
def test_partitions_of_one_number_stay_with_one_member_while_topics_are_raised(raised: int) -> None:
    counts = {name.replace("-", "_"): 4 if n < raised else 2 for n, name in enumerate(TOGETHER)}
    given = divided(Cluster(**counts, mparticle_raw=4), "a", "b")
    first, second = ([0, 1], [2, 3]) if raised == len(TOGETHER) else ([0], [1])
    assert given == {
        "a": dict.fromkeys(TOGETHER, first) | {"mparticle-raw": [0, 1]},
        "b": dict.fromkeys(TOGETHER, second) | {"mparticle-raw": [2, 3]},
    }


def test_while_one_of_the_topics_is_not_known_nobody_can_say_what_all_have() -> None:
    given = divided(Cluster(user_update=4, events=4, mparticle_raw=1), "a")
    assert given == {"a": {**{topic: [] for topic in TOGETHER}, "mparticle-raw": [0]}}


def test_a_group_of_other_topics_reads_all_there_is() -> None:
    every = [TP("mparticle-raw", number) for number in range(3)]
    assert in_all(every, ()) == every
    assert in_all([*every, TP("events", 0)], TOGETHER) == every
