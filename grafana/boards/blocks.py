"""The one panel that several boards have: who waits for a person, and why."""

from grafana.boards.panels import Panel, Query, states
from grafana.boards.promql import highest


def blocks(where: str = "") -> Panel:
    """Of the workers that `where` chooses."""
    waits = ",".join(filter(None, (where, 'state="blocked"')))
    return states(
        9,
        "What is blocked, and why",
        "Red while a worker holds records until a person mends something; the line below it names "
        "the reason, and the worker's log line `delivery_blocked` says in a sentence what to do. "
        "It probes and goes on by itself then, but for too_many_rejections, which needs a restart. "
        "Nothing is lost meanwhile.",
        Query(highest("readiness", "worker", waits), "{{worker}}"),
        Query(highest("delivery_blocked", "worker, reason", where), "{{worker}}: {{reason}}"),
    )
