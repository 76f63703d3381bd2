"""`dead-letters`: what could not be delivered: listed, shown, sent again."""

import click

from cli.dead_letters.list import list_
from cli.dead_letters.redrive import redrive
from cli.dead_letters.show import show


@click.group(
    "dead-letters", short_help="List what could not be delivered, show it, and send it again."
)
def command() -> None:
    """Dead letters: the records and raw messages that could not go on.

    They are read up to where their topic ends when the command starts, in no consumer group.
    """


for each in (list_, show, redrive):
    command.add_command(each)
