"""`dead-letters redrive`: what failed goes again to where it failed."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import click

from agents import registry, rights
from agents.router.redaction import without_secrets
from cli import outputs
from cli.dead_letters import selection
from cli.dead_letters.selection import PositionType
from cli.dead_letters.show import readable
from cli.kafka_command import ask
from streams.dead_letters.compare import Comparison, Originals
from streams.dead_letters.reader import Choice, DeadLetterLog, Found, NoDeadLetterError, Position
from streams.kafka.clients import UnansweredError
from streams.kafka.ranges import Reader
from streams.operations.dedup_reach import Reach
from streams.operations.redrive import Again, Plan, Redrive
from streams.settings import KafkaSettings, WorkerSettings


@click.command("redrive", short_help="Send them again, to just the destination that failed.")
@click.argument("positions", nargs=-1, metavar="[POSITION]...", type=PositionType())
@selection.options
@click.option(
    "--beyond-dedup-window",
    is_flag=True,
    help="Also those of which workers no longer know what they delivered (WORKER_DEDUP_MAX_IDS).",
)
@click.option(
    "--uncompared",
    is_flag=True,
    help="Also those whose original Kafka no longer has, so that nobody can tell who wrote them.",
)
@click.option(
    "--whole", is_flag=True, help="Also print each as it is to be written, personal data included."
)
@click.option("--execute", is_flag=True, help="Send them, and not only show what would be sent.")
def redrive(
    positions: tuple[Position, ...],
    beyond_dedup_window: bool,
    uncompared: bool,
    whole: bool,
    execute: bool,
    **which: Any,
) -> None:
    """Sends again what failed, once its cause is mended: these POSITIONs, or all that are chosen.

    A record goes back to its topic, for the destination that failed alone. A raw message goes back
    to the router, and the destinations know again what they have had of it. A dead letter that is
    sent again twice is delivered once. Only --execute sends anything.

    What is sent is compared with the record that the dead letter names: what differs is never sent.

    Exits with 1 when some cannot be sent, having said why.
    """
    if bool(positions) == any(which.values()):
        raise click.UsageError("Give either positions, or what to choose by: see --help.")

    async def work(kafka: KafkaSettings) -> bool:
        async with AsyncExitStack() as stack:
            reader = await stack.enter_async_context(Reader.open(kafka))
            log = await DeadLetterLog.read_by(reader)
            reach = None if beyond_dedup_window else await _reach(reader)
            plan = Plan(kafka, log.partitions, reach)
            other = await stack.enter_async_context(Reader.open(kafka))
            judge = _Judge(plan, Originals(other, without_secrets), uncompared=uncompared)
            to = await stack.enter_async_context(Redrive.open(kafka)) if execute else None
            letters = _found(log, positions, selection.choice(**which))
            return await _redrive(letters, judge, to, whole=whole)

    needed = rights.of("redrive")
    ask(work, "redrive", needed if execute else needed.to_look())


async def _reach(reader: Reader) -> Reach:
    remembered = WorkerSettings.load().dedup_max_ids
    return await Reach.look(reader, registry.topics(), remembered)


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


class _Judge:
    """Says of each letter what is sent again, or why not; what differs is no letter of ours."""

    def __init__(self, plan: Plan, originals: Originals, *, uncompared: bool) -> None:
        self.plan = plan
        self._originals = originals
        self._takes_uncompared = uncompared

    async def of(self, found: Found) -> tuple[Again | str | None, str]:
        """Beside it, how it was compared."""
        if why_not := self.plan.why_not(found):
            return why_not, ""
        letter = found.letter
        place = f"{letter.topic}/{letter.partition}/{letter.offset}"
        match await self._originals.compare(letter):
            case Comparison.DIFFERENT:
                return f"{place} is another record: who wrote this dead letter?", ""
            case Comparison.GONE if not self._takes_uncompared:
                return f"Kafka has no {place} to compare it with: see --uncompared", ""
            case Comparison.GONE:
                compared = "not compared: Kafka no longer has that record"
            case Comparison.SAME:
                compared = f"the same as {place}"
        return self.plan.of(found), compared


async def _redrive(
    letters: AsyncIterator[Found], judge: _Judge, to: Redrive | None, *, whole: bool
) -> bool:
    done = left = 0
    async for found in letters:
        again, compared = await judge.of(found)
        what = f"{found.at}  {found.failed_at}  {found.letter.reason}"
        if not isinstance(again, Again):
            left += again is not None
            outputs.say(f"{what}  {f'not sent: {again}' if again else 'goes with the one before'}")
            continue
        if to is not None:
            try:
                await to.send(again)
            except UnansweredError as error:
                raise click.ClickException(
                    f"{error} {done} were sent before; send all again, those are known."
                ) from None
        done += 1
        outputs.say(f"{what}  to {again.topic}/{again.partition}: {_size(again)}, {compared}")
        if whole:
            outputs.show(_shown(again))
    _sum_up(done, left, judge.plan.updates, sent=to is not None)
    return not left


def _size(again: Again) -> str:
    """Describes the record without personal data."""
    return f"{len(again.value):,} bytes, SHA-256 {hashlib.sha256(again.value).hexdigest()[:12]}…"


def _shown(again: Again) -> Mapping[str, Any]:
    return {
        "topic": again.topic,
        "partition": again.partition,
        **readable("key", again.key),
        **readable("value", again.value),
        "headers": {name: value.decode(errors="replace") for name, value in again.headers},
    }


def _sum_up(done: int, left: int, updates: int, *, sent: bool) -> None:
    if not done + left:
        outputs.say("There are none.")
        return
    outputs.say(
        f"{done} sent again, {left} not." if sent else f"{done} can be sent, {left} cannot."
    )
    if updates:
        says = "overwrite" if sent else "would overwrite"
        outputs.say(
            f"{updates} of them are updates: they {says} what has come since for that user."
        )
    if done and not sent:
        outputs.say("Nothing was sent: --execute sends them.")
