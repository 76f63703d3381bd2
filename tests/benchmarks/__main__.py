"""`python -m tests.benchmarks --only P1,P2`: a table on standard error, JSON lines on output."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import click
from rich.console import Console

from sandbox.kafka import UNKILLED, Kafka
from streams.runtime import collect_seldom
from tests.benchmarks import (
    backlog,
    calls,
    concurrency,
    hostile,
    idle,
    lanes,
    latency,
    loops,
    mapping,
    members,
    offered,
    outage,
    pacing,
    posts,
    results,
    router,
    uploads,
)
from tests.benchmarks.results import Result


class Row(NamedTuple):
    """One row of the table; without a broker where it needs none."""

    what: str
    run: Callable[..., Awaitable[list[Result]]]
    grows: bool = False
    """Whether it has a full form."""
    long: bool = False
    """Whether it runs only when it is named."""


# A table that is cut says nothing; a terminal that is narrower wraps.
_WIDTH = 140

ROWS = {
    "P1": Row("router against rivals", router.against_rivals),
    "P2": Row("mapping alone, P2m too", mapping.run),
    "P3": Row("order per user", lanes.run),
    "P4": Row("memory while a destination is down", backlog.down),
    "P5": Row("raw to accepted", latency.event),
    "P6": Row("router, 4 against 64 partitions", router.partitions),
    "P7": Row("idle worker", idle.run),
    "P8": Row("start with a past", backlog.past),
    "P9": Row("calls that snapshots cost", calls.run),
    "K1": Row("router beside Kafka Streams", router.beside_kafka_streams),
    "C1": Row("requests in flight, adapted", concurrency.run),
    "H1": Row("hostile messages", hostile.run),
    "R1": Row("posts to the receiver", posts.run),
    "L1": Row("event loops", loops.run),
    "S1": Row("Sailthru's ceiling", pacing.alone, long=True),
    "S2": Row("more than Sailthru's ceiling", offered.folding, long=True),
    "S3": Row("users who always fail", offered.failing, long=True),
    "S4": Row("a long outage", outage.run),
    "S5": Row("Sailthru's ceiling, shared by workers", pacing.together, long=True),
    "S6": Row("the same, skewed", pacing.leaning, long=True),
    "S7": Row("the same, and somebody else", pacing.foreign, long=True),
    "A1": Row("changes to AB Tasty", uploads.rate, grows=True),
    "A2": Row("one change to AB Tasty", latency.membership),
    "A3": Row("a poison row", uploads.poison),
    "A4": Row("members read to be sent again", members.run, grows=True, long=True),
}


def _chosen(_context: click.Context, _option: click.Parameter, value: str) -> list[str]:
    names = [name.strip().upper() for name in value.split(",") if name.strip()]
    if unknown := [name for name in names if name not in ROWS]:
        raise click.BadParameter(f"there is no {', '.join(unknown)}, but {', '.join(ROWS)}")
    return names or [name for name, row in ROWS.items() if not row.long]


@click.command()
@click.option(
    "--only",
    default="",
    callback=_chosen,
    help="Rows, such as P1,S5; else those that do not take long.",
)
@click.option(
    "--rounds", default=3, show_default=True, type=click.IntRange(min=1), help="Runs a number."
)
@click.option("--full", is_flag=True, help="The rows that name millions, with all of them.")
@click.option("--markdown", is_flag=True, help="The table of docs/benchmarks.md, not JSON lines.")
def main(only: list[str], rounds: int, full: bool, markdown: bool) -> None:
    """Measures against rivals on this machine. Nothing passes or fails by a time."""
    # It tells at length of what it tries again, such as topics that have only just been made.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # As all processes of ours do: some rows measure their code in this one.
    collect_seldom()
    found = asyncio.run(_run(only, rounds, full, Console(stderr=True, width=_WIDTH)))
    click.echo((results.markdown if markdown else results.json_lines)(found))


async def _run(names: list[str], rounds: int, full: bool, console: Console) -> list[Result]:
    found: list[Result] = []
    async with Kafka(settings=UNKILLED) as broker:
        for name in names:
            row = ROWS[name]
            console.print(f"{name}  {row.what} ...")
            options = {"full": full} if row.grows else {}
            of_row = await row.run(broker, rounds, **options)
            console.print(results.table(of_row))
            found += of_row
    return found


if __name__ == "__main__":
    main()
