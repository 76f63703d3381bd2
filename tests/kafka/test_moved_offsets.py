"""A person moves a group's offsets with Kafka's own command while its workers are down."""

import asyncio
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.demo.lag import Lag
from cli.demo.run import READS
from sandbox.kafka import Kafka, command_line
from streams.kafka.batch_writer import Outgoing
from streams.kafka.commit_metadata import Progress, encode
from streams.settings import KafkaSettings
from streams.topics import AUDIENCE_MEMBERSHIP, EVENTS, RAW, Topic
from tests.cli.messages import custom_event, event_batch
from tests.kafka.outside import RECORDS, Outside, email, event, membership, mpid, outside
from tests.streams.cluster import assigned, commit, create, producing, settings

RESET = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"


def raw(number: int) -> Outgoing:
    identity = {"identity_type": "email", "identity": email(number)}
    value = event_batch(custom_event("Read"), mpid=mpid(number), user_identities=[identity])
    return Outgoing(RAW.name, mpid(number).encode(), value, [])


@dataclass(frozen=True)
class Case:
    """Whose offsets are moved, what it reads, and who takes part in the delivery."""

    worker: str
    topic: Topic
    record: Callable[[int], Outgoing]
    workers: Sequence[str]
    move: tuple[str, str]
    again: range
    """The users in the first partition's range."""


CASES = [
    Case("router", RAW, raw, ("router", "sailthru"), ("--to-offset", "2"), range(2, 6)),
    Case("sailthru", EVENTS, event, ("sailthru",), ("--shift-by", "-3"), range(3, 6)),
    Case(
        "ab-tasty",
        AUDIENCE_MEMBERSHIP,
        membership,
        ("ab-tasty",),
        ("--to-offset", "4"),
        range(4, 6),
    ),
]


@pytest.mark.kafka
@pytest.mark.parametrize("case", CASES, ids=[case.worker for case in CASES])
async def test_exactly_what_is_behind_a_moved_offset_is_delivered_again(
    kafka: Kafka, prefix: str, tmp_path: Path, case: Case
) -> None:
    """And where another tool has copied our text beside the offset, the text does not count."""
    cluster = settings(kafka, prefix)
    group, topic = cluster.group(case.worker), cluster.topic(case.topic.name)
    await create(cluster)
    await write(cluster, case)
    async with outside(cluster, tmp_path) as world, Lag.open(cluster) as lag:
        await work_off(world, lag, case)
        assert world.sent == Counter(range(2 * RECORDS))

        world.sent.clear()
        await move(kafka, group, f"{topic}:0", *case.move)
        cluster_id = await cluster_of(cluster, group, topic)
        copied = encode(Progress(0, ((2, 5),)), cluster_id)
        await commit(cluster, group, {(topic, 1): (1, copied)})
        await work_off(world, lag, case)
        assert world.sent == Counter([*case.again, *range(RECORDS + 1, 2 * RECORDS)])


async def write(cluster: KafkaSettings, case: Case) -> None:
    async with producing(cluster) as producer:
        for number in range(2 * RECORDS):
            topic, key, value, headers = case.record(number)
            await producer.send_and_wait(
                cluster.topic(topic),
                value,
                key=key,
                headers=headers,
                partition=number // RECORDS,
            )


async def work_off(world: Outside, lag: Lag, case: Case) -> None:
    """Starts the workers, and stops them when nothing is left to do."""
    processes = [world.start(worker) for worker in case.workers]
    try:
        async with asyncio.timeout(60):
            for worker in case.workers:
                while not (await lag.of(worker, READS[worker])).done:
                    assert not any(process.code for process in processes)
                    await asyncio.sleep(0.1)
    finally:
        codes = await asyncio.gather(*(process.stop() for process in processes))
    assert codes == [0] * len(processes)


async def move(kafka: Kafka, group: str, partition: str, *how: str) -> None:
    arguments = (
        "--bootstrap-server", kafka.bootstrap, "--group", group, "--topic", partition,
        "--reset-offsets", *how, "--execute",
    )  # fmt: skip
    tool = await asyncio.create_subprocess_exec(
        *command_line(RESET, *arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said, _ = await tool.communicate()
    assert tool.returncode == 0, said.decode()


async def cluster_of(cluster: KafkaSettings, group: str, topic: str) -> str:
    """The cluster's id, as the worker itself has written it beside its offset."""
    async with assigned(cluster, group, [(topic, 1)]) as consumer:
        partitions = list(consumer.assignment())
        committed = await consumer._coordinator.fetch_committed_offsets(partitions)
    [(_, text)] = committed.values()
    return str(text.split("|")[1])
