"""From mParticle's raw messages to records on the topics."""

from grafana.boards import links
from grafana.boards.blocks import blocks
from grafana.boards.board import ROUTED_TOPIC, Board, Line
from grafana.boards.panels import (
    BYTES,
    COUNT,
    RECORDS_PER_MINUTE,
    RECORDS_PER_SECOND,
    REQUESTS_PER_SECOND,
    SECONDS,
    Query,
    above,
    graph,
    listing,
    tile,
)
from grafana.boards.promql import (
    TOPIC,
    highest,
    increase,
    or_zero,
    per_minute,
    quantile,
    rate,
    series,
    total,
)

_RAW = 'topic="mparticle-raw"'
_STAGE = 'stage="router"'

TILES = (
    tile(
        4,
        "Raw messages",
        RECORDS_PER_SECOND,
        "What the router reads of mParticle's messages. Normal is your traffic, with its day and "
        "night. Nothing, and nothing waits: mParticle sends nothing, or something else does not "
        "write it to the topic mparticle-raw. Nothing, and much waits: the router.",
        Query(rate("records_consumed", where=_RAW), "read"),
    ),
    tile(
        85,
        "Records for each message",
        COUNT,
        "How many records one raw message became, on average. Normal: steady, it is the mix of "
        "what mParticle sends. A step: mParticle's outputs were changed, or a version here.",
        Query(f"{rate('records_routed')} / {rate('records_consumed', where=_RAW)}", "records"),
    ),
    tile(
        86,
        "Oldest message under way",
        SECONDS,
        "Since Kafka took the oldest raw message that is not routed yet. Normal: below a second or "
        "two. It rises: the router cannot write to Kafka, or cannot keep up; see its log, and the "
        "board on Kafka and the engine.",
        Query(or_zero(highest("oldest_record_age_seconds", where=_RAW)), "oldest"),
        limits=above(10, 300),
    ).links([links.ENGINE]),
    tile(
        87,
        "Privacy requests, last day",
        COUNT,
        "Persons who asked for the erasure, or a copy, of their data. Any: the law sets a date, "
        "and nothing here acts on it by itself. Read the topic privacy-requests and hand them to "
        "whoever answers them.",
        Query(
            or_zero(
                increase("records_routed", "1d", where='kind="data_subject_request"'),
            ),
            "requests",
        ),
        limits=above(1, 1000),
    ).decimals(0),
)

RECEIVED = (
    graph(
        98,
        "Posts of mParticle's, by outcome",
        REQUESTS_PER_SECOND,
        "What the receiver answered to mParticle's HTTPS posts. Normal: accepted, and nothing else "
        "but a stranger's unauthorized. Any other that lasts: mParticle tries again for a while "
        "only, and then the data is lost. docs/receiver.md says what each asks of you. Nothing at "
        "all is normal where mParticle writes to Kafka itself.",
        Query(rate("receiver_requests", "outcome"), "{{outcome}}"),
    ).links([links.ENGINE]),
    graph(
        99,
        "From a post to Kafka's acknowledgement",
        SECONDS,
        "How long accepted posts took, slowest 1 %. Normal: tens of milliseconds. It rises: Kafka "
        "is slow, or bodies arrive slowly; mParticle wants answers within 0.1 s.",
        Query(quantile(0.99, "receiver_request_duration_seconds", "worker"), "slowest 1 %"),
        limits=above(1, 10),
    ).links([links.ENGINE]),
    graph(
        100,
        "Bytes of posts accepted, a second",
        BYTES,
        "What the receiver has written to mparticle-raw. Normal is your traffic, with its day and "
        "night. Divide it by the posts: what grows then is a message, such as a large audience's.",
        Query(rate("receiver_accepted_bytes"), "accepted"),
    ),
    graph(
        101,
        "Bytes of posts under way",
        BYTES,
        "Read, or waiting for Kafka, in the fullest receiver. Normal: near nothing. At "
        "RECEIVER_MAX_IN_FLIGHT_BYTES, 64 MiB, posts are refused with no_room: Kafka is slow or "
        "away, or there are too few receivers.",
        Query(highest("receiver_in_flight_bytes"), "under way"),
    ),
)

TURNED_AWAY = graph(
    102,
    "Turned away at the ports, by reason",
    REQUESTS_PER_SECOND,
    "Connections and requests that ended before anybody looked at them. Normal: none, or "
    "strangers' on posts: malformed, head_too_slow, head_too_large, evicted. full on posts: "
    "mParticle's too, since every connection has a post under way.",
    Query(rate("connections_rejected", "port, reason"), "{{port}}: {{reason}}"),
).links([links.ENGINE])

