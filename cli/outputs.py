"""JSON lines on standard output: plain in a pipe, in colours on a terminal."""

import sys
from collections.abc import Mapping
from typing import Any

import click
import orjson
from rich.console import Console
from rich.highlighter import JSONHighlighter


def show(line: Mapping[str, Any]) -> None:
    """Prints one line."""
    text = orjson.dumps(line)
    if sys.stdout.isatty():
        Console().print(JSONHighlighter()(text.decode()), soft_wrap=True)
    else:
        click.echo(text)
