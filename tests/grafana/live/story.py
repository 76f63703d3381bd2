"""Faults one after another, and what Prometheus made of them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cli.demo.world import WORKERS
from tests.grafana.live.faults import FAULTS, SLOW, Alert
from tests.grafana.live.prometheus import Prometheus
from tests.grafana.live.world import LiveWorld, running

_PATIENCE_SECONDS = 240.0
_POLL_SECONDS = 0.5
_QUIET_SECONDS = 5.0
_FIRING = 'ALERTS{alertstate="firing"}'
# Also what is about to be raised; and a worker that only just went.
_TROUBLE = "ALERTS or up == 0"


@dataclass
class Story:
    """Alerts raised before any fault, while each lasted, and while it was mended."""

    quiet: frozenset[Alert] = frozenset()
    lasting: dict[Sequence[str], frozenset[Alert]] = field(default_factory=dict)
    mending: dict[Sequence[str], frozenset[Alert]] = field(default_factory=dict)
    shown: Mapping[str, bool] = field(default_factory=dict)
    """Each query that was asked for, and whether it has ever had a number."""
    logged: list[str] = field(default_factory=list)
    """All lines of the workers' logs."""


async def live(
    directory: Path, phases: Iterable[Sequence[str]], queries: Collection[str] = ()
) -> Story:
    """Goes through the phases, whose faults happen at once; returns when all alerts have ended."""
    story = Story()
    async with running(directory) as world:
        targets = {worker: f"127.0.0.1:{port}" for worker, port in world.ports.items()}
        async with Prometheus(directory, targets) as prometheus:
            # Before its first scrape it misses all workers.
            await _over(world, prometheus, "all to be well")
            well = time.time()
            await asyncio.sleep(_QUIET_SECONDS)
            story.quiet = await _seen(prometheus, _FIRING, well)
            for names in phases:
                await _phase(world, prometheus, names, story)
            story.shown = {query: await prometheus.has_shown(query) for query in queries}
        for worker in WORKERS:
            story.logged += world.log(worker).read_text(encoding="utf-8").splitlines()
    return story


async def _phase(
    world: LiveWorld, prometheus: Prometheus, names: Sequence[str], story: Story
) -> None:
    faults = [(FAULTS | SLOW)[name] for name in names]
    began = time.time()
    # Each once the one before is seen: what is held gives the next one nothing to do.
    for name, fault in zip(names, faults, strict=True):
        await fault.begin(world)
        await _until(
            lambda: _seen(prometheus, "ALERTS", began), fault.raises.issubset, f"a sign of {name}"
        )
    raised = frozenset[Alert]().union(*(fault.raises for fault in faults))
    story.lasting[names] = await _until(
        lambda: _seen(prometheus, _FIRING, began), raised.issubset, f"the alerts of {names}"
    )
    mended = time.time()
    await asyncio.gather(*(fault.mend(world) for fault in faults))
    await _over(world, prometheus, f"all to end after {names}")
    story.mending[names] = await _seen(prometheus, _FIRING, mended)


async def _seen(prometheus: Prometheus, asked: str, since: float) -> frozenset[Alert]:
    # Each whole second from the start: one more, or the last would be left out.
    found = await prometheus.over(asked, since, time.time() + 1)
    return frozenset(Alert.of(each["metric"]) for each in found)


async def _over(world: LiveWorld, prometheus: Prometheus, what: str) -> None:
    async def trouble() -> frozenset[Alert]:
        world.check()  # whoever has ended by itself is waited for in vain
        return frozenset(Alert.of(each["metric"]) for each in await prometheus.query(_TROUBLE))

    try:
        await _until(trouble, lambda found: not found, what)
    except AssertionError as error:
        # A worker that is up may be slow to answer, or say what Prometheus does not understand.
        scrapes = await prometheus.scrape_errors()
        raise AssertionError(f"{error}; of its scrapes Prometheus says {scrapes}") from None


async def _until(
    look: Callable[[], Awaitable[frozenset[Alert]]],
    reached: Callable[[frozenset[Alert]], bool],
    what: str,
) -> frozenset[Alert]:
    found = frozenset[Alert]()
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not reached(found := await look()):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise AssertionError(f"waited in vain for {what}; there is {sorted(found)}") from None
    return found
