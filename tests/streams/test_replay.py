"""Where a replay begins: only ever back, and never before what Kafka has."""

import pytest
from aiokafka import TopicPartition

from streams.operations.replay import Move, Place, plan

TP = TopicPartition("events", 0)


@pytest.mark.parametrize(
    ("place", "to", "deleted"),
    [
        pytest.param(Place(TP, 10, 0, 4), 4, 0, id="back"),
        pytest.param(Place(TP, 10, 0, 0), 0, 0, id="to the beginning"),
        pytest.param(Place(TP, 10, 6, 4), 6, 2, id="to before what Kafka has"),
        pytest.param(Place(TP, 10, 0, 10), 10, 0, id="to where it stands"),
        pytest.param(Place(TP, 10, 0, 12), 10, 0, id="never forward"),
        pytest.param(Place(TP, 10, 0, None), 10, 0, id="to a time at which nothing came any more"),
        pytest.param(Place(TP, 10, 20, 4), 10, 6, id="never over a gap that holds the partition"),
    ],
)
def test_a_partition_goes(place: Place, to: int, deleted: int) -> None:
    assert plan([place]) == [Move(TP, 10, to, deleted)]


def test_partitions_are_told_in_order_with_how_many_records_come_again() -> None:
    places = [Place(TopicPartition(*tp), 10, 0, 4) for tp in (("b", 0), ("a", 10), ("a", 9))]
    assert [(each.tp.topic, each.tp.partition, each.records) for each in plan(places)] == [
        ("a", 9, 6),
        ("a", 10, 6),
        ("b", 0, 6),
    ]
