"""A4: memory of an AB Tasty worker that reads who is in the audiences, to send a slice again."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import web

from agents.ab_tasty.day_slices import joined_value
from agents.ab_tasty.mapping import segment
from agents.ab_tasty.refresh import DAY_MS
from agents.ab_tasty.settings import AbTastySettings
from agents.ab_tasty.topics import AB_TASTY_AUDIENCES, AB_TASTY_MEMBERS
from agents.agreed_names import same
from models.accepted_audience import AcceptedAudience
from models.owned_name import OwnedName
from sandbox.ab_tasty import AbTasty
from sandbox.kafka import Kafka
from sandbox.server import running
from streams.settings import KafkaSettings
from tests.benchmarks.events import AUDIENCES
from tests.benchmarks.log import Log
from tests.benchmarks.observed import observed
from tests.benchmarks.processes import Subject, ab_tasty_settings
from tests.benchmarks.results import Result, at_most
from tests.streams import cluster

_PARTITIONS = 4
_TEMPLATE: str = AbTastySettings.model_fields["segment_name_template"].default
_DAYS = 21
# Long enough ago that the rows of the slice are due.
_ACCEPTED_DAYS_AGO = 10
_MEMBERS, _ALL_MEMBERS = 1_000_000, 10_000_000
_MOST_SECONDS = 1_800.0


async def run(
    broker: Kafka, _rounds: int, *, full: bool = False, members: int = _MEMBERS
) -> list[Result]:
    """Once: a peak has no second time. The slice of a day is read and sent in all partitions."""
    members = _ALL_MEMBERS if full else members
    rows = [0]

    def tell(_request: web.Request, body: bytes) -> None:
        rows[0] += body.count(b"\n") - 1

    with TemporaryDirectory() as directory:
        async with (
            Log.on(broker, partitions=_PARTITIONS) as log,
            running(observed(AbTasty(), "POST segments", tell)) as url,
        ):
            await log.fill(AB_TASTY_AUDIENCES, 0, audiences())
            for partition in range(_PARTITIONS):
                entries = _members(range(partition, members, _PARTITIONS))
                await log.fill(AB_TASTY_MEMBERS, partition, entries)
            today = await only_today_is_left(log.kafka)
            started = time.monotonic()
            settings = {**ab_tasty_settings(url), "ABTASTY_REFRESH_INTERVAL_DAYS": str(_DAYS)}
            async with Subject(
                "worker", Path(directory), log.kafka, "ab-tasty", **settings
            ) as worker:
                await _until_done(log.kafka, worker, today)
                readings = worker.readings()
    seconds = time.monotonic() - started
    before, peak = readings.marks["assigned"].peak, readings.samples[-1].peak
    case = f"{members:,} members, a slice of {_DAYS}"
    return [
        Result("A4", case, "peak memory, since assignment", "MB", [(peak - before) / 2**20]),
        Result("A4", case, "peak memory", "MB", [peak / 2**20], at_most(512)),
        Result("A4", case, "rows sent again / a slice", "ratio", [rows[0] / members * _DAYS]),
        Result("A4", case, "all partitions, start of the worker included", "s", [seconds]),
    ]


def audiences() -> Iterator[tuple[bytes, bytes]]:
    """The names of all, as a worker has fixed them that has had members of each accepted."""
    for number in range(AUDIENCES):
        id_, name = str(900 + number), f"Audience {number}"
        known = AcceptedAudience(audience_id=id_, name=name, accepted=True)
        yield id_.encode(), known.model_dump_json().encode()
        owned = OwnedName(owned=segment(_TEMPLATE, id_, name), audience_id=id_)
        yield f"name/{same(owned.owned)}".encode(), owned.model_dump_json().encode()


def _members(numbers: range) -> Iterator[tuple[bytes, bytes]]:
    accepted = joined_value(int(time.time() * 1000) - _ACCEPTED_DAYS_AGO * DAY_MS, "mpid")
    for number in numbers:
        user, audience = divmod(number, AUDIENCES)
        yield b"%d/%d" % (10**18 + user, 900 + audience), accepted


def _places(kafka: KafkaSettings) -> list[tuple[str, int]]:
    return [
        (kafka.topic(AB_TASTY_MEMBERS.name), number) for number in range(kafka.topic_partitions)
    ]


def _group(kafka: KafkaSettings) -> str:
    return kafka.group("ab-tasty-refresh")


async def only_today_is_left(kafka: KafkaSettings) -> str:
    """Tells the worker that all days before were done; returns how it notes that today is."""
    today = int(time.time() * 1000) // DAY_MS
    await _note_done(kafka, _DAYS, today - 1)
    return f"{_DAYS} {today} 0"


async def nothing_is_left(kafka: KafkaSettings) -> None:
    """Tells a worker with its usual settings that today's slice was sent, as on any later start."""
    days = AbTastySettings.model_fields["refresh_interval_days"].default
    await _note_done(kafka, days, int(time.time() * 1000) // DAY_MS)


async def _note_done(kafka: KafkaSettings, days: int, day: int) -> None:
    done = dict.fromkeys(_places(kafka), (0, f"{days} {day} 0"))
    await cluster.commit(kafka, _group(kafka), done)


async def _until_done(kafka: KafkaSettings, worker: Subject, today: str) -> None:
    async with asyncio.timeout(_MOST_SECONDS):
        while await _noted(kafka) != {today}:
            worker.check()
            await asyncio.sleep(1)


async def _noted(kafka: KafkaSettings) -> set[str]:
    """What stands beside the offsets of all partitions."""
    async with cluster.assigned(kafka, _group(kafka), _places(kafka)) as consumer:
        places = list(consumer.assignment())
        noted = await consumer._coordinator.fetch_committed_offsets(places)
    return {noted[each].metadata for each in places}
