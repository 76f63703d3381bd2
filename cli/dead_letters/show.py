"""`dead-letters show`: one whole."""

import base64
from collections.abc import Mapping

import click

from agents import rights
from cli import outputs
from cli.dead_letters.selection import PositionType
from cli.kafka_command import ask
from cli.times import shown
from streams.dead_letters.reader import DeadLetterLog, NoDeadLetterError, Position
from streams.settings import KafkaSettings


@click.command("show", short_help="Print one whole, with the bytes that failed.")
@click.argument("position", type=PositionType())
def show(position: Position) -> None:
    """Prints the dead letter at POSITION (such as 3/1041) as JSON, personal data included.

    `key` and `value` are text where they are UTF-8, else `key_base64` and `value_base64`. Of what
    was too large, `value` is the beginning (`truncated`).
    """
    ask(lambda kafka: _show(kafka, position), "dead-letters", rights.of("dead-letters"))


async def _show(kafka: KafkaSettings, position: Position) -> bool:
    async with DeadLetterLog.open(kafka) as log:
        try:
            found = await log.at(position)
        except NoDeadLetterError as error:
            raise click.ClickException(str(error)) from None
    letter = found.letter
    outputs.show(
        {
            "position": str(found.at),
            "time": shown(found.written_ms),
            **letter.model_dump(exclude_none=True, exclude={"key", "value"}),
            **readable("key", letter.key),
            **readable("value", letter.value),
        }
    )
    return True


def readable(name: str, content: bytes | None) -> Mapping[str, str]:
    """A field of text where it is UTF-8, else of base64; none of nothing."""
    if content is None:
        return {}
    try:
        return {name: content.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(content).decode()}
