"""Makes lines of what a trace found, for scripts and tables; nothing of a person is in them."""

from collections.abc import Iterator, Mapping
from typing import Any

from cli.dead_letters.list import line_of
from cli.times import shown
from cli.trace.report import Raw, Report
from streams.operations.trace_fates import Group, Letters, Traced, fate

Line = Mapping[str, Any]
NOT_FOUND = "not found"


def lines(report: Report) -> Iterator[Line]:
    """The raw message if one was asked for, records, dead letters."""
    if report.raw is not None:
        yield raw_line(report.raw)
    yield from record_lines(report)
    for line in letter_lines(report):
        yield {"dead_letter": line["position"]} | {k: line[k] for k in line if k != "position"}


def raw_line(raw: Raw) -> Line:
    line: dict[str, Any] = {
        "raw": str(raw.at.position),
        "router": "ended" if raw.ended else "waiting",
        "sent_again": [str(each.at.position) for each in raw.again],
    }
    if (message := raw.message) is None:
        return line | {"deleted": True}
    redriven_of = {"redriven_of": message.redriven_of} if message.redriven_of else {}
    known = {"time": shown(message.at_ms), "bytes": message.length, "becomes": message.ends}
    return line | redriven_of | known


def record_lines(report: Report) -> Iterator[Line]:
    """Those that were found, then those that the router makes now and that were not."""
    story = report.story
    for record in story.records:
        yield {
            "topic": record.at.topic,
            "position": str(record.at.position),
            "time": shown(record.at_ms),
            "kind": record.kind,
            "record": record.id,
            "raw": _raw(record),
            "destinations": {
                group.worker: _fate(record, group, story.letters) for group in story.groups
            },
        }
    if report.raw is not None:
        for made in report.raw.missing:
            yield {
                "topic": made.topic,
                "position": NOT_FOUND,
                "time": "",
                "kind": made.kind,
                "record": made.id,
                "raw": f"{report.raw.at.position}#{made.part}",
                "destinations": {group.worker: "" for group in story.groups},
            }


def letter_lines(report: Report) -> list[Line]:
    return [line_of(found) for found in report.story.letters.all]


def _raw(record: Traced) -> str:
    raw = record.raw
    return f"{raw.partition}/{raw.offset}#{raw.index}" if raw else ""


def _fate(record: Traced, group: Group, letters: Letters) -> str:
    said = fate(record, group, letters)
    if record.redriven_for != group.worker:
        return said
    return f"{said}, redriven of {record.redriven_of}"
