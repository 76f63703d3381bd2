"""Each way in which stock Faust loses records, and that ours does not.

The same records, the same work and the same verdict for both. That stock Faust fails is expected
strictly, with `make test-long`: so each test is known to be able to fail, and tells when Faust has
mended it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from sandbox.kafka import Kafka
from streams.topics import EVENTS, RAW
from tests.cli.messages import event_batch
from tests.kafka.leaks.engines import GROUP, OURS, STOCK, both, leaks, running
from tests.kafka.leaks.program import Program, until, write
from tests.kafka.log import everything
from tests.streams.cluster import configure, create, settings
from tests.streams.cluster import write as write_raw

pytestmark = pytest.mark.kafka


@dataclass(frozen=True)
class Leak:
    """The first `before` records are committed before the others are written."""

    way: str
    fates: Sequence[str]
    why: str
    before: int = 0
    one_user: bool = False


LEAKS = {
    "an exception": Leak(
        "one by one",
        ("passes", "breaks", "passes", "passes"),
        "a stream acknowledges also what the agent failed at, faust-streaming/faust#189",
    ),
    "an exception in a batch": Leak(
        "in batches",
        ("passes", "breaks", "passes", "passes", *["passes"] * 4),
        "take() acknowledges the whole batch that the agent failed at",
        one_user=True,
    ),
    "work in flight": Leak(
        "four at once",
        ("hangs", "passes", "passes", "passes"),
        "concurrency acknowledges out of order, and a new group commits what is highest",
    ),
    "a hole at the head": Leak(
        "acknowledging what is done",
        ("passes", "passes", "fails", "passes"),
        "one record not acknowledged at the head is committed over, faust-streaming/faust#606",
        before=2,
    ),
}


@pytest.mark.parametrize(
    ("engine", "leak"),
    [
        pytest.param(engine, leak, id=f"{name}-{of}", marks=marks)
        for name, leak in LEAKS.items()
        for of, engine, marks in (("ours", OURS, ()), ("stock", STOCK, leaks(leak.why)))
    ],
)
async def test_nothing_that_was_not_done_is_committed(
    kafka: Kafka, prefix: str, tmp_path: Path, engine: str, leak: Leak
) -> None:
    cluster = settings(kafka, prefix, partitions=1)
    await create(cluster)
    [odd], last = set(leak.fates) - {"passes"}, len(leak.fates) - 1
    await write(cluster, leak.fates[: leak.before or None], one_user=leak.one_user)
    async with running(engine, cluster, tmp_path, WAY=leak.way) as (program, group):
        if leak.before:
            await until(lambda: group.offset == leak.before, program, group)
            await write(cluster, leak.fates[leak.before :], first=leak.before)
        await until(lambda: odd in program.told(), program, group)
        await until(lambda: program.ended or last in group.covered, program, group)
        await group.look()

        assert group.covered <= program.numbers("did")


@both("its bookkeeping goes on after a refused commit, faust-streaming/faust#316")
async def test_a_refused_commit_is_not_taken_for_done(
    kafka: Kafka, prefix: str, tmp_path: Path, engine: str
) -> None:
    cluster = settings(kafka, prefix, partitions=1)
    await create(cluster)
    await write(cluster, ["passes", "passes"])
    way = "acknowledging what is done"
    async with running(engine, cluster, tmp_path, WAY=way) as (program, group):
        await until(lambda: group.offset == 2, program, group)
        await write(cluster, ["is expelled"], first=2)
        await until(lambda: len(commits_since("expelled", program)) > 2, program, group)

        assert group.offset == 2
        assert max(program.numbers("believes")) == 2


def commits_since(word: str, program: Program) -> Sequence[str]:
    return [line for line in program.told_after(word) if line.startswith("believes ")]


@pytest.mark.parametrize(
    ("engine", "group"),
    [
        pytest.param("cli worker router", "router", id="ours"),
        pytest.param(
            STOCK,
            GROUP,
            id="stock",
            marks=leaks("a commit flushes the producer and does not look at what became of it"),
        ),
    ],
)
async def test_nothing_is_committed_whose_records_could_not_be_written(
    kafka: Kafka, prefix: str, tmp_path: Path, engine: str, group: str
) -> None:
    """A flush before a commit is no proof that Kafka took what was written."""
    cluster = settings(kafka, prefix, partitions=1)
    await create(cluster)
    await write_raw(cluster, RAW, read("short"), read("short"))
    worker = running(engine, cluster, tmp_path, group=group, topic=RAW, WAY="sending on")
    async with worker as (program, at):
        await until(lambda: at.offset == 2, program, at)
        # Only now: what is known when a worker starts becomes a dead letter.
        await configure(cluster, EVENTS, {"max.message.bytes": "5000"})
        await write_raw(cluster, RAW, read("long " * 5_000), read("short"))
        await until(lambda: program.ended or at.offset == 4, program, at)
        await at.look()
        written = {
            orjson.loads(each.value)["raw"]["offset"] for each in await everything(cluster, EVENTS)
        }

        assert at.covered <= written


def read(text: str) -> bytes:
    attributes = {"text": text}
    data = {"event_name": "Read", "custom_attributes": attributes}
    return event_batch({"event_type": "custom_event", "data": data})
