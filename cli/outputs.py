"""Prints lines without a terminal's controls, whatever the data holds."""

import sys
from collections.abc import Mapping
from typing import Any

import click
import orjson
import structlog
from rich.console import Console
from rich.highlighter import JSONHighlighter

from streams import logs
from streams.terminal import escaped


def say(*lines: str, err: bool = False) -> None:
    """Prints each as one line, and without any an empty one."""
    for line in lines or ("",):
        click.echo(escaped(line), err=err)  # noqa: TID251 - this is where it is escaped


def show(line: Mapping[str, Any]) -> None:
    """Prints one line of JSON, in colours on a terminal; what is escaped means the same."""
    text = escaped(orjson.dumps(line).decode())
    if sys.stdout.isatty():
        Console().print(JSONHighlighter()(text), soft_wrap=True)
    else:
        click.echo(text.encode())  # noqa: TID251 - as above


def pass_on(message: bytes) -> None:
    """Prints a message: in a pipe as it is, for a program."""
    if sys.stdout.isatty():
        say(message.decode(errors="backslashreplace"))
    else:
        click.echo(message)  # noqa: TID251 - no terminal is there


def keep_for_lines() -> None:
    """Has what is logged written to standard error: standard output is the command's own."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            logs.only_known_keys,
            logs.without_controls,
            structlog.dev.ConsoleRenderer(colors=False),
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
