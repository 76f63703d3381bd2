"""Raw messages from files: one a file, or one a line."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import orjson
from faust.types import TP

from cli import outputs
from models.record import RawPosition
from streams.topics import RAW

HERE = TP(RAW.name, 0)
"""The partition in which all of them stand."""


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds FILE… and --lines to a command."""
    command = click.option("--lines", is_flag=True, help="Every line is a message of its own.")(
        command
    )
    return click.argument(
        "files",
        nargs=-1,
        type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    )(command)


def read(files: tuple[Path, ...], *, lines: bool) -> Iterator[tuple[RawPosition, bytes]]:
    """Yields the messages in order, each where it would stand in a partition of theirs.

    `-`, or no file at all, is standard input. Lines are yielded as they come; empty ones are none.
    """
    for offset, message in enumerate(_messages(files or (Path("-"),), lines=lines)):
        yield (
            RawPosition(topic=HERE.topic, partition=HERE.partition, offset=offset, index=0),
            message,
        )


def _messages(files: tuple[Path, ...], *, lines: bool) -> Iterator[bytes]:
    for file in files:
        with click.open_file(str(file), "rb") as content:
            if lines:
                yield from (line.rstrip(b"\r\n") for line in content if line.strip())
            else:
                message = content.read()
                if _is_a_message_a_line(message):
                    outputs.say(f"{file}: It holds a message a line: give --lines.", err=True)
                yield message


def _is_a_message_a_line(content: bytes) -> bool:
    """Returns whether the first two lines are JSON objects, so that the whole is none."""
    first, _, others = content.lstrip().partition(b"\n")
    return _is_object(first) and _is_object(others.lstrip().partition(b"\n")[0])


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False
