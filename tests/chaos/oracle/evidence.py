"""What a run leaves behind: topics, commits, requests, and what was done to whom."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from aiokafka import AIOKafkaConsumer

from sandbox.mparticle import Ledger
from tests.chaos.disturbance import Disturbance
from tests.chaos.journal import Request
from tests.chaos.oracle.commits import COMMITS, Commits, read_commits

RAW = "mparticle-raw"
UPDATES = "user-update"
BY_USER = (UPDATES, "events", "audience-membership")
OTHERS = ("audiences", "privacy-requests")
DEAD_LETTERS = "dead-letters"


class Stored(NamedTuple):
    """One record as Kafka has it; `at` in unix seconds."""

    topic: str
    partition: int
    offset: int
    at: float
    key: bytes | None
    value: bytes


@dataclass(frozen=True)
class Evidence:
    """`commits` by group; `dead_letters` and the records of `stored` in offset order.

    `connections` are the most requests that one worker has under way at a destination.
    """

    stored: Mapping[str, Sequence[Stored]]
    commits: Mapping[str, Commits]
    requests: Sequence[Request]
    disturbances: Sequence[Disturbance]
    connections: Mapping[str, int]
    ledger: Ledger
    sailthru: Mapping[str, Any]
    ab_tasty: Mapping[str, Any]
    unsettled: Sequence[str] = ()

    def dead_letters(self) -> list[dict[str, Any]]:
        return [orjson.loads(each.value) for each in self.stored[DEAD_LETTERS]]


async def read_topics(bootstrap: str) -> dict[str, list[Stored]]:
    """Everything, each partition in its order."""
    topics = (RAW, *BY_USER, *OTHERS, DEAD_LETTERS)
    found: dict[str, list[Stored]] = {topic: [] for topic in topics}
    for stored in await _read(bootstrap, topics):
        found[stored.topic].append(stored)
    return found


async def read_groups(bootstrap: str) -> dict[str, Commits]:
    """Every group's commits, as Kafka itself keeps them."""
    return read_commits(
        (each.at, each.key, each.value) for each in await _read(bootstrap, [COMMITS])
    )


async def _read(bootstrap: str, topics: Iterable[str]) -> list[Stored]:
    found = []
    async with AIOKafkaConsumer(
        *topics, bootstrap_servers=bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for tp, records in (await consumer.getmany(timeout_ms=500)).items():
                found += [
                    Stored(
                        tp.topic,
                        tp.partition,
                        each.offset,
                        each.timestamp / 1000,
                        each.key,
                        each.value or b"",
                    )
                    for each in records
                ]
    return found
