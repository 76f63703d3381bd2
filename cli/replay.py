"""`replay`: a worker's offsets go back."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import click

from agents import registry, rights
from cli import outputs
from cli.kafka_command import ask, table
from cli.times import Target
from streams.kafka.groups import stop_first
from streams.kafka.rights import Rights
from streams.operations.replay import Group, ReplayError, To, look, move
from streams.settings import DRY_RUN_SUFFIX, GROUP_PREFIX, KafkaSettings
from streams.topics import BY_USER, RAW


@click.command(
    "replay", short_help="Move a worker's offsets back, to deliver again what comes after them."
)
@click.argument("worker", metavar="WORKER")
@click.option(
    "--to",
    required=True,
    type=Target(),
    help="Where to begin again: earliest, an offset, a time (2026-01-31T00:00:00Z), or how long "
    "ago (2h). A time is when Kafka took a record of that topic.",
)
@click.option(
    "--topic",
    type=click.Choice([topic.name for topic in (RAW, *BY_USER)]),
    help="Only this topic, without prefix; an offset needs one.",
)
@click.option(
    "--partition",
    "partitions",
    multiple=True,
    type=click.IntRange(min=0),
    help="Only this partition; may be given more than once.",
)
@click.option("--execute", is_flag=True, help="Move the offsets, and not only show what would be.")
def command(
    worker: str, to: To, topic: str | None, partitions: Sequence[int], execute: bool
) -> None:
    """Moves back the offsets of WORKER's group: router, sailthru or ab-tasty, or the group's name.

    Stop its workers first. Each partition is shown with where it stands, where it would go, and how
    many records that is; only --execute moves it. Started again, the workers deliver what comes
    after, although it was delivered before. Offsets only go back: what was not delivered yet is
    never passed over.
    """
    if isinstance(to, int) and topic is None:
        raise click.UsageError("An offset means nothing without --topic.")

    async def work(kafka: KafkaSettings) -> bool:
        return await _replay(kafka, group_of(kafka, worker), to, topic, partitions, execute=execute)

    component, needed = rights_to("replay", worker)
    if topic is not None:
        needed = replace(needed, reads=tuple(each for each in needed.reads if each.name == topic))
    ask(work, component, needed if execute else needed.to_look())


def rights_to(what: str, worker: str) -> tuple[str, Rights]:
    """The component that does something with a worker's group, and what it needs for this one.

    `worker` is its name or its group's, a dry run's too; one that does not exist needs nothing.
    """
    name = worker.rpartition(GROUP_PREFIX)[2]
    component = f"{what}-{name.removesuffix(DRY_RUN_SUFFIX)}"
    if component not in rights.components():
        return component, Rights()
    return component, replace(rights.of(component), joins=(name,))


def group_of(kafka: KafkaSettings, worker: str) -> str:
    destinations = registry.destinations()
    workers = ["router", *destinations, *(f"{name}{DRY_RUN_SUFFIX}" for name in destinations)]
    groups = {name: kafka.group(name) for name in workers}
    if worker in groups.values():
        return worker
    if worker not in groups:
        raise click.UsageError(f"There is no worker {worker}: there are {', '.join(workers)}.")
    return groups[worker]


async def _replay(
    kafka: KafkaSettings,
    name: str,
    to: To,
    topic: str | None,
    partitions: Sequence[int],
    *,
    execute: bool,
) -> bool:
    try:
        group = await look(kafka, name, to, topic, partitions)
        _show(group)
        if execute:
            await move(kafka, group)
    except ReplayError as error:
        raise click.ClickException(str(error)) from None
    outputs.say(_ending(group, to, execute=execute))
    return True


def _show(group: Group) -> None:
    rows = [("topic", "partition", "from", "to", "records")]
    for tp, committed, to, deleted in group.moves:
        gone = f" ({deleted} more are deleted)" if deleted else ""
        rows.append(
            (tp.topic, str(tp.partition), str(committed), str(to), f"{committed - to}{gone}")
        )
    table(rows)


def _ending(group: Group, to: To, *, execute: bool) -> str:
    records = sum(each.records for each in group.moves)
    if not records:
        when = f"{to:%Y-%m-%dT%H:%M:%S%z}" if isinstance(to, datetime) else to
        return f"There is nothing before these offsets from {when} on: nothing is to be moved."
    if execute:
        return f"Moved: start the workers, and they deliver {records} records again."
    before = f" {stop_first(group.name)}" if group.live else ""
    return f"Nothing was moved: with --execute {records} records are delivered again.{before}"
