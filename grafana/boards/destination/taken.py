"""Whether a destination takes what it should, and what its requests do."""

from grafana.boards import links
from grafana.boards.panels import (
    ANY_IS_BAD,
    COUNT,
    RECORDS_PER_SECOND,
    REQUESTS_PER_SECOND,
    SECONDS,
    YES_NO,
    Panel,
    Query,
    above,
    graph,
    tile,
)
from grafana.boards.promql import highest, mean, or_zero, quantile, rate


def tiles(title: str, where: str) -> tuple[Panel, ...]:
    return (
        tile(
            5,
            "Delivered",
            RECORDS_PER_SECOND,
            f"Records that {title} took. Normal: it follows what the router writes. Nothing while "
            "records are in flight: see the tiles beside it, then the requests.",
            Query(rate("deliveries", where=f'{where},outcome="delivered"'), "delivered"),
        ).links([links.ROUTER]),
        tile(
            75,
            "Oldest undelivered",
            SECONDS,
            "Since Kafka took the raw message of the oldest record that waits here. Normal: "
            "seconds. Above 15 minutes, and neither down nor blocked: one user's request keeps "
            "failing, or the rate limit is too small.",
            Query(or_zero(highest("oldest_record_age_seconds", where=where)), "oldest"),
            limits=above(60, 900),
        ).links([links.OVERVIEW]),
        tile(
            80,
            "Down now",
            YES_NO,
            f"Yes while {title} fails request after request at an endpoint, and one at a time "
            "probes. Nothing is lost and it heals by itself: look at its status page, and at the "
            "network on the way there.",
            Query(or_zero(highest("circuit_breaker_open", where=where)), "down"),
            limits=ANY_IS_BAD,
        ),
        tile(
            3,
            "Blocked",
            YES_NO,
            "Yes while nothing is sent until a person mends something: a key, a setting, or the "
            "cause of too many dead letters. Nothing is lost, the backlog waits in Kafka. The "
            "timeline of blocks names the reason, the worker's log says what to do.",
            Query(or_zero(highest("delivery_blocked", where=where)), "blocked"),
            limits=ANY_IS_BAD,
        ),
    )


def taken(where: str) -> tuple[Panel, ...]:
    accepted = "end_to_end_latency_seconds"
    return (
        graph(
            15,
            "Delivered, by operation",
            RECORDS_PER_SECOND,
            "What the records that were taken did there. Normal: a steady mix. An operation that "
            "stops alone: look at that kind on the router's board, and at dead letters.",
            Query(rate("deliveries", "operation", f'{where},outcome="delivered"'), "{{operation}}"),
        ).links([links.ROUTER]),
        graph(
            20,
            "From raw message to accepted",
            SECONDS,
            "From the raw message's arrival in Kafka to this destination's yes: half of the "
            "records are faster than the lower line, 99 % faster than the upper. Above the dashed "
            "minute: see the requests' duration, queues that wait, and the ceiling.",
            Query(quantile(0.5, accepted, "operation", where), "half, {{operation}}"),
            Query(quantile(0.99, accepted, "operation", where), "99 %, {{operation}}"),
            limits=above(60, 900),
        ),
        graph(
            50,
            "Oldest record under way",
            SECONDS,
            "The age of the oldest record of each topic that has not ended. Normal: seconds. A "
            "line that rises as the clock does is one record that waits; after 15 minutes of "
            "failing while others pass it becomes a dead letter by itself.",
            Query(highest("oldest_record_age_seconds", "topic", where), "{{topic}}"),
            limits=above(60, 900),
        ).links([links.ENGINE]),
    )


def requests(where: str) -> tuple[Panel, ...]:
    return (
        graph(
            17,
            "Requests, by how they ended",
            REQUESTS_PER_SECOND,
            "Normal: delivered. A trickle of retry_record is single users whose requests fail and "
            "are tried again; nothing but retry_record or unavailable is an outage. throttled: "
            "a rate limit. rejected becomes dead letters. misconfigured: a person must mend "
            "something, the log says what.",
            Query(rate("requests", "endpoint, outcome", where), "{{endpoint}} {{outcome}}"),
        ),
        graph(
            18,
            "Request duration",
            SECONDS,
            "How long requests take: half of them less than the lower line, 99 % less than the "
            "upper. Normal: what you are used to. It rises: the service is slow, and records wait "
            "longer; there is nothing to mend here.",
            Query(
                quantile(0.5, "request_duration_seconds", "endpoint", where), "half, {{endpoint}}"
            ),
            Query(
                quantile(0.99, "request_duration_seconds", "endpoint", where), "99 %, {{endpoint}}"
            ),
        ),
        graph(
            19,
            "Records in one request",
            COUNT,
            "How many records one request carries on average. It rises while there is a backlog: "
            "what waits for one request folds into the next, which is what folding is for.",
            Query(mean("records_per_request", "endpoint", where), "{{endpoint}}"),
        ),
    )
