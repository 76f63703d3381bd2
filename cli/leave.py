"""`leave`: replicas that do not come back are put out of their group."""

from collections.abc import Sequence

import click

from cli import outputs
from cli.kafka_command import ask, table
from cli.replay import group_of, rights_to
from streams.kafka.static_members import members, remove
from streams.settings import KafkaSettings

_NONE = "\u2013"


@click.command("leave", short_help="Put replicas that do not come back out of their group.")
@click.argument("worker", metavar="WORKER")
@click.argument("instances", metavar="[INSTANCE]...", nargs=-1)
def command(worker: str, instances: Sequence[str]) -> None:
    """Puts each INSTANCE, a KAFKA_GROUP_INSTANCE_ID, out of WORKER's group.

    WORKER is router, sailthru or ab-tasty, or the group's name. Without an INSTANCE all members are
    shown.

    Stop the replica first: one that still runs joins again. A replica with a name of its own keeps
    its partitions while it is away, unread, for KAFKA_SESSION_TIMEOUT_S. Put out of the group, it
    keeps nothing, and the others go on with its partitions at once.
    """

    async def work(kafka: KafkaSettings) -> bool:
        group = group_of(kafka, worker)
        return await (_remove(kafka, group, instances) if instances else _show(kafka, group))

    component, needed = rights_to("leave", worker)
    ask(work, component, needed if instances else needed.to_look())


async def _show(kafka: KafkaSettings, group: str) -> bool:
    rows = [
        (each.instance or _NONE, each.client, each.host) for each in await members(kafka, group)
    ]
    if rows:
        table([("instance", "client", "host"), *rows])
    else:
        outputs.say(f"The group {group} has no members at {kafka.bootstrap_servers}.")
    return True


async def _remove(kafka: KafkaSettings, group: str, instances: Sequence[str]) -> bool:
    unknown = await remove(kafka, group, instances)
    for each in instances:
        is_out = each not in unknown
        outputs.say(f"{each} {'is out of' if is_out else 'is not in'} the group {group}.")
    return not unknown
