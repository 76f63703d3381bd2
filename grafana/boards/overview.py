"""One screen: is it flowing, how late is it, what is wrong, and whose fault is that."""

from grafana.boards import faults, links
from grafana.boards.board import DESTINATION as CHOICE
from grafana.boards.board import Board, Line
from grafana.boards.panels import (
    COUNT,
    NONE_IS_BAD,
    RECORDS_PER_SECOND,
    SECONDS,
    SHARE,
    UP_DOWN,
    Query,
    above,
    below,
    graph,
    tile,
)
from grafana.boards.promql import (
    DESTINATION,
    highest,
    or_zero,
    quantile,
    rate,
    recorded,
    scoped,
    total,
)

_RAW = 'topic="mparticle-raw"'
_DELIVERED = f'{DESTINATION},outcome="delivered"'

TILES = (
    tile(
        4,
        "Raw messages",
        RECORDS_PER_SECOND,
        "What the router reads of mParticle's messages. Normal is your traffic, with its day and "
        "night. Nothing while mParticle sends: see who is at fault below, then the router's board.",
        Query(rate("records_consumed", where=_RAW), "read"),
    )
    .links([links.ROUTER])
    .data_links([links.ROUTER]),
    tile(
        5,
        "Delivered",
        RECORDS_PER_SECOND,
        "Records that a destination took. Normal: it follows the raw messages, and rests when they "
        "do. Nothing while records wait: see who is at fault below. A click leads to its board.",
        Query(rate("deliveries", "destination", _DELIVERED), "{{destination}}"),
    )
    .links(list(links.DESTINATIONS))
    .data_links([links.ITS_DESTINATION]),
    tile(
        75,
        "Oldest undelivered",
        SECONDS,
        "Since Kafka took the raw message of the oldest record that still waits, at a destination "
        "or at the router. Normal: seconds. Above 15 minutes somebody should know why: see who is "
        "at fault, and the age by topic below.",
        Query(or_zero(highest("oldest_record_age_seconds", where=DESTINATION)), "oldest"),
        limits=above(60, 900),
    )
    .links(list(links.DESTINATIONS))
    .data_links([links.ENGINE]),
    tile(
        76,
        "Within a minute, last hour",
        SHARE,
        "Of what a destination took in the last hour, the share that it took within 60 s of the "
        "raw message's arrival. The promise is 99 % while the destination is up and under its "
        "ceiling. Less: a destination at fault is an excuse, else look at the router, Kafka and "
        "the engine.",
        Query(
            f"1 - ({recorded('latency_slo_missed:ratio_rate1h', DESTINATION)} >= 0)",
            "{{destination}}",
        ),
        limits=below(0.99, 0.9),
    ).data_links([links.ITS_DESTINATION]),
    tile(
        6,
        "Dead letters, of what ended",
        SHARE,
        "Records that can never pass, kept in the topic dead-letters, as a share of what ended in "
        "the last 15 minutes, at the worst worker. Normal: below 1 %, but for destinations that "
        "cannot know many of your users. A step: their board names the reason.",
        Query(or_zero(f"max({recorded('dead_letters:ratio_rate15m')} >= 0)"), "worst worker"),
        limits=above(0.01, 0.05),
    )
    .links([links.DEAD_LETTERS])
    .data_links([links.DEAD_LETTERS]),
    tile(
        2,
        "Workers up",
        UP_DOWN,
        "Whether Prometheus reaches every replica of each worker. Off: one of them has ended or "
        "hangs, and the end of its log says why; nothing is lost. A worker missing here has no "
        "target in Prometheus.",
        Query(f"min by (worker) ({scoped('up')})", "{{worker}}"),
        limits=NONE_IS_BAD,
    )
    .links([links.ENGINE])
    .data_links([links.ENGINE]),
)

FLOW = graph(
    7,
    "From Kafka to the destinations",
    RECORDS_PER_SECOND,
    "The whole path in one picture: raw messages read, records routed, records that each "
    "destination took. Normal: the lines move together. Where the first line that stays behind "
    "begins, the fault is just before it.",
    Query(rate("records_consumed", where=_RAW), "raw messages"),
    Query(rate("records_routed"), "routed"),
    Query(rate("deliveries", "destination", _DELIVERED), "{{destination}}"),
).links([links.ROUTER, *links.DESTINATIONS])

AGE = graph(
    50,
    "Oldest record under way",
    SECONDS,
    "The age of the oldest record that has not ended, by destination and topic. Normal: seconds. A "
    "line that rises as the clock does is one record that waits, one user's perhaps: see the "
    "destination's requests. All lines: too slow, blocked, or down.",
    Query(
        highest("oldest_record_age_seconds", "destination, topic", DESTINATION),
        "{{destination}} {{topic}}",
    ),
    limits=above(60, 900),
).links([*links.DESTINATIONS, links.ENGINE])

LATE = graph(
    8,
    "From raw message to accepted, slowest 1 %",
    SECONDS,
    "From the raw message's arrival in Kafka to the destination's yes. Normal: a few seconds, "
    "below the dashed minute. One destination above it: look there; all of them: the router, or "
    "Kafka.",
    Query(
        quantile(0.99, "end_to_end_latency_seconds", "destination", DESTINATION), "{{destination}}"
    ),
    limits=above(60, 900),
).links(list(links.DESTINATIONS))

LAG = graph(
    79,
    "Waiting in Kafka, by worker",
    COUNT,
    "Records between what has ended and the end of the log. Normal: it comes and goes. It grows "
    "for an hour: less is delivered than arrives; add workers up to the partitions, unless a rate "
    "limit or a fault above is the reason.",
    Query(total("consumer_lag_records", "worker"), "{{worker}}"),
).links([links.ENGINE])

BOARD = Board(
    name="overview",
    title="overview",
    says="Is it flowing, how late is it, what is wrong, and who is at fault. "
    "Panels lead on to the boards of each part.",
    choices=(CHOICE,),
    rows=(
        ("Is it flowing?", (Line(4, TILES),)),
        (
            "What is wrong, and who is at fault",
            (Line(9, faults.PANELS, (13, 11)),),
        ),
        ("How much, and how late?", (Line(7, (FLOW, AGE, LATE, LAG)),)),
    ),
)
