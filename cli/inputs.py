"""Raw messages from files: one a file, or one a line."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click


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


def read(files: tuple[Path, ...], *, lines: bool) -> Iterator[bytes]:
    """Yields the messages in order; `-`, or no file at all, is standard input."""
    for file in files or (Path("-"),):
        content = click.get_binary_stream("stdin").read() if str(file) == "-" else file.read_bytes()
        if lines:
            yield from (line for line in content.splitlines() if line.strip())
        else:
            yield content
