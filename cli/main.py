"""The command's entry: every subcommand is a module of this package, imported when it is called."""

from importlib import import_module
from importlib.metadata import version
from typing import Any

import click

_COMMANDS = {
    "worker": "Run one worker: router, sailthru or ab-tasty.",
    "receiver": "Take mParticle's HTTPS posts, and write them to Kafka.",
    "route": "Show what the router makes of raw messages.",
    "explain": "Show the requests that raw messages would cause at a destination.",
    "check": "Check settings, Kafka and credentials.",
    "dead-letters": "List what could not be delivered, show it, and send it again.",
    "replay": "Move a worker's offsets back, to deliver again what comes after them.",
    "leave": "Put replicas that do not come back out of their group.",
    "trace": "Say what became of a user's or a raw message's records.",
    "fill": "Send a backlog of user-updates to Sailthru as bulk jobs.",
    "topics": "Print what creates the topics.",
    "rights": "Print what a component must be granted at Kafka.",
    "settings": "List every setting with its default and meaning.",
    "sandbox": "Run one part of the outside world on this machine.",
    "demo": "Run everything at once on this machine, and check that it adds up.",
}


class _Commands(click.Group):
    """Imports a command only when it is asked for: the help must not load Faust."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"cli.{cmd_name.replace('-', '_')}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Prints an error without a terminal's controls: its sentence may quote data."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            error.message = _without_controls(error.message)
            raise
        except SystemExit as end:
            if isinstance(end.code, str):
                end.code = _without_controls(end.code)
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


def _without_controls(text: str) -> str:
    from streams.terminal import escaped  # noqa: PLC0415 - the help must load nothing of ours

    return "\n".join(map(escaped, text.split("\n")))


@click.group(cls=_Commands)
@click.version_option(version("mparticle-streams"), prog_name="mparticle-streams")
def main() -> None:
    """Takes mParticle's customer data from Kafka and delivers it to Sailthru and AB Tasty."""
