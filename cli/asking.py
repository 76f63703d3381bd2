"""Runs what asks Kafka: what it cannot be told becomes one sentence, and exit code 1."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence

import click

from cli import outputs
from streams.base_settings import SettingsError
from streams.kafka.clients import UnansweredError
from streams.settings import KafkaSettings
from streams.terminal import escaped


def ask(work: Callable[[KafkaSettings], Coroutine[None, None, bool]]) -> None:
    """Exits with 1 when `work` returns False, or with its sentence when Kafka does not answer."""
    # What it has to say of a Kafka that is away is said in one sentence.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        well = asyncio.run(work(KafkaSettings.load()))
    except (SettingsError, UnansweredError) as error:
        raise click.ClickException(str(error)) from None
    if not well:
        raise SystemExit(1)


def table(rows: Sequence[tuple[str, ...]]) -> None:
    """Prints rows in columns; the first is their heads."""
    cells = [tuple(map(escaped, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        outputs.say(line.rstrip())
