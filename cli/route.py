"""`route`: what the router would make of raw messages."""

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

import click

from agents.router.json_lines import lines_of
from agents.router.routing import route
from agents.router.settings import RouterSettings
from agents.router.snapshots import Snapshots
from cli import inputs, outputs
from cli.inputs import HERE
from streams.base_settings import SettingsError


@click.command("route", short_help="Show what the router makes of raw messages.")
@inputs.options
def command(files: tuple[Path, ...], lines: bool) -> None:
    """Prints as JSON lines what the router would make of raw messages; needs no Kafka.

    The messages stand for those of one partition, in their order: what one has told of a user's
    attributes is not told again by the next.

    A line holds topic, key and record, or dropped, or dead_letter, each with the reason. The
    summary also names what no model knows. Exits with 1 when anything was dead-lettered.
    """
    try:
        settings = RouterSettings.load()
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    now_ms = int(time.time() * 1000)
    snapshots = Snapshots(settings.snapshot_max_users).of(HERE)
    messages = 0
    ends = defaultdict[str, Counter[str]](Counter)
    for at, message in inputs.read(files, lines=lines):
        messages += 1
        routed = route(message, at, now_ms, settings, snapshots=snapshots)
        ends["unknown"].update(f"{stranger.what} {stranger.name}" for stranger in routed.strangers)
        ends["odd_times"].update(routed.odd_times)
        for line in lines_of(routed):
            end = next(iter(line))
            ends[end][line[end]] += 1
            outputs.show(line)
    outputs.say(summary(messages, ends), err=True)
    sys.exit(1 if ends["dead_letter"] else 0)


def summary(messages: int, ends: Mapping[str, Counter[str]]) -> str:
    """Returns one line; `ends` are as `describe_ends` takes them."""
    return f"messages {messages:,}: {describe_ends(ends)}"


def describe_ends(ends: Mapping[str, Counter[str]]) -> str:
    """Returns how messages ended, in a clause.

    `ends` counts records by "topic", reasons by "dropped" and "dead_letter", and, told only where
    there are any, what no model knows as "unknown" and times that cannot be right as "odd_times".
    """
    parts = []
    for end, what in (
        ("topic", "records"),
        ("dropped", "dropped"),
        ("dead_letter", "dead letters"),
        ("unknown", "unknown to us"),
        ("odd_times", "odd times"),
    ):
        counts = ends.get(end, Counter())
        if end in ("unknown", "odd_times") and not counts:
            continue
        by = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
        parts.append(f"{what} {counts.total():,}" + (f" ({by})" if by else ""))
    return "; ".join(parts)
