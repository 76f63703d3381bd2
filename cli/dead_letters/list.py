"""`dead-letters list`: how many, and which."""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import click

from agents import rights
from cli import outputs
from cli.dead_letters import selection
from cli.kafka_command import ask, table
from cli.times import shown
from streams.dead_letters.reader import Choice, DeadLetterLog, Found, Position
from streams.settings import KafkaSettings

_SHOWN = 20

Line = Mapping[str, Any]


@click.command("list", short_help="Count them by destination and reason, and name the newest.")
@selection.options
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    help=f"How many to name: {_SHOWN} unless given, and as JSON all.",
)
@click.option("--json", "as_json", is_flag=True, help="Only the lines, as JSON.")
def list_(limit: int | None, as_json: bool, **which: Any) -> None:
    """Counts dead letters by destination and reason, then names the newest; no personal data.

    A position is the partition and offset of the dead letter. A place is the topic, partition and
    offset of what failed, and of a raw message the part.
    """
    most = limit if limit is not None or as_json else _SHOWN

    async def work(kafka: KafkaSettings) -> bool:
        return await _list(kafka, selection.choice(**which), most, as_json=as_json)

    ask(work, "dead-letters", rights.of("dead-letters"))


async def _list(kafka: KafkaSettings, choice: Choice, most: int | None, *, as_json: bool) -> bool:
    counts = Counter[tuple[str, str]]()
    newest = _Newest(most)
    async with DeadLetterLog.open(kafka) as log:
        async for found in log.chosen(choice):
            counts[found.failed_at, found.letter.reason] += 1
            newest.add(found)
    if as_json:
        for line in newest.lines():
            outputs.show(line)
    else:
        _show(counts, list(newest.lines()))
    if log.unreadable:
        outputs.say(f"Left out, as no dead letters of ours: {log.unreadable}.", err=True)
    return True


class _Newest:
    """The lines of the newest letters, `most` of them, for a topic has more than is shown."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._heap: list[tuple[int, Position, Line]] = []

    def add(self, found: Found) -> None:
        heapq.heappush(self._heap, (found.written_ms, found.at, line_of(found)))
        if self._most is not None and len(self._heap) > self._most:
            heapq.heappop(self._heap)

    def lines(self) -> Iterable[Line]:
        return (line for _, _, line in sorted(self._heap, key=lambda each: each[:2]))


def line_of(found: Found) -> Line:
    """Returns what may be shown of one: nothing of a person."""
    letter = found.letter
    part = "" if letter.index is None else f"#{letter.index}"
    return {
        "position": str(found.at),
        "time": shown(found.written_ms),
        "destination": found.failed_at,
        "reason": letter.reason,
        "place": f"{letter.topic}/{letter.partition}/{letter.offset}{part}",
        "record": letter.record_id or "",
    }


def _show(counts: Counter[tuple[str, str]], lines: list[Line]) -> None:
    if not counts:
        outputs.say("There are none.")
        return
    rows = [(*key, str(count)) for key, count in sorted(counts.items())]
    table([("destination", "reason", "count"), *rows])
    if lines:
        outputs.say()
        table([tuple(lines[0]), *(tuple(line.values()) for line in lines)])
    if older := counts.total() - len(lines):
        outputs.say(f"{older} older: see --limit.")
