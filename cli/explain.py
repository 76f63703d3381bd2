"""`explain`: the requests that messages would cause, without sending them."""

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import orjson

from agents import registry
from agents.router.routing import Out, route
from agents.router.settings import RouterSettings
from cli import inputs
from models.record import RawPosition
from streams.delivery.outcomes import Dropped, Rejected
from streams.delivery.sink import Lane, Placement, Sink
from streams.settings import SettingsError
from streams.topics import RAW


@click.command(
    "explain", short_help="Show the requests that raw messages would cause at a destination."
)
@click.option(
    "--destination",
    required=True,
    type=click.Choice(list(registry.destinations())),
    help="Whose requests to show.",
)
@inputs.options
def command(destination: str, files: tuple[Path, ...], lines: bool) -> None:
    """Prints as JSON lines the HTTP requests that would be sent for raw messages; sends nothing.

    All messages wait at once, so that they fold as they would behind a slow destination. Secrets
    are never shown; where a setting is missing a placeholder stands.
    """
    try:
        router = RouterSettings.load()
        sink = _sink(registry.destinations()[destination])
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    now_ms = int(time.time() * 1000)
    outs = []
    for offset, message in enumerate(inputs.read(files, lines=lines)):
        at = RawPosition(topic=RAW.name, partition=0, offset=offset, index=0)
        outs += route(message, at, now_ms, router).outs
    for line in explain(sink, outs, now_ms):
        click.echo(orjson.dumps(line))


def _sink(destination: registry.Destination) -> Sink[Any]:
    prefix = destination.settings.model_config.get("env_prefix", "")
    missing = {
        name: value
        for name, value in destination.placeholders.items()
        if not {f"{prefix}{name}".upper(), f"{prefix}{name}_FILE".upper()} & os.environ.keys()
    }
    return destination.sink(destination.settings.load(**missing))


def explain(sink: Sink[Any], outs: list[Out], now_ms: int) -> Iterator[Mapping[str, Any]]:
    """Yields set-up calls, then requests with the ids of their records, then what is not sent."""
    lanes = defaultdict[Lane, list[Any]](list)
    unsent = []
    for out in outs:
        if out.topic not in sink.topics:
            continue
        key = out.key.decode() if out.key else out.record.id
        match sink.place(out.record, Placement(key, 0), now_ms):
            case Dropped(reason):
                unsent.append({"dropped": reason, "records": [out.record.id]})
            case Rejected(reason):
                unsent.append({"dead_letter": reason, "records": [out.record.id]})
            case lane:
                lanes[lane].append(out.record)
    requests = []
    for lane, waiting in lanes.items():
        while waiting:
            batch = sink.take(lane, waiting)
            requests.append((batch.request, [record.id for record in waiting[: batch.size]]))
            del waiting[: batch.size]
    for each in sink.preparations([request for request, _ in requests]):
        yield {**each, "records": []}
    for request, ids in requests:
        yield {**sink.describe(request), "records": ids}
    yield from unsent
