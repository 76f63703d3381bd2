"""The group, and the processes that are its members."""

from grafana.boards.panels import (
    BYTES,
    COUNT,
    DURATION,
    SECONDS,
    SHARE,
    TIMES_PER_SECOND,
    Query,
    above,
    graph,
    states,
)
from grafana.boards.promql import highest, increase, quantile, rate, scoped, series

_WORKER = "{{worker}}"
_READY, _NOT_READY = 'state="ready"', 'state!="ready"'

GROUP = (
    states(
        51,
        "What the workers are ready for",
        "A red line while a worker is not ready, and below it why: kafka_unreachable, "
        "authentication_failed, kafka_refused (a right, or a topic that is gone), "
        "no_partitions (more workers than partitions, or Kafka is away), starting (reads back what "
        "has ended), records_deleted, unreadable, partitions_unavailable, writes_wait, limited (a "
        "destination asked to wait for more than a minute, or somebody else uses its limit up), or "
        "blocked. /ready of the worker says what to do.",
        Query(
            f"min by (worker) ({series('readiness', _READY)}) == bool 0",
            "{{worker}} is not ready",
        ),
        Query(
            f"{highest('readiness', 'worker, state', _NOT_READY)} > 0",
            "{{worker}}: {{state}}",
        ),
    ),
    graph(
        34,
        "Commits",
        TIMES_PER_SECOND,
        "Offset commits that Kafka took, and those that it refused. Normal: up to about 20 a "
        "second while there is something to commit, and none refused but at a rebalance.",
        Query(rate("offset_commits", "worker"), "{{worker}}"),
        Query(rate("offset_commits_failed", "worker"), "{{worker}} refused"),
    ),
    graph(
        62,
        "Rebalances",
        COUNT,
        "Times within an hour that partitions were taken over. Normal: none but at deploys. Many: "
        "workers come and go, or heartbeats are late; see their logs, the event loop, and "
        "KAFKA_GROUP_INSTANCE_ID.",
        Query(increase("rebalances", "1h", "worker"), _WORKER),
        limits=above(6, 30),
    ),
    graph(
        63,
        "Draining before partitions are given away",
        SECONDS,
        "How long requests in flight and the last commit took at a rebalance or a stop, slowest 1 "
        "% of the hour. Near WORKER_SHUTDOWN_TIMEOUT_S, 20 s: raise it, or what is cut off is sent "
        "again.",
        Query(quantile(0.99, "drain_duration_seconds", "worker", window="1h"), _WORKER),
        limits=above(15, 20),
    ),
)

PROCESS = (
    graph(
        64,
        "Event loop, how late",
        SECONDS,
        "How late a worker comes to what is due, slowest 1 %. Normal: milliseconds. Above a second "
        "it lacks CPU, and heartbeats and requests are late with it: give it a core of its own.",
        Query(quantile(0.99, "event_loop_lag_seconds", "worker"), _WORKER),
        limits=above(0.25, 1),
    ),
    graph(
        37,
        "CPU",
        SHARE,
        "What each replica uses of one core. Normal: below 80 %, a worker uses one core and no "
        "more. At 100 % with a growing lag: start more workers of that kind.",
        Query(
            f"max by (worker) (rate({scoped('process_cpu_seconds_total')}[$__rate_interval]))",
            _WORKER,
        ),
        limits=above(0.8, 0.95),
    ),
    graph(
        38,
        "Memory",
        BYTES,
        "Resident memory of the largest replica. Normal: it settles, whatever the lag. It grows "
        "for days: a leak; keep a note of it and restart at leisure.",
        Query(f"max by (worker) ({scoped('process_resident_memory_bytes')})", _WORKER),
    ),
    graph(
        39,
        "Time since start",
        DURATION,
        "Of the youngest replica. It falls back to 0 at each start. Again and again: the end of "
        "the worker's log says why; memory limits and the watchdog are the usual reasons.",
        Query(f"time() - max by (worker) ({scoped('process_start_time_seconds')})", _WORKER),
    ),
)

BUILD = (
    graph(
        65,
        "Versions",
        COUNT,
        "How many replicas run each version. Normal: one version. Several for long: a deploy is "
        "stuck half way.",
        Query(f"count by (worker, version) ({series('build_info')})", "{{worker}} {{version}}"),
    ),
)
