"""What a destination allows, and when it is away."""

from grafana.boards.blocks import blocks
from grafana.boards.panels import (
    COUNT,
    REQUESTS_PER_MINUTE,
    SHARE,
    Panel,
    Query,
    above,
    graph,
    states,
)
from grafana.boards.promql import highest, per_minute, recorded, total


def ceilings(where: str) -> tuple[Panel, ...]:
    return (
        graph(
            16,
            "Requests a minute, and the ceiling",
            REQUESTS_PER_MINUTE,
            "Requests of all workers together, and the ceiling that they believe in, published or "
            "announced. Normal: well below. At it for long: ask the service for a higher limit; "
            "more workers do not help.",
            Query(per_minute("requests", "endpoint", where), "{{endpoint}}"),
            Query(
                f"{highest('rate_limit_per_minute', 'endpoint', where)} > 0",
                "ceiling, {{endpoint}}",
            ),
        ),
        graph(
            52,
            "Ceiling used",
            SHARE,
            "Requests of the last five minutes as a share of the believed ceiling, and the share "
            "of the last ten minutes' requests that were refused as too many. Above 90 % lateness "
            "is the ceiling's fault. Far below 100 % while refused: somebody else uses the same "
            "account.",
            Query(recorded("rate_limit_used:ratio_rate5m", where), "used, {{endpoint}}"),
            Query(recorded("rate_limit_throttles:ratio_rate10m", where), "refused, {{endpoint}}"),
            limits=above(0.9, 1),
        ),
        graph(
            54,
            "Answers that ask all to wait",
            REQUESTS_PER_MINUTE,
            "Answers with 429 or an announced outage. Normal: none. Each request is tried again "
            "and nothing is lost, but it becomes late. For long: find who else uses the account, "
            "or ask for a higher limit. Below them, where there are any, headers of the limit that "
            "made no sense and were ignored: tell the service.",
            Query(per_minute("rate_limit_throttles", "endpoint", where), "{{endpoint}}"),
            Query(
                f"{per_minute('rate_limit_headers_ignored', 'endpoint, header', where)} > 0",
                "ignored {{header}}, {{endpoint}}",
            ),
        ),
    )


def sharing(where: str) -> tuple[Panel, ...]:
    return (
        graph(
            53,
            "Queues that wait for their turn",
            COUNT,
            "Queues, each of one user or of what must keep its order, with something to send and "
            "no turn yet. Normal: few. It grows: the destination or its rate limit is the "
            "bottleneck.",
            Query(total("lanes_waiting", "endpoint", where), "{{endpoint}}"),
        ),
        graph(
            82,
            "Share of the ceiling, by worker",
            REQUESTS_PER_MINUTE,
            "What each worker may send of the ceiling, divided by demand, and what others make of "
            "the same account by the service's own count. Others rise: find who it is. A worker at "
            "0 while its queues wait: compare with how many it shares.",
            Query(
                f"{total('rate_limit_share_per_minute', 'instance, endpoint', where)} >= 0",
                "{{instance}} {{endpoint}}",
            ),
            Query(
                highest("rate_limit_foreign_per_minute", "endpoint", where), "others, {{endpoint}}"
            ),
        ),
        graph(
            83,
            "Workers that share, and requests at once",
            COUNT,
            "With how many workers each believes it shares the ceiling, itself included, and how "
            "many requests may be in flight at once, adapted to latency. Normal: as many as run, "
            "and steady. 0 for long: they do not hear each other. Half the requests at once: the "
            "destination becomes slower the more it is asked.",
            Query(highest("rate_limit_workers", "instance", where), "workers, {{instance}}"),
            Query(highest("concurrency_limit", "instance", where), "at once, {{instance}}"),
        ),
    )


def outages(name: str, where: str) -> tuple[Panel, ...]:
    return (
        states(
            56,
            "Down",
            "Red while requests to an endpoint fail one after another and one at a time probes. It "
            "heals by itself and nothing is lost: look at the service's status page, and at the "
            "network on the way there.",
            Query(highest("circuit_breaker_open", "endpoint", where), "{{endpoint}}"),
        ),
        states(
            55,
            "Asked to wait",
            "Red while nothing goes to an endpoint because the service asked to wait. Short and "
            "rare is normal. For long: ask for a higher limit, or find who else uses it.",
            Query(highest("rate_limit_paused", "endpoint", where), "{{endpoint}}"),
        ),
        blocks(f'worker="{name}"'),
    )
