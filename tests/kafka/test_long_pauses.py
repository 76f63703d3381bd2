"""Workers that fetch nothing for longer than the poll interval, ours and stock Faust.

See test_leaks.py. The half hour is one as far as aiokafka can tell; Faust's default is 1,000 s.
"""

from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from sandbox.kafka import Kafka
from streams.kafka import clients
from streams.topics import EVENTS
from tests.kafka.leaks.engines import GROUP, both, running
from tests.kafka.leaks.program import Program, until, write
from tests.streams.cluster import create, settings

pytestmark = pytest.mark.kafka

LATER = "half an hour later"
LOOKS = ("member", "outsider")
FOR_GOOD = 8


@both("out of its group, aiokafka waits for a fetch, and Faust for it, faust-streaming/faust#138")
async def test_work_goes_on_after_a_pause_of_half_an_hour(
    kafka: Kafka, prefix: str, tmp_path: Path, engine: str
) -> None:
    cluster = settings(kafka, prefix, partitions=1)
    await create(cluster)
    await write(cluster, ["takes half an hour", *["passes"] * 7], one_user=True)
    worker = running(engine, cluster, tmp_path, WAY="one by one", WORKER_MAX_IN_FLIGHT_RECORDS="2")
    async with worker as (program, group):
        await until(lambda: group.offset == 8 or stays_outside(program), program, group)

        assert program.numbers("did") == set(range(8))


@both("a standby fetches nothing, so aiokafka leaves the group, aio-libs/aiokafka#1187")
async def test_a_standby_that_idled_for_half_an_hour_takes_over(
    kafka: Kafka, prefix: str, tmp_path: Path, engine: str
) -> None:
    cluster = settings(kafka, prefix, partitions=1)
    await create(cluster)
    holder = clients.new_consumer(
        cluster,
        cluster.topic(EVENTS.name),
        # Partitions go to members in the order of their names.
        client_id="a-holder",
        group_id=cluster.group(GROUP),
        partition_assignment_strategy=[RangePartitionAssignor, RoundRobinPartitionAssignor],
    )
    standby = running(engine, cluster, tmp_path, WAY="one by one", IDLES="yes")
    async with holder:
        # Whoever is in a group has begun it.
        await holder.commit({TopicPartition(cluster.topic(EVENTS.name), 0): 0})
        async with standby as (program, group):
            await until(lambda: LATER in program.told(), program, group)
            await holder.stop()
            await write(cluster, ["passes"])
            await until(lambda: group.offset == 1 or stays_outside(program), program, group)

            assert program.numbers("did") == {0}


def stays_outside(program: Program) -> bool:
    """So many looks in a row after the half hour, by a worker whose loop runs, say so."""
    looks = [line for line in program.told_after(LATER) if line in LOOKS]
    return len(looks) >= FOR_GOOD and set(looks[-FOR_GOOD:]) == {"outsider"}
