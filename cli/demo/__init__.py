"""`demo`: everything at once on this machine, with a summary that must add up."""

import asyncio
import logging
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console

from cli.demo.run import Demo, Wanted
from cli.demo.world import WorkerEndedError
from sandbox.kafka import BrokerError, fetch


@click.command(
    "demo", short_help="Run everything at once on this machine, and check that it adds up."
)
@click.option(
    "--messages",
    default=20_000,
    show_default=True,
    type=click.IntRange(min=1),
    help="Generated messages.",
)
@click.option(
    "--users",
    default=1_000,
    show_default=True,
    type=click.IntRange(min=1),
    help="People they are about.",
)
@click.option("--seed", default=1, show_default=True, help="The same seed, the same traffic.")
@click.option("--keep", is_flag=True, help="Leave everything running at the end, until Ctrl-C.")
@click.option(
    "--samples",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="MPARTICLE_SAMPLES",
    help="A folder of published mParticle messages to send along; also by MPARTICLE_SAMPLES.",
)
def command(messages: int, users: int, seed: int, keep: bool, samples: Path | None) -> None:
    """Sends generated mParticle messages through a Kafka on this machine, through the router and
    both sinks, to a simulated Sailthru and AB Tasty, and compares what arrived with what must.

    Exits with 0 when all is equal, with 1 and the differences otherwise.
    """  # noqa: D205 - click prints it as one paragraph
    console = Console()
    # A broker that has only just come up makes aiokafka try again, and say so.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    directory = Path(tempfile.mkdtemp(prefix="mparticle-streams-demo-"))
    wanted = Wanted(messages, users, seed, keep, samples)
    try:
        with console.status("Looking for Apache Kafka") as status:
            fetch(lambda name: status.update(f"Fetching Apache Kafka, the first time: {name}"))
        clean = asyncio.run(_until_told(Demo(console, directory, wanted)))
    except (BrokerError, WorkerEndedError, TimeoutError) as error:
        console.print(f"[red]{error}[/red]\nLogs are in {directory}", highlight=False)
        sys.exit(1)
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("Stopped.")
        shutil.rmtree(directory, ignore_errors=True)
        sys.exit(130)
    if clean:
        shutil.rmtree(directory, ignore_errors=True)
    else:
        console.print(f"Logs are in {directory}", highlight=False)
    sys.exit(0 if clean else 1)


async def _until_told(demo: Demo) -> bool:
    """Runs the demo; SIGINT and SIGTERM end it in order, at any moment."""
    task = asyncio.ensure_future(demo.run())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await task
