"""What is wrong, and who is at fault."""

from grafana.boards import links, rules
from grafana.boards.panels import COUNT, Query, listing, states
from grafana.boards.promql import DESTINATION, highest, or_zero, recorded, scoped, series

_RAW = 'topic="mparticle-raw"'
_ROUTER = 'worker="router"'
_KEPT = 'state=~"kafka_refused|unreadable|partitions_unavailable|writes_wait"'
_SILENT = (
    f"(sum(rate({series('records_consumed_total', _RAW)}[30m])) == bool 0)"
    f" * (sum({series('consumer_lag_records', _RAW)}) == bool 0)"
    f" unless on () max_over_time({recorded('no_kafka:max', _ROUTER)}[30m])"
)
_STILL = (
    f"count(sum by (worker, instance) ({series('records_in_flight')}) > 0"
    f" and sum by (worker, instance) (rate({series('records_completed_total')}[3m])) == 0"
    f" unless on (worker, instance) max_over_time({recorded('worker_excused:max')}[10m])) > bool 0"
)

FAULTS = states(
    77,
    "Who is at fault",
    "Each line names somebody and a fault of theirs, red while it lasts. mParticle: ask whoever "
    "runs it. Kafka: the cluster's team. A destination: its status page, it heals by itself, all "
    "waits in Kafka. A setting: the worker's log says what to mend. Ours: the worker's log, and a "
    "restart loses nothing. All green and yet late: too few workers, or a rate limit.",
    Query(_SILENT, "mParticle: silent for 30 minutes"),
    Query(or_zero(f"max({recorded('kafka_unreachable:max')})"), "Kafka: does not answer"),
    Query(
        highest("readiness", where='state="records_deleted"'),
        "Kafka: deleted records that were not read",
    ),
    Query(
        f"sum(rate({series('offset_commits_failed_total')}[10m]))"
        f" > bool sum(rate({series('offset_commits_total')}[10m]))",
        "Kafka: refuses commits",
    ),
    Query(
        highest("circuit_breaker_open", "destination", DESTINATION),
        "{{destination}}: down",
    ),
    Query(
        highest("rate_limit_paused", "destination", DESTINATION),
        "{{destination}}: asks to wait",
    ),
    Query(
        highest("readiness", "worker, state", _KEPT),
        "Kafka: keeps {{worker}} from its work, {{state}}",
    ),
    Query(
        highest("readiness", "worker", 'state="authentication_failed"'),
        "A setting of {{worker}}: its login at Kafka",
    ),
    Query(
        highest("delivery_blocked", "worker, reason", DESTINATION),
        "A setting of {{worker}}: {{reason}}",
    ),
    Query(f"1 - min({scoped('up')})", "Ours: a worker is down"),
    Query(or_zero(_STILL), "Ours: a worker stands still"),
    Query(
        f"max(abs({series('records_unaccounted')})) > bool 0",
        "Ours: records unaccounted for",
    ),
).links([links.ROUTER, links.ENGINE, *links.DESTINATIONS])

FIRING = listing(
    78,
    "Alerts that fire",
    COUNT,
    "Our alerts that fire now. Normal: nothing. Each has a page in docs/runbooks of the "
    "repository, under its name: what it means, how to confirm it, what to do, and what not to "
    "do. Critical wakes somebody, a warning is for the same day.",
    Query(
        "max by (severity, alertname, worker, destination, topic, endpoint, reason) "
        f'(ALERTS{{cluster=~"$cluster",alertstate="firing",alertname=~"{rules.ALERTS}"}})',
        "{{alertname}}",
    ),
    columns={
        "severity": "Severity",
        "alertname": "Alert and runbook",
        "worker": "Worker",
        "destination": "Destination",
        "endpoint": "Endpoint",
        "topic": "Topic",
        "reason": "Reason",
    },
).links([links.ROUTER, links.ENGINE, *links.DESTINATIONS])

PANELS = (FAULTS, FIRING)