COMES_IN = (
    graph(
        88,
        "Read and ended, raw messages",
        RECORDS_PER_SECOND,
        "Raw messages taken from Kafka, and those whose every record Kafka has acknowledged. "
        "Normal: one line on the other. Read without ended: the router cannot write, see its log.",
        Query(rate("records_consumed", where=_RAW), "read"),
        Query(rate("records_completed", where=_RAW), "ended"),
    ).links([links.ENGINE]),
    graph(
        89,
        "Raw messages that wait",
        COUNT,
        "From what is routed to the end of mparticle-raw, by partition. Normal: near nothing. All "
        "partitions grow: add routers, up to as many as partitions. One grows: a large customer's "
        "key, or a worker that hangs.",
        Query(total("consumer_lag_records", "partition", _RAW), "partition {{partition}}"),
    ).links([links.ENGINE]),
)

ROUTED = (
    graph(
        11,
        "Records routed, by topic",
        RECORDS_PER_SECOND,
        "What the router wrote. Normal: a steady mix. user-update flat while events flow: changes "
        "of attributes and identities are switched off at mParticle, as they are by default.",
        Query(rate("records_routed", "topic", TOPIC), "{{topic}}"),
    ).links(list(links.DESTINATIONS)),
    graph(
        12,
        "Records routed, by kind",
        RECORDS_PER_SECOND,
        "The same by what each record says. A kind that stops alone: look at the switches of "
        "mParticle's output, one for each kind of message.",
        Query(rate("records_routed", "kind", TOPIC), "{{kind}}"),
    ),
    graph(
        90,
        "From mParticle's development environment",
        RECORDS_PER_SECOND,
        "Of the records routed, those that an app under development caused. Normal: none in "
        "production. Destinations leave them out, unless SAILTHRU_DEVELOPMENT_DATA or "
        "ABTASTY_DEVELOPMENT_DATA is deliver.",
        Query(rate("development_records", "topic", TOPIC), "{{topic}}"),
    ),
)

NOT_ROUTED = (
    graph(
        13,
        "Left out by the router, by reason",
        RECORDS_PER_SECOND,
        "What carries nothing for anybody, such as answers and registrations, or what a setting "
        "leaves out. Normal: a steady share, most of it snapshots_unchanged, which are attributes "
        "that were nothing new. A reason that grows: compare it with the settings.",
        Query(rate("records_dropped", "reason", _STAGE), "{{reason}}"),
    ),
    graph(
        91,
        "Dead letters of the router, a minute",
        RECORDS_PER_MINUTE,
        "Messages, and events of messages, that cannot be read, by reason. Normal: none or a few. "
        "A step: mParticle changed its format, or something else writes to mparticle-raw. Too "
        "many hold the router.",
        Query(per_minute("dead_letters", "reason", _STAGE), "{{reason}}"),
    ).links([links.DEAD_LETTERS]),
    graph(
        112,
        "Times that cannot be right, by reason",
        RECORDS_PER_SECOND,
        "Records whose own time cannot be read, or was told by a client's clock that is wrong: the "
        "message's time counts. Normal: none or a few. A step: a source writes times in another "
        "way.",
        Query(rate("invalid_timestamps", "reason"), "{{reason}}"),
    ),
    listing(
        45,
        "Types and fields that nobody knows, since the workers started",
        COUNT,
        "What no model of ours knows of mParticle's messages. Nothing is lost by it: types go "
        "where the settings say, fields change nothing. New ones: mParticle has changed; see "
        "whether you need them.",
        Query(f"sort_desc(sum by (what, name) ({series('schema_drift_total')}))", "{{name}}"),
        columns={"what": "What", "name": "Name", "Value": "Times"},
    ),
)

BOARD = Board(
    name="router",
    title="router",
    says="What mParticle sends, what became of it, and what could not be read.",
    choices=(ROUTED_TOPIC,),
    rows=(
        ("What comes over HTTPS", (Line(8, RECEIVED), Line(6, (TURNED_AWAY,)))),
        ("Is it routed?", (Line(4, TILES), Line(8, (*COMES_IN, blocks('worker="router"'))))),
        ("What comes out", (Line(8, ROUTED),)),
        ("What does not", (Line(8, NOT_ROUTED),)),
    ),
)
