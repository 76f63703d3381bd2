"""`explain`: the requests that messages would cause, without sending them."""

import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import click

from agents import registry
from agents.router.message_time import message_time
from agents.router.route_result import Out
from agents.router.routing import Routed, route
from agents.router.settings import DROPPED_BY, RouterSettings
from agents.router.snapshots import Snapshots
from cli import inputs, outputs
from cli.times import Moment
from models.audience import Audience
from models.record import Record
from streams.base_settings import SettingsError
from streams.delivery.ordering.staleness import Staleness
from streams.delivery.sink import Explains, LaneKey, Outlet, Placement, Sink, placement
from streams.outcomes import Dropped, Rejected
from streams.placeholder_settings import with_placeholders
from streams.topics import AUDIENCES, PRIVACY_REQUESTS, Topic


@click.command(
    "explain", short_help="Show the requests that raw messages would cause at a destination."
)
@click.option(
    "--destination",
    required=True,
    type=click.Choice(list(registry.destinations())),
    help="Whose requests to show.",
)
@click.option(
    "--at",
    "judged_at",
    type=Moment(),
    metavar="TIME",
    help="When the destination gets them, such as 2026-01-31T00:00:00Z or 2h (ago): what is too "
    "old by then is not sent. By default each message's own time, or its latest event's.",
)
@inputs.options
def command(
    destination: str, judged_at: datetime | None, files: tuple[Path, ...], lines: bool
) -> None:
    """Prints as JSON lines the HTTP requests that would be sent for raw messages; sends nothing.

    All messages wait at once, so that they fold as they would behind a slow destination. Secrets
    are never shown; where a setting is missing a placeholder stands. `renamed` has every name that
    is not mParticle's any more. Lines without a request say what is not sent, why, and by which
    setting; and last, what the destination does not read. Messages are judged as of their own time,
    so that a capture of last month shows what was sent then. Exits with 1 when the router can make
    nothing of a message or a part.
    """
    outputs.keep_for_lines()
    try:
        router = RouterSettings.load()
        chosen = registry.destinations()[destination]
        sink = chosen.sink(with_placeholders(chosen.settings))
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    given_ms = int(judged_at.timestamp() * 1000) if judged_at else None
    now_ms = int(time.time() * 1000)
    known = Snapshots(router.snapshot_max_users).of(inputs.HERE)
    taken = list[Taken]()
    for at, message in inputs.read(files, lines=lines):
        before_ms = taken[-1].at_ms if taken else now_ms
        taken_ms = given_ms or _taken_ms(message, before_ms, now_ms)
        taken.append(Taken(route(message, at, taken_ms, router, snapshots=known), taken_ms))
    for line in explain(sink, taken):
        outputs.show(line)
    sys.exit(1 if any(each.routed.dead_letters for each in taken) else 0)


def _taken_ms(message: bytes, before_ms: int, now_ms: int) -> int:
    """Returns when Kafka took a message: by its own time, or with the one before it.

    It cannot have taken by now what a clock that is ahead calls tomorrow.
    """
    own_ms = message_time(message)
    return own_ms if own_ms is not None and own_ms <= now_ms else before_ms


class Taken(NamedTuple):
    """The outcome of a message that Kafka and the destination took at a time, in milliseconds."""

    routed: Routed
    at_ms: int


def explain(sink: Sink[Any], taken: Sequence[Taken]) -> Iterator[Mapping[str, Any]]:
    """Yields set-up calls, requests with the ids of their records, and then what is not sent."""
    lanes = defaultdict[LaneKey, list[Any]](list)
    unsent = [line for each in taken for line in _unrouted(each.routed)]
    timed = [(out, each.at_ms) for each in taken for out in each.routed.outs]
    for audience in (out.record for out, _ in timed if isinstance(out.record, Audience)):
        Outlet.of(sink).learn(audience)
    memory = _Memory(len(timed))
    for out, at_ms in timed:
        if out.topic not in sink.topics:
            continue
        at = placement(out.record, out.key, 0)
        match memory.reason_against(out, at) or sink.place(out.record, at, at_ms):
            case Dropped(reason):
                told = {"dropped": reason, **_setting(sink, reason)}
                unsent.append({**told, "records": [out.record.id]})
            case Rejected(reason, detail):
                told = {"dead_letter": reason, "detail": detail, **_setting(sink, reason)}
                unsent.append({**told, "records": [out.record.id]})
            case LaneKey() as lane:
                lanes[lane].append(out.record)
    requests = [
        request for lane, waiting in lanes.items() for request in _take(sink, lane, waiting)
    ]
    if not isinstance(sink, Explains):
        raise click.ClickException(
            f"{sink.destination} shows no requests: its sink lacks `describe`."
        )
    shows = _explaining(sink)
    for each in shows.preparations([request for request, _ in requests]):
        yield {**each, "records": []}
    for request, ids in requests:
        yield {**shows.describe(request), "records": ids}
    yield from unsent
    yield from _unread(sink, [out for out, _ in timed])


def _explaining(sink: Sink[Any]) -> Explains[Any]:
    if not isinstance(sink, Explains):
        raise click.ClickException(f"{sink.destination} does not show its requests.")
    return sink


class _Memory:
    """A worker's memory of records, so that what comes again or too late is not sent."""

    def __init__(self, most: int) -> None:
        self._seen = set[str]()
        self._staleness = Staleness(most + 1)

    def reason_against(self, out: Out, at: Placement) -> Dropped | None:
        if out.id in self._seen:
            return Dropped("deduplicated")
        self._seen.add(out.id)
        record, place = out.record, len(self._seen)
        is_stale = record.superseded_by == "event time" and self._staleness.is_stale(
            inputs.HERE, record, at.user, b"", place
        )
        return Dropped("stale") if is_stale else None


def _unread(sink: Sink[Any], outs: Sequence[Out]) -> Iterator[Mapping[str, Any]]:
    """One line for each topic that is not the destination's; `audiences` was learned from."""
    unread = defaultdict[Topic, list[str]](list)
    for out in outs:
        if out.topic not in (*sink.topics, AUDIENCES):
            unread[out.topic].append(out.id)
    for topic, ids in unread.items():
        detail = f"{sink.destination} does nothing with it"
        if topic is PRIVACY_REQUESTS:
            detail = "no worker acts on it: it waits there for something of yours"
        yield {"not_read": topic.name, "detail": detail, "records": ids}


def _setting(sink: Sink[Any], reason: str) -> Mapping[str, str]:
    """Returns what an operator would change to have it sent."""
    behind = {"deduplicated": "WORKER_DEDUP_MAX_IDS", **sink.behind}
    return {"setting": behind[reason]} if reason in behind else {}


def _take(sink: Sink[Any], lane: LaneKey, waiting: list[Record]) -> Iterator[tuple[Any, list[str]]]:
    while waiting:
        batch = sink.fold(lane, waiting)
        yield batch.request, [record.id for record in waiting[: batch.size]]
        waiting = waiting[batch.size :]


def _unrouted(routed: Routed) -> Iterator[Mapping[str, Any]]:
    for reason in routed.dropped:
        setting = {"setting": DROPPED_BY[reason]} if reason in DROPPED_BY else {}
        yield {"dropped": reason, **setting, "records": []}
    for letter in routed.dead_letters:
        yield {"dead_letter": letter.reason, "detail": letter.detail, "records": []}
