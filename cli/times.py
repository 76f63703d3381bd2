"""Times as a person gives them: when it was, or how long ago."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

_AGO = re.compile(r"(\d{1,9})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str, now: datetime) -> datetime:
    """Reads 2026-01-31T00:00:00Z, or 2h for two hours ago; raises ValueError with a sentence."""
    if ago := _AGO.fullmatch(text):
        try:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        except OverflowError:
            raise ValueError(f"{text} is longer ago than there are dates.") from None
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text} is no time: give one such as 2026-01-31T00:00:00Z, or 2h for two hours ago "
            "(s, m, h, d)."
        ) from None
    if told.tzinfo is None:
        raise ValueError(f"{text} has no time zone: add Z, or an offset such as +02:00.")
    return told


def shown(at_ms: int) -> str:
    """A time in milliseconds as others are asked for it; what no calendar has as the number."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{at_ms} ms"


class Moment(click.ParamType):
    """A time, with its zone."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return moment(value, datetime.now(UTC))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Target(Moment):
    """The beginning of a replay: `earliest`, an offset, or a time."""

    name = "target"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "earliest" or isinstance(value, int):
            return value
        if isinstance(value, str) and value.isdecimal():
            return int(value)
        return super().convert(value, param, ctx)
