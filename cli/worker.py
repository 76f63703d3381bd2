"""`worker NAME`: one worker until it is stopped."""

from importlib import import_module

import click

from agents import registry


@click.command("worker", short_help="Run one worker: router, sailthru or ab-tasty.")
@click.argument("name", type=click.Choice(["router", *registry.destinations()]))
def command(name: str) -> None:
    """Runs one worker: it joins its consumer group, and serves /metrics, /live and /ready.

    Settings come from the environment: see `mparticle-streams settings`.
    """
    from streams.worker import run  # noqa: PLC0415 - Faust reads the environment when imported

    run(import_module(f"agents.{name.replace('-', '_')}.app").app)
