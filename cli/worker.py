"""`worker NAME`: one worker until it is stopped."""

import os
from importlib import import_module

import click

from agents import registry


@click.command("worker", short_help="Run one worker: router, sailthru or ab-tasty.")
@click.argument("name", type=click.Choice(["router", *registry.destinations()]))
@click.option(
    "--dry-run",
    is_flag=True,
    help="Build and count every request, and send none; in a consumer group of its own.",
)
def command(name: str, dry_run: bool) -> None:
    """Runs one worker: it joins its consumer group, and serves /metrics, /live and /ready.

    Settings come from the environment: see `mparticle-streams settings`.
    """
    if dry_run and name == "router":
        raise click.UsageError(
            "The router sends nothing; `mparticle-streams route` shows its work."
        )
    if dry_run:
        os.environ["WORKER_DRY_RUN"] = "true"
    from streams.worker.run import run  # noqa: PLC0415 - Faust reads the environment when imported

    run(import_module(f"agents.{name.replace('-', '_')}.app").app)
