"""The options that choose dead letters: by what they are, or by where they stand."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from agents import reasons, registry
from cli.times import Moment
from streams.dead_letters.reader import ROUTER, Choice, Position


class PositionType(click.ParamType):
    """Partition and offset, such as 3/1041."""

    name = "position"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Position:
        parts = str(value).split("/")
        if len(parts) != len(Position._fields) or not all(part.isdecimal() for part in parts):
            self.fail(f"{value} is no position: give PARTITION/OFFSET, as in 3/1041.", param, ctx)
        return Position(*map(int, parts))


class ReasonType(click.ParamType):
    """A reason for a dead letter."""

    name = "reason"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if (why := reasons.unknown(str(value))) is not None:
            self.fail(why, param, ctx)
        return str(value)


_OPTIONS = (
    click.option(
        "--destination",
        type=click.Choice([ROUTER, *registry.destinations()]),
        help="Only those that failed there.",
    ),
    click.option("--reason", type=ReasonType(), help="Only those with this reason."),
    click.option(
        "--since",
        type=Moment(),
        help="Only those written then (2026-01-31T00:00:00Z), or that long ago (2h), or later.",
    ),
    click.option("--until", type=Moment(), help="Only those written before."),
)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds what `choice` takes to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def choice(
    destination: str | None, reason: str | None, since: datetime | None, until: datetime | None
) -> Choice:
    return Choice(
        worker=destination,
        reason=reason,
        since_ms=None if since is None else int(since.timestamp() * 1000),
        until_ms=None if until is None else int(until.timestamp() * 1000),
    )
