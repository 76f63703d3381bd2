"""JSON lines on standard output: plain in a pipe, in colours on a terminal."""

import sys
from collections.abc import Mapping
from typing import Any

import click
import orjson
import structlog
from rich.console import Console
from rich.highlighter import JSONHighlighter


def show(line: Mapping[str, Any]) -> None:
    """Prints one line."""
    text = orjson.dumps(line)
    if sys.stdout.isatty():
        Console().print(JSONHighlighter()(text.decode()), soft_wrap=True)
    else:
        click.echo(text)


def keep_for_lines() -> None:
    """Has what is logged written to standard error: standard output is the command's own."""
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
