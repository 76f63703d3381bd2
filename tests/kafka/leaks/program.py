"""The processes under test, and what Kafka says they have committed."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from models.record import RawPosition
from sandbox.guard import new_guard
from sandbox.ports import free_ports
from streams.kafka.commit_metadata import decode
from streams.settings import KafkaSettings
from streams.topics import RAW
from tests import zygote
from tests.cli.command import environment
from tests.routed import written
from tests.streams.cluster import producing
from tests.streams.records import event

SESSION_SECONDS = "6"
_SECONDS = 120
_LOOK_SECONDS = 0.05


class Program:
    """One process and the journal in which it tells what it did."""

    def __init__(self, process: subprocess.Popen[bytes], directory: Path) -> None:
        self.process = process
        self._journal = directory / "journal"
        self.log = directory / "log"

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def said(self) -> str:
        """The journal and the end of the log, for whoever has to find out."""
        return f"{self.told()}\n{self.logged()[-4000:]}"

    def logged(self) -> str:
        return self.log.read_text(errors="replace")

    def told(self) -> Sequence[str]:
        return self._journal.read_text().splitlines() if self._journal.exists() else ()

    def told_after(self, line: str) -> Sequence[str]:
        told = self.told()
        return told[told.index(line) + 1 :] if line in told else ()

    def numbers(self, word: str) -> set[int]:
        """All that it told after that word."""
        return {int(line.split()[1]) for line in self.told() if line.startswith(f"{word} ")}


@contextmanager
def started(
    module: str, cluster: KafkaSettings, directory: Path, **given: str
) -> Iterator[Program]:
    """Ends the process with SIGKILL, as a crash would: what it has not committed is not said."""
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap_servers,
        "KAFKA_PREFIX": cluster.prefix,
        "KAFKA_INITIAL_OFFSET": "earliest",
        "KAFKA_SESSION_TIMEOUT_S": SESSION_SECONDS,
        "WORKER_PORT": str(next(free_ports())),
        "JOURNAL": str(directory / "journal"),
        "DATA_DIRECTORY": str(directory / "data"),
    }
    guard = new_guard()
    with (directory / "log").open("wb") as log:
        process = zygote.Popen(
            [sys.executable, "-m", *module.split()],
            env=environment({**settings, **given}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=guard.pid,
        )
    try:
        yield Program(process, directory)
    finally:
        process.kill()
        process.wait()
        guard.communicate()


class Group:
    """What a restart would not be given again: before the committed offset, or in its text."""

    def __init__(self, consumer: AIOKafkaConsumer, at: TopicPartition) -> None:
        self._consumer, self._at = consumer, at
        self.offset = 0
        self.covered: frozenset[int] = frozenset()

    async def look(self) -> None:
        committed = await self._consumer._coordinator.fetch_committed_offsets([self._at])
        if self._at not in committed:
            return
        self.offset, text = committed[self._at]
        # Stock Faust writes no text.
        known = decode(text, self.offset, text.split("|")[1]) if text else None
        runs = known.ended if known else ()
        self.covered = frozenset(range(self.offset)).union(*(range(*run) for run in runs))


async def until(is_so: Callable[[], bool], program: Program, group: Group) -> None:
    """Raises what is no AssertionError, so that it never passes for a leak."""
    try:
        async with asyncio.timeout(_SECONDS):
            while not is_so():
                if program.ended:
                    raise ProcessLookupError(program.said())
                await asyncio.sleep(_LOOK_SECONDS)
                await group.look()
    except TimeoutError as error:
        raise TimeoutError(program.said()) from error


async def write(
    cluster: KafkaSettings, fates: Sequence[str], *, first: int = 0, one_user: bool = False
) -> None:
    """Events whose names are their fates, each of a user of its own where it is not said."""
    async with producing(cluster) as producer:
        for offset, fate in enumerate(fates, first):
            user = "17" if one_user else str(offset)
            at = RawPosition(topic=RAW.name, partition=0, offset=offset, index=0)
            record = event(user, fate, f"event-{offset}").model_copy(update={"raw": at})
            topic, key, value, headers = written(record)
            await producer.send_and_wait(
                cluster.topic(topic), value, key=key, headers=headers, partition=0
            )
