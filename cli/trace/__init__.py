"""`trace`: what became of a user's records, or of a raw message's."""

import re
import time
from datetime import datetime

import click

from agents import registry, rights
from cli.dead_letters.selection import PositionType
from cli.kafka_command import ask
from cli.times import Moment
from cli.trace import of_raw, of_user, render
from streams.dead_letters.reader import Position
from streams.kafka.ranges import Reader
from streams.operations.trace_search import NoRawMessageError, Span
from streams.settings import KafkaSettings

_HOURS = 2
_MAX = 500_000
# mParticle's ids are signed numbers of 64 bits.
_MPID = re.compile(r"-?[0-9]{1,19}")


@click.command("trace", short_help="Say what became of a user's or a raw message's records.")
@click.option(
    "--raw",
    type=PositionType(),
    help="Partition and offset of a message in mparticle-raw, such as 2/17345.",
)
@click.option("--user", metavar="MPID", help="mParticle's id of a user.")
@click.option(
    "--since",
    type=Moment(),
    help="Read what was written from then on (2026-01-31T00:00:00Z), or that long ago (2h). Unless "
    f"given: of a raw message from when Kafka took it, of a user {_HOURS}h.",
)
@click.option("--until", type=Moment(), help="Read what was written up to then, and not up to now.")
@click.option(
    "--most",
    default=_MAX,
    show_default=True,
    type=click.IntRange(min=1),
    help="Records to read of each partition at most.",
)
@click.option("--json", "as_json", is_flag=True, help="Only the lines, as JSON.")
def command(
    raw: Position | None,
    user: str | None,
    since: datetime | None,
    until: datetime | None,
    most: int,
    as_json: bool,
) -> None:
    """Says where the records of a user, or of a raw message, stand and what became of them at each
    destination; changes nothing, and shows no personal data.

    A record has `ended` when it was delivered, or was left out for a reason that the metrics count;
    Kafka does not tell the two apart. What became a dead letter is named as such. Times are those
    of the raw messages.

    Exits with 1 when nothing was found.
    """  # noqa: D205 - click prints it as one paragraph
    if (raw is None) == (user is None):
        raise click.UsageError("Give either --raw or --user: see --help.")
    if user is not None and not _MPID.fullmatch(user):
        raise click.UsageError("--user takes mParticle's id of a user, a number of 64 bits.")
    span = Span(_ms(since), _ms(until), most)

    async def work(kafka: KafkaSettings) -> bool:
        sinks = registry.topics()
        async with Reader.open(kafka) as reader:
            if raw is not None:
                try:
                    report = await of_raw.trace(reader, raw, span, sinks)
                except NoRawMessageError as error:
                    raise click.ClickException(str(error)) from None
            else:
                assert user is not None
                hours_ago = int((time.time() - _HOURS * 3600) * 1000)
                lately = span if since else span._replace(since_ms=hours_ago)
                report = await of_user.trace(reader, user.encode(), lately, sinks)
        render.show(report, as_json=as_json)
        return report.found

    ask(work, "trace", rights.of("trace"))


def _ms(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1000)
