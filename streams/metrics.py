"""Every metric, in data-path order; each help text says what to do when it moves."""

from collections import Counter as Counts
from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from streams.engine.partition import Partition

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)


def _counter(name: str, text: str, labels: Iterable[str] = ()) -> Counter:
    return Counter(f"mparticle_streams_{name}", text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, labels: Iterable[str] = ()) -> Gauge:
    return Gauge(f"mparticle_streams_{name}", text, labels, registry=REGISTRY)


def _histogram(
    name: str, text: str, labels: Iterable[str] = (), buckets: tuple[float, ...] = _SECONDS
) -> Histogram:
    return Histogram(f"mparticle_streams_{name}", text, labels, registry=REGISTRY, buckets=buckets)


RECORDS_READ = _counter(
    "records_read",
    "Records taken from Kafka. Flat while mParticle sends: look at the worker's log and at lag.",
    ("topic",),
)
RECORDS_ROUTED = _counter(
    "records_routed",
    "Records the router wrote, by topic and kind. A kind that stops: look at mParticle's switches.",
    ("topic", "kind"),
)
RECORDS_DROPPED = _counter(
    "records_dropped",
    "Left out on purpose, by reason. A reason that grows: compare it with the settings.",
    ("stage", "reason"),
)
DRIFT = _counter(
    "drift",
    "Types and fields that no model knows, 200 different ones at most. Any: mParticle has changed; "
    "types are routed or set aside as before, fields change nothing: see whether you need them.",
    ("what", "name"),
)
DEAD_LETTERS = _counter(
    "dead_letters",
    "Records that can never pass, by reason. Growing: read the dead-letters topic for that reason.",
    ("stage", "destination", "reason"),
)
DEDUPLICATED = _counter(
    "records_deduplicated",
    "Records that came again within the horizon and were not sent twice. A burst follows a crash.",
    ("topic",),
)
OVERTAKEN = _counter(
    "updates_overtaken",
    "Times that 30 s were not enough for a user's updates, and what came after them went first. "
    "Growing: user updates are the bottleneck, or a user's updates keep failing.",
)
DELIVERIES = _counter(
    "deliveries",
    "Ends of records at a destination, by operation and outcome.",
    ("destination", "operation", "outcome"),
)
NAMES_TOLD_APART = _counter(
    "names_told_apart",
    "Names of one record that a destination would have taken for one, and that were kept apart by "
    "a tail. Any: rename one of them in mParticle; `explain` shows which.",
    ("destination",),
)
REQUESTS = _counter(
    "requests",
    "Requests by how they ended. retry_later growing: the destination is limiting or failing.",
    ("destination", "endpoint", "outcome"),
)
REQUEST_SECONDS = _histogram(
    "request_seconds",
    "How long requests take. Rising: the destination is slow.",
    ("destination", "endpoint"),
)
RECORDS_PER_REQUEST = _histogram(
    "records_per_request",
    "How many records one request carried. Rising: folding works against a backlog.",
    ("destination", "endpoint"),
    (1, 2, 3, 5, 10, 20, 50, 100, 250, 500, 1000),
)
RAW_TO_ACCEPTED_SECONDS = _histogram(
    "raw_to_accepted_seconds",
    "From the raw message's arrival in Kafka to the destination's yes. Rising: see lag and blocks.",
    ("destination", "operation"),
)
CEILING = _gauge(
    "rate_limit_per_minute",
    "The request ceiling believed now, published or announced; -1 where there is none.",
    ("destination", "endpoint"),
)
BLOCKED = _gauge(
    "blocked",
    "1 while nothing is sent until a person mends something; the log line says what.",
    ("destination", "reason"),
)
AUDIENCES_WITHOUT_MEMBERS = _gauge(
    "ab_tasty_audiences_without_members",
    "1 for each connected audience of which AB Tasty took no member yet: it does not show it. Look "
    "at its size in mParticle, and at dead letters.",
    ("audience",),
)
IN_FLIGHT = _gauge(
    "records_in_flight",
    "Records fetched and not ended. At its limit: the destination is the bottleneck.",
    ("topic",),
)
PAUSED = _gauge(
    "partitions_paused",
    "Partitions not fetched because their in-flight limit is reached.",
)
OFFSETS_DELETED = _counter(
    "offsets_deleted",
    "Records that Kafka deleted before they were read. Any: raise the retention; see /ready.",
    ("topic",),
)
COMMITS = _counter("commits", "Offset commits that Kafka acknowledged.")
COMMITS_FAILED = _counter(
    "commits_failed",
    "Commits that Kafka refused. A few at a rebalance are normal; a stream of them is not.",
)


def observe_partitions(partitions: Iterable[Partition], prefix: str) -> None:
    """Sets what is read off the assigned partitions when somebody asks."""
    waiting = Counts[str]()
    paused = 0
    for partition in partitions:
        waiting[partition.tp.topic.removeprefix(prefix)] += partition.offsets.waiting
        paused += partition.full
    for topic, count in waiting.items():
        IN_FLIGHT.labels(topic=topic).set(count)
    PAUSED.set(paused)


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)
