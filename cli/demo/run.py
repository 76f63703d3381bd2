"""One run of the demo, from empty topics to the verdict."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from agents import registry
from cli.demo.compare import differences
from cli.demo.figures import Figures, why_not_ready
from cli.demo.lag import Lag
from cli.demo.publish import publish
from cli.demo.summary import Run, sums, table
from cli.demo.world import WORKERS, World
from sandbox.mparticle import Ledger, Message, duration_ms, generate, handwritten
from streams import topics

READS = {
    "router": (topics.RAW.name,),
    "sailthru": tuple(topic.name for topic in topics.BY_USER),
    "ab-tasty": (topics.AUDIENCE_MEMBERSHIP.name,),
}
_POLL_SECONDS = 0.5
_STALLED_SECONDS = 60.0
_MAX_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """A demo as it was asked for; `samples` is a folder of published messages."""

    messages: int
    users: int
    seed: int
    keep: bool = False
    samples: Path | None = None


class Demo:
    """Runs once; prints what it does."""

    def __init__(self, console: Console, directory: Path, wanted: Wanted) -> None:
        self._console = console
        self._directory = directory
        self._wanted = wanted
        self._ended_at: dict[str, float] = {}

    async def run(self) -> bool:
        """Returns whether everything arrived as it must, and every sum comes out."""
        say = self._console.print
        say("Starting Apache Kafka, a simulated Sailthru and AB Tasty, and three workers.")
        async with World(self._directory) as world:
            for worker in WORKERS:
                world.start(worker)
            say(f"  Kafka     {world.kafka.bootstrap_servers}", highlight=False)
            say(f"  Sailthru  {world.sailthru_url}/_sandbox/state", highlight=False)
            say(f"  AB Tasty  {world.ab_tasty_url}/_sandbox/state", highlight=False)
            for worker in WORKERS:
                say(f"  {worker:<9} {world.address(worker)}/metrics", highlight=False)
            clean = await self._traffic(world)
            if self._wanted.keep:
                say("All of it keeps running: Ctrl-C ends it.")
                await asyncio.Event().wait()
            return clean

    async def _traffic(self, world: World) -> bool:
        started = time.monotonic()
        now_ms = int(time.time() * 1000)
        wanted = self._wanted
        start_ms = now_ms - duration_ms(wanted.messages)
        traffic = generate(wanted.seed, wanted.users, wanted.messages, start_ms)
        by_hand, ledger = handwritten(now_ms)
        samples = [file.read_bytes() for file in _files(wanted.samples)]
        everything = chain(traffic, by_hand, (Message(None, sample) for sample in samples))
        published = await self._deliver(world, everything, wanted.messages + len(by_hand))
        ledger.merge(traffic.ledger)
        seconds = {worker: ended - started for worker, ended in self._ended_at.items()}
        run = await self._look(world, ledger, published, seconds)
        self._console.print(table(run))
        return self._judge(world, run, samples)

    async def _deliver(self, world: World, messages: Iterable[Message], about: int) -> int:
        """Publishes, and waits until every record has ended and Kafka knows it."""
        columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=self._console) as bars:
            writing = bars.add_task("published", total=about)
            published = await publish(
                world.kafka, messages, lambda count: bars.update(writing, completed=count)
            )
            bars.update(writing, total=published)
            tasks = {worker: bars.add_task(f"ended at {worker}", total=None) for worker in WORKERS}
            async with Lag.open(world.kafka) as lag:
                for worker in WORKERS:
                    await self._wait(world, lag, worker, bars, tasks)
                    self._ended_at[worker] = time.monotonic()
        return published

    async def _wait(
        self, world: World, lag: Lag, worker: str, bars: Progress, tasks: dict[str, TaskID]
    ) -> None:
        """Waits for one worker, and shows how far all of them are."""
        moved = time.monotonic()
        before = -1
        while True:
            world.check()
            for name, task in tasks.items():
                progress = await lag.of(name, READS[name])
                bars.update(task, completed=progress.ended, total=progress.there)
                if name == worker:
                    mine = progress
            if mine.done:
                return
            if mine.ended != before:
                before, moved = mine.ended, time.monotonic()
            elif time.monotonic() - moved > _STALLED_SECONDS:
                raise TimeoutError(
                    f"The {worker} worker made no progress for {_STALLED_SECONDS:.0f} s. "
                    f"It says: {await why_not_ready(world.address(worker))}"
                )
            await asyncio.sleep(_POLL_SECONDS)

    async def _look(
        self, world: World, ledger: Ledger, published: int, seconds: Mapping[str, float]
    ) -> Run:
        async with Lag.open(world.kafka) as lag:
            ends = await lag.ends(topic.name for topic in registry.all_topics())
        counts = dict.fromkeys((topic.name for topic in registry.all_topics()), 0)
        for partition, end in ends.items():
            counts[partition.topic] += end
        services = {"sailthru": world.sailthru, "ab-tasty": world.ab_tasty}
        return Run(
            ledger=ledger,
            published=published,
            seconds=seconds,
            topics=counts,
            router=await Figures.read(world.address("router")),
            sinks={name: await Figures.read(world.address(name)) for name in services},
            requests={name: service.counts for name, service in services.items()},
            ceilings={name: service.ceilings() for name, service in services.items()},
            reads=READS,
        )

    def _judge(self, world: World, run: Run, samples: list[bytes]) -> bool:
        wrong = sums(run)
        wrong += differences(run.ledger, world.sailthru.state(), world.ab_tasty.state(), samples)
        say = self._console.print
        routed, ended = run.seconds["router"], max(run.seconds.values())
        say(
            f"{run.published:,} messages were published and routed in {routed:.0f} s "
            f"({run.published / routed:,.0f} a second), and all had ended after {ended:.0f} s."
        )
        if not wrong:
            say(
                f"[green]All equal:[/green] {len(run.ledger.profiles):,} profiles, "
                f"{len(run.ledger.audiences)} lists and {len(run.ledger.segments):,} visitors' "
                "segments are as the ledger says, every event once, and every sum comes out."
            )
            return True
        say(f"[red]{len(wrong):,} differences:[/red]")
        for sentence in wrong[:_MAX_SHOWN]:
            say(f"  {sentence}", highlight=False, markup=False)
        if len(wrong) > _MAX_SHOWN:
            say(f"  and {len(wrong) - _MAX_SHOWN:,} more")
        return False


def _files(folder: Path | None) -> list[Path]:
    return sorted(folder.glob("*.json")) if folder else []
