"""`dead-letters redrive`: what failed goes again to where it failed."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import click

from agents import registry
from cli.asking import ask
from cli.dead_letters import choosing
from cli.dead_letters.choosing import PositionType
from streams.answering import UnansweredError
from streams.dead_letters_log import Choice, DeadLetterLog, Found, NoDeadLetterError, Position
from streams.dead_letters_redrive import Again, Plan, Redrive
from streams.reach import Reach
from streams.settings import KafkaSettings
from streams.stretches import Reader


@click.command("redrive", short_help="Send them again, to just the destination that failed.")
@click.argument("positions", nargs=-1, metavar="[POSITION]...", type=PositionType())
@choosing.options
@click.option(
    "--beyond-horizon",
    is_flag=True,
    help="Also those of which workers no longer know what they delivered (KAFKA_HORIZON_IDS).",
)
@click.option("--execute", is_flag=True, help="Send them, and not only show what would be sent.")
def redrive(
    positions: tuple[Position, ...], beyond_horizon: bool, execute: bool, **which: Any
) -> None:
    """Sends again what failed, once its cause is mended: these POSITIONs, or all that are chosen.

    A record goes back to its topic, for the destination that failed alone. A raw message goes back
    to the router, and the destinations know again what they have had of it. A dead letter that is
    sent again twice is delivered once. Only --execute sends anything.

    Exits with 1 when some cannot be sent, having said why.
    """
    if bool(positions) == any(which.values()):
        raise click.UsageError("Give either positions, or what to choose by: see --help.")

    async def work(kafka: KafkaSettings) -> bool:
        async with AsyncExitStack() as stack:
            reader = await stack.enter_async_context(Reader.open(kafka))
            log = await DeadLetterLog.read_by(reader)
            reach = None if beyond_horizon else await Reach.look(reader, registry.topics())
            plan = Plan(kafka, log.partitions, reach)
            to = await stack.enter_async_context(Redrive.open(kafka)) if execute else None
            return await _redrive(_found(log, positions, choosing.choice(**which)), plan, to)

    ask(work)


async def _found(
    log: DeadLetterLog, positions: tuple[Position, ...], choice: Choice
) -> AsyncIterator[Found]:
    if not positions:
        async for found in log.chosen(choice):
            yield found
    try:
        for position in sorted(set(positions)):
            yield await log.at(position)
    except NoDeadLetterError as error:
        raise click.ClickException(str(error)) from None


async def _redrive(letters: AsyncIterator[Found], plan: Plan, to: Redrive | None) -> bool:
    done = left = 0
    async for found in letters:
        again = plan.of(found)
        what = f"{found.at}  {found.failed_at}  {found.letter.reason}"
        if not isinstance(again, Again):
            left += again is not None
            click.echo(f"{what}  {f'not sent: {again}' if again else 'goes with the one before'}")
            continue
        if to is not None:
            try:
                await to.send(again)
            except UnansweredError as error:
                raise click.ClickException(
                    f"{error} {done} were sent before; send all again, those are known."
                ) from None
        done += 1
        click.echo(f"{what}  to {again.topic}/{again.partition}")
    _sum_up(done, left, plan.updates, sent=to is not None)
    return not left


def _sum_up(done: int, left: int, updates: int, *, sent: bool) -> None:
    if not done + left:
        click.echo("There are none.")
        return
    click.echo(f"{done} sent again, {left} not." if sent else f"{done} can be sent, {left} cannot.")
    if updates:
        says = "overwrite" if sent else "would overwrite"
        click.echo(f"{updates} of them are updates: they {says} what has come since for that user.")
    if done and not sent:
        click.echo("Nothing was sent: --execute sends them.")
