"""Prints what a trace found: as tables and sentences, or as JSON lines."""

from collections.abc import Iterator, Sequence

from cli import outputs
from cli.kafka_command import table
from cli.route import describe_ends
from cli.times import shown
from cli.trace.lines import NOT_FOUND, Line, letter_lines, lines, record_lines
from cli.trace.report import Raw, Report

_ENDED = (
    "ended: delivered, or left out for a reason that the metrics count; Kafka does not tell which."
)
_TWICE = (
    "Same record twice: the message came again or was routed again, which is "
    "delivered once while workers know of it (WORKER_DEDUP_MAX_IDS); or it was redriven or "
    "replayed."
)
_NOT_FOUND = (
    f"{NOT_FOUND}: not written yet, not in what was read, deleted by Kafka, or replaced by a newer "
    "one (audiences); or a user's attributes that were nothing new then (ROUTER_SNAPSHOTS), or the "
    "router was another, by its version or by ROUTER_…."
)


def show(report: Report, *, as_json: bool) -> None:
    """Prints tables, or as JSON only lines; what was not read then goes to standard error."""
    if as_json:
        for line in lines(report):
            outputs.show(line)
        for said in _not_read(report):
            outputs.say(said, err=True)
        return
    records, letters = list(record_lines(report)), letter_lines(report)
    for said in _head(report):
        outputs.say(said)
    _show_table([_row(line) for line in records])
    _show_table(letters, "Dead letters:")
    if notes := [*_notes(records), *_moved(report), *_sent_again(report.raw), *_not_read(report)]:
        outputs.say("", *notes)


def _row(line: Line) -> Line:
    """Destinations are columns."""
    return {**{name: line[name] for name in line if name != "destinations"}, **line["destinations"]}


def _show_table(rows: Sequence[Line], *heads: str) -> None:
    if rows:
        outputs.say("", *heads)
        table([tuple(rows[0]), *(tuple(row.values()) for row in rows)])


def _head(report: Report) -> Iterator[str]:
    if report.raw is not None:
        yield from _of_raw(report.raw)
    story, (since_ms, until_ms, _) = report.story, report.span
    since = "the first that Kafka has" if since_ms is None else shown(since_ms)
    until = "now" if until_ms is None else shown(until_ms)
    found = f"records {len(story.records):,}, dead letters {len(story.letters.all):,}"
    yield f"Found in what Kafka took from {since} to {until}: {found}."


def _of_raw(raw: Raw) -> Iterator[str]:
    place, message = f"{raw.at.topic} {raw.at.position}", raw.message
    if message is None:
        yield f"{place}: Kafka has deleted it."
    else:
        again = f", sent again of dead letter {message.redriven_of}" if message.redriven_of else ""
        yield f"{place}: {message.length:,} bytes, taken {shown(message.at_ms)}{again}."
        yield f"With ROUTER_… as set here it becomes: {describe_ends(message.ends)}."
    if raw.ended:
        yield "The router has passed it."
    elif raw.passed is None:
        yield "The router's group has no offset of this partition: its worker has not begun."
    else:
        yield f"The router has not passed it: it stands at {raw.at.partition}/{raw.passed}."


def _notes(records: Sequence[Line]) -> Iterator[str]:
    """Yields what the words mean that were used."""
    fates = {told.partition(",")[0] for line in records for told in line["destinations"].values()}
    if "ended" in fates:
        yield _ENDED
    if any(line["position"] == NOT_FOUND for line in records):
        yield _NOT_FOUND
    ids = [line["record"] for line in records if line["record"]]
    if len(set(ids)) < len(ids):
        yield _TWICE


def _moved(report: Report) -> Iterator[str]:
    if moved := report.story.moved:
        at = ", ".join(f"{each.topic} {each.position}" for each in moved)
        yield f"Written before partitions were added, when their key belonged to another: {at}."


def _sent_again(raw: Raw | None) -> Iterator[str]:
    if raw is not None and raw.again:
        at = ", ".join(str(each.at.position) for each in raw.again)
        yield f"The message was sent again as {at}: trace that too."


def _not_read(report: Report) -> Iterator[str]:
    for cut in report.story.cuts:
        yield (
            f"Too much: {cut.at.topic} was read only up to {shown(cut.at_ms)}, before "
            f"{cut.at.position}: see --most and --since."
        )
