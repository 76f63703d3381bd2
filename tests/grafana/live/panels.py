"""Every query of every board, as Grafana would ask it, and the few that may stay without data."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tests.grafana.boards import FILES, load, queries


class May(NamedTuple):
    """A query that may stay without data, and why: its board, panel and a name it asks for."""

    board: str
    panel: str
    name: str
    why: str


_NO_CEILING = "AB Tasty publishes no ceiling"
_NO_POSTS = "the demo writes to Kafka, as mParticle's own output does"
_SOUND_HEADERS = "no fault here sends rate headers that make no sense"
EMPTY = (
    May("ab-tasty", "Requests a minute, and the ceiling", "rate_limit_per_minute", _NO_CEILING),
    May("ab-tasty", "Ceiling used", "rate_limit_used", _NO_CEILING),
    May("ab-tasty", "Share of the ceiling, by worker", "share_per_minute", _NO_CEILING),
    May(
        "kafka-and-engine",
        "Draining before partitions are given away",
        "drain_duration_seconds",
        "each worker is alone in its group, and gives nothing away before it stops",
    ),
    May("router", "Posts of mParticle's, by outcome", "receiver_requests_total", _NO_POSTS),
    May(
        "router",
        "From a post to Kafka's acknowledgement",
        "receiver_request_duration_seconds",
        _NO_POSTS,
    ),
    May("ab-tasty", "Answers that ask all to wait", "headers_ignored", _SOUND_HEADERS),
    May("sailthru", "Answers that ask all to wait", "headers_ignored", _SOUND_HEADERS),
    May("overview", "Who is at fault", "records_in_flight", "no fault here makes a worker hang"),
)

_BUILT_IN = {"__rate_interval": "5s", "__interval": "1s", "__range": "1m"}
_VARIABLE = re.compile(r"\$\{?(\w+)(?::\w+)?\}?")
# What a panel shows where there is no data, and so none itself.
_FALLBACK = re.compile(r"\s+or\s+(?:on\s*\(\)\s*)?vector\(0\)")


class Shown(NamedTuple):
    """A panel's query; every variable stands at All."""

    board: str
    panel: str
    expression: str


def asked(expression: str) -> str:
    """What Prometheus is asked, without what stands in for missing data."""
    filled = _VARIABLE.sub(lambda found: _BUILT_IN.get(found[1], ".*"), expression)
    return _FALLBACK.sub("", filled)


def all_queries() -> Iterator[Shown]:
    for file in FILES:
        board = load(file)
        for query in queries(board):
            yield Shown(file.stem, query.title, asked(query.expression))


def may_be_empty(query: Shown) -> May | None:
    for may in EMPTY:
        if may[:2] == query[:2] and may.name in query.expression:
            return may
    return None
