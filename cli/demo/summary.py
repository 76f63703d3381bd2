"""The table at the end of the demo, and whether it adds up."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich.table import Table

from cli.demo.figures import Figures
from sandbox.mparticle import Ledger

# Records that sinks send of their own accord stand on no topic that they read.
_OF_THEIR_OWN = ("list_wanted", "membership_refreshed")


@dataclass(frozen=True)
class Run:
    """The figures of a run.

    `seconds` are those until each worker was done, `topics` the records on each topic.
    """

    ledger: Ledger
    published: int
    seconds: Mapping[str, float]
    topics: Mapping[str, int]
    router: Figures
    sinks: Mapping[str, Figures]
    requests: Mapping[str, Mapping[str, Mapping[str, int]]]
    ceilings: Mapping[str, Mapping[str, int]]
    reads: Mapping[str, tuple[str, ...]]


def table(run: Run) -> Table:
    """Everything that was counted, in data-path order."""
    out = Table("", "what", "count", title="mParticle to Sailthru and AB Tasty", box=None)
    read = run.router.total("records_consumed_total")
    out.add_row("raw", "messages published", _n(run.published))
    out.add_row("", "messages read by the router", _n(read))
    for reason, count in run.router.by("records_dropped_total", "reason").items():
        out.add_row("", f"dropped: {reason}", _n(count))
    for reason, count in run.router.by("dead_letters_total", "reason").items():
        out.add_row("", f"dead-lettered: {reason}", _n(count))
    for index, (topic, count) in enumerate(run.topics.items()):
        out.add_row("topics" if index == 0 else "", topic, _n(count))
    for name, sink in run.sinks.items():
        for index, (what, value) in enumerate(_destination(run, name, sink)):
            out.add_row(name if index == 0 else "", what, value)
    return out


def _destination(run: Run, name: str, sink: Figures) -> Iterator[tuple[str, str]]:
    for operation, count in sink.by("deliveries_total", "operation").items():
        yield f"delivered: {operation}", _n(count)
    yield "came again, not sent twice", _n(sink.total("records_deduplicated_total"))
    for reason, count in sink.by("records_dropped_total", "reason").items():
        yield f"dropped: {reason}", _n(count)
    for reason, count in sink.by("dead_letters_total", "reason").items():
        yield f"dead-lettered: {reason}", _n(count)
    for endpoint, statuses in run.requests[name].items():
        said = ", ".join(f"{status}: {count:,}" for status, count in sorted(statuses.items()))
        yield f"requests, {endpoint}", said
    requests = sink.total("records_per_request_count")
    if requests:
        per_request = sink.total("records_per_request_sum") / requests
        yield "records per request", f"{per_request:.2f}"
    for share, label in ((0.5, "p50"), (0.99, "p99")):
        took = sink.quantile("end_to_end_latency_seconds", share, at_most=run.seconds[name])
        if took is not None:
            yield f"raw to accepted, {label}", f"{took:.2f} s"
    for endpoint, ceiling in sorted(run.ceilings[name].items()):
        if endpoint in run.requests[name]:
            yield f"ceiling announced, {endpoint}", f"{ceiling:,} a minute"


def sums(run: Run) -> list[str]:
    """One sentence for each sum that does not come out; none when it all adds up."""
    wrong = []

    def check(what: str, left: int, right: int) -> None:
        if left != right:
            wrong.append(f"{what}: {left:,} is not {right:,}.")

    check(
        "messages published and read by the router",
        run.published,
        run.router.total("records_consumed_total"),
    )
    for topic in ("user-update", "events", "audience-membership", "audiences", "privacy-requests"):
        written = run.router.total("records_routed_total", topic=topic)
        check(f"records written to {topic}, and there", written, run.topics[topic])
    asked, there = run.ledger.counts.privacy_requests, run.topics["privacy-requests"]
    if there < asked:
        wrong.append(f"records of what people asked about their data: {there:,} of {asked:,}.")
    letters = run.router.total("dead_letters_total")
    for name, sink in run.sinks.items():
        ended = sum(
            sink.total(f"{how}_total")
            for how in ("deliveries", "records_dropped", "records_deduplicated", "dead_letters")
        ) - sum(sink.total("deliveries_total", operation=each) for each in _OF_THEIR_OWN)
        there = sum(run.topics[topic] for topic in run.reads[name])
        check(f"records that ended at {name}, and were there", ended, there)
        letters += sink.total("dead_letters_total")
    check("dead letters written, and there", letters, run.topics["dead-letters"])
    return wrong


def _n(count: int) -> str:
    return f"{count:,}"
