"""Every metric, in data-path order; each help text says what to do when it moves."""

from bisect import bisect_left
from collections import Counter as Counted
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from typing import Any, TypeVar

import prometheus_client
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics import MetricWrapperBase

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

# The states that `readiness` may have.
READY_STATES = (
    "ready",
    "no_partitions",
    "authentication_failed",
    "kafka_refused",
    "records_deleted",
    "unreadable",
    "partitions_unavailable",
    "kafka_unreachable",
    "writes_wait",
    "starting",
    "blocked",
    "limited",
)

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)


class Histogram(prometheus_client.Histogram):
    """A histogram that takes what one request brought at once: to observe each costs ten times."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        """Observes each of these."""
        self._sum.inc(sum(amounts))
        # A bucket holds what is no more than its bound.
        places = Counted(bisect_left(self._upper_bounds, amount) for amount in amounts)
        for place, count in places.items():
            self._buckets[place].inc(count)


_Metric = TypeVar("_Metric", bound=MetricWrapperBase)
_children: dict[tuple[MetricWrapperBase, tuple[str, ...]], Any] = {}


def child(metric: _Metric, *labels: str) -> _Metric:
    """Returns a metric with these labels, for who counts with each record or request.

    prometheus_client takes ten times as long to find it as to count. A child stays for ever, so
    this is not for metrics that forget some, nor for labels without bound.
    """
    key = (metric, labels)
    found: _Metric | None = _children.get(key)
    if found is None:
        found = _children[key] = metric.labels(*labels)
    return found


def _counter(name: str, text: str, labels: Iterable[str] = ()) -> Counter:
    return Counter(f"mparticle_streams_{name}", text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, labels: Iterable[str] = ()) -> Gauge:
    return Gauge(f"mparticle_streams_{name}", text, labels, registry=REGISTRY)


def _histogram(
    name: str, text: str, labels: Iterable[str] = (), buckets: tuple[float, ...] = _SECONDS
) -> Histogram:
    return Histogram(f"mparticle_streams_{name}", text, labels, registry=REGISTRY, buckets=buckets)


BUILD_INFO = _gauge(
    "build_info",
    "Always 1; the label says which version runs. Several at once for long: a deploy is stuck.",
    ("version",),
)
BUILD_INFO.labels(version=version("mparticle-streams")).set(1)
READINESS = _gauge(
    "readiness",
    "1 for the state the worker is in, 0 for the others; /ready says what to do. No partitions for "
    "long: Kafka is away, or there are more workers than partitions.",
    ("state",),
)
RECEIVED = _counter(
    "receiver_requests",
    "Posts to the receiver by what it answered; accepted only when Kafka has the message. Another "
    "outcome that grows: mParticle tries again for a while, and then it is lost; see the runbook.",
    ("outcome",),
)
RECEIVED_BYTES = _counter(
    "receiver_accepted_bytes", "Bytes of the messages that the receiver accepted."
)
RECEIVE_SECONDS = _histogram(
    "receiver_request_duration_seconds",
    "From a post's head to Kafka's acknowledgement. Rising: Kafka is slow, or posts arrive slowly.",
)
RECEIVER_MAX_IN_FLIGHT_BYTES = _gauge(
    "receiver_in_flight_bytes",
    "Bytes of posts that are read or wait for Kafka. At RECEIVER_MAX_IN_FLIGHT_BYTES: Kafka is "
    "slow or away, or there are too few receivers.",
)
TURNED_AWAY = _counter(
    "connections_rejected",
    "Connections and requests that a port ended before anybody looked at them: posts is the "
    "receiver's, pages that of /metrics. Grows: strangers, or a proxy in front that is slow; with "
    "full on posts mParticle is turned away too.",
    ("port", "reason"),
)
RECORDS_READ = _counter(
    "records_consumed",
    "Records taken from Kafka. Flat while mParticle sends: look at the worker's log and at lag.",
    ("topic",),
)
RECORDS_ENDED = _counter(
    "records_completed",
    "Records whose work is over: routed, delivered, dead-lettered, dropped, or known from before. "
    "Flat while records are in flight: look at blocks, at the destination, and at the log.",
    ("topic",),
)
UNACCOUNTED = _gauge(
    "records_unaccounted",
    "Records read, less those with a known end, less those under way. Not 0: a bug loses records "
    "or ends them twice; keep the log and the worker's offsets, and see the runbook.",
)
OLDEST_SECONDS = _gauge(
    "oldest_record_age_seconds",
    "Since Kafka took the raw message of the oldest record under way; 0 with none. The router has "
    "no destination. Rising: what it waits for is blocked, down, limited, or too slow.",
    ("destination", "topic"),
)
RECORDS_ROUTED = _counter(
    "records_routed",
    "Records the router wrote, by topic and kind. A kind that stops: look at mParticle's switches.",
    ("topic", "kind"),
)
DEVELOPMENT_RECORDS = _counter(
    "development_records",
    "Of the records the router wrote, those from mParticle's development environment. A "
    "destination leaves them out unless its setting DEVELOPMENT says deliver.",
    ("topic",),
)
RECORDS_DROPPED = _counter(
    "records_dropped",
    "Left out on purpose, by reason. A reason that grows: compare it with the settings.",
    ("stage", "reason"),
)
ODD_TIMES = _counter(
    "invalid_timestamps",
    "Records with a time that cannot be read, so that the message's counts (unreadable), or that a "
    "client's clock told wrongly, so that age counts from the message's (clock). Few are ordinary; "
    "a step: a source of mParticle's writes times in another way.",
    ("reason",),
)
DRIFT = _counter(
    "schema_drift",
    "Types and fields that no model knows, by where they stand. Any: mParticle has changed; types "
    "are routed or set aside as before, fields change nothing: `mparticle-streams route` names "
    "them.",
    ("what", "name"),
)
DEAD_LETTERS = _counter(
    "dead_letters",
    "Records that can never pass, by reason. Growing: read the dead-letters topic for that reason.",
    ("stage", "destination", "reason"),
)
DEDUPLICATED = _counter(
    "records_deduplicated",
    "Records that came again within the deduplication window and were not sent twice. A burst "
    "follows a crash.",
    ("topic",),
)
OVERTAKEN = _counter(
    "update_barrier_timeouts",
    "Times that a user's updates failed or stood still for 30 s, and what came after them went "
    "first. Growing: nothing passes at the updates' endpoint, or a user's updates keep failing.",
)
DELIVERIES = _counter(
    "deliveries",
    "Ends of records at a destination, by operation and outcome.",
    ("destination", "operation", "outcome"),
)
VAR_NAMES = _counter(
    "var_name_conflicts",
    "Names of attributes that could not be kept, by reason: told_apart, they would have become one "
    "var in one call; collides, they share a var from different messages (counted once a name); "
    "reserved, the destination keeps that name; switch, left out, because it steers mParticle's "
    "SDKs. Name vars yourself with SAILTHRU_VAR_NAMES; `explain` shows which.",
    ("destination", "reason"),
)
ATTRIBUTES_LEFT_OUT = _counter(
    "attributes_dropped",
    "User attributes that a setting leaves out of records whose others are sent: the reason names "
    "it.",
    ("destination", "reason"),
)
REQUESTS = _counter(
    "requests",
    "Requests by how they ended. throttled: a rate limit; retry_record, unavailable: it fails.",
    ("destination", "endpoint", "outcome"),
)
REQUEST_SECONDS = _histogram(
    "request_duration_seconds",
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
    "end_to_end_latency_seconds",
    "From the raw message's arrival in Kafka to the destination's yes. Rising: see lag and blocks.",
    ("destination", "operation"),
)
LANES_WAITING = _gauge(
    "lanes_waiting",
    "Queues, each of one user or of what must keep its order, that wait for their turn to send. "
    "Growing: the destination or its rate limit is the bottleneck.",
    ("destination", "endpoint"),
)
CEILING = _gauge(
    "rate_limit_per_minute",
    "The request ceiling believed now, published or announced; -1 where there is none.",
    ("destination", "endpoint"),
)
SHARE = _gauge(
    "rate_limit_share_per_minute",
    "What this worker may send of the ceiling now; -1 where there is none. All workers' shares "
    "together are what the deployment may use. 0 while lanes wait: look at rate_limit_workers.",
    ("destination", "endpoint"),
)
FOREIGN = _gauge(
    "rate_limit_foreign_per_minute",
    "Requests that somebody else makes of the same account, by the service's own count. Growing: "
    "find who it is, and agree on shares; the destination's settings have one for it.",
    ("destination", "endpoint"),
)
SHARERS = _gauge(
    "rate_limit_workers",
    "Workers that this one shares the ceilings with, itself included; 0 before it knows. Not what "
    "runs: they do not hear each other; look at the topic rate-limits, and who may write to it.",
    ("destination",),
)
CONNECTIONS = _gauge(
    "concurrency_limit",
    "Requests that may be in flight at once, adapted to latency. At half of the setting for long: "
    "the destination becomes slower the more it is asked at once.",
    ("destination",),
)
RATE_LIMITED = _counter(
    "rate_limit_throttles",
    "Answers that asked all requests of an endpoint to wait. Growing: something else uses up the "
    "account's limit, or the believed ceiling is too high.",
    ("destination", "endpoint"),
)
CLOSED = _gauge(
    "rate_limit_paused",
    "1 while nothing goes out because the destination asked to wait. For long: ask the service for "
    "a higher limit, or find who else uses it.",
    ("destination", "endpoint"),
)
RATE_HEADERS_IGNORED = _counter(
    "rate_limit_headers_ignored",
    "Headers of an endpoint's limit that made no sense, by what they were to tell: a reset outside "
    "the service's own minute, a limit below what passes without a refusal, no number. Growing: "
    "tell the service; what is believed in their place is the last that fitted.",
    ("destination", "endpoint", "header"),
)
DOWN = _gauge(
    "circuit_breaker_open",
    "1 while request after request fails and one at a time probes. It heals by itself: look at the "
    "service's status page and at the network on the way there.",
    ("destination", "endpoint"),
)
BLOCKED = _gauge(
    "delivery_blocked",
    "1 while nothing is sent to an endpoint, or to any, until a person mends something; the log "
    "line says where and what.",
    ("destination", "reason"),
)
AUDIENCE_NAMES_TAKEN = _counter(
    "audience_name_conflicts",
    "Audiences whose name at a destination was another audience's already, so that their id stands "
    "behind it: the log line audience_name_conflict and `check` name them.",
    ("destination",),
)
AUDIENCES_WITHOUT_MEMBERS = _gauge(
    "ab_tasty_audiences_without_members",
    "1 for each connected audience of which AB Tasty took no member yet: it does not show it. Look "
    "at its size in mParticle, and at dead letters.",
    ("audience",),
)
REFRESH_BEHIND_DAYS = _gauge(
    "ab_tasty_refresh_lag_days",
    "Of how many days members' rows wait to be sent again, in the partition that is furthest "
    "behind. Above 1 for hours: rows will lapse at AB Tasty; /ready and the log say what Kafka "
    "refuses, or the worker is behind.",
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
HOLES = _gauge(
    "uncommitted_offset_gaps",
    "Gaps between what has ended, in the partition with the most of them. At 1,000 it is paused: "
    "one user's failing request holds the commit back; see retries.",
    ("topic",),
)
WATERMARK = _gauge(
    "committable_offset",
    "The first offset that has not ended: all before it may be committed. Still while the log "
    "grows: its record is what waits.",
    ("topic", "partition"),
)
LOG_START = _gauge(
    "log_start_offset",
    "The first offset that Kafka still has, asked every 3 s. Near the watermark: raise the "
    "retention before records are deleted unread.",
    ("topic", "partition"),
)
LOG_END = _gauge(
    "log_end_offset",
    "The offset after the last one that Kafka has, asked every 3 s. Still: nobody writes.",
    ("topic", "partition"),
)
LAG = _gauge(
    "consumer_lag_records",
    "From the watermark to the end of the log. Growing: less is delivered than arrives; add "
    "workers up to the partitions, unless a rate limit or a block is the reason.",
    ("topic", "partition"),
)
RECORDS_DELETED = _counter(
    "records_deleted",
    "Records that Kafka deleted before they were read. Any: raise the retention; see /ready.",
    ("topic",),
)
COMMITS = _counter("offset_commits", "Offset commits that Kafka acknowledged.")
COMMITS_FAILED = _counter(
    "offset_commits_failed",
    "Commits that Kafka refused. A few at a rebalance are normal; a stream of them is not.",
)

REBALANCES = _counter(
    "rebalances",
    "Times that partitions were taken over, the first included. Many: workers come and go, or "
    "heartbeats are late; see their logs, and KAFKA_GROUP_INSTANCE_ID.",
)
DRAIN_SECONDS = _histogram(
    "drain_duration_seconds",
    "How long requests in flight and the last commit took before partitions were given away. Near "
    "WORKER_SHUTDOWN_TIMEOUT_S: raise it, or what is cut off is sent again.",
)
LOOP_LAG_SECONDS = _histogram(
    "event_loop_lag_seconds",
    "How late the worker's event loop comes to what is due. Above a second: it lacks CPU, and "
    "heartbeats and requests are late with it.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


def total(counter: Counter) -> int:
    """Returns the sum of a counter over all its labels."""
    return int(
        sum(
            sample.value
            for family in counter.collect()
            for sample in family.samples
            if sample.name.endswith("_total")
        )
    )


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)


def _rows() -> Iterator[str]:
    for metric in [each for each in globals().values() if isinstance(each, MetricWrapperBase)]:
        (family,) = metric.describe()
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = ", ".join(f"`{label}`" for label in metric._labelnames)  # noqa: SLF001 - nothing public tells them
        yield f"| `{name}` | {family.type} | {labels} | {family.documentation} |"


def markdown() -> str:
    """docs/metrics.md."""
    return "\n".join(
        (
            "# Metrics",
            "",
            "Every worker serves them on `/metrics`. All are declared, in data-path order, in",
            "[streams/metrics.py](../streams/metrics.py), and this page is made of that file:",
            "`python -m streams.metrics > docs/metrics.md`. Prometheus adds the label `worker`, as",
            "[its configuration](../grafana/prometheus/prometheus.yml) says; beside",
            "these stand the process metrics of prometheus_client.",
            "",
            "| metric | type | labels | what it says, and what to do when it moves |",
            "|---|---|---|---|",
            *_rows(),
        )
    )


if __name__ == "__main__":
    print(markdown())  # noqa: T201 - it is a page
