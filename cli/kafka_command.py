"""Runs what asks Kafka: what it cannot be told becomes one sentence, and exit code 1."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence

import click

from cli import outputs
from streams.base_settings import SettingsError
from streams.kafka.clients import UnansweredError, answering
from streams.kafka.granted_rights import lacking, too_little
from streams.kafka.rights import Rights
from streams.settings import KafkaSettings
from streams.terminal import escaped

Work = Callable[[KafkaSettings], Coroutine[None, None, bool]]


def ask(work: Work, component: str, needed: Rights) -> None:
    """Exits with 1 when `work` returns False, or with a sentence when Kafka does not answer.

    So does a user who lacks what is `needed`, before anything is done: what Kafka refuses on the
    way it refuses without the name of what it refuses, or as if it were not there.
    """
    # aiokafka's own lines about a Kafka that is away are replaced by one sentence.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

    async def work_if_granted() -> bool:
        kafka = KafkaSettings.load()
        async with answering(kafka):
            lacks = await lacking(kafka, needed.on(kafka))
        if lacks:
            raise UnansweredError(too_little(lacks, component))
        return await work(kafka)

    try:
        well = asyncio.run(work_if_granted())
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
