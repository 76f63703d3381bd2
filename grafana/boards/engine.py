"""Kafka in, watermarks out: logs, offsets, the group, and the processes."""

from grafana.boards import links, processes
from grafana.boards.board import TOPIC as CHOICE
from grafana.boards.board import Board, Line
from grafana.boards.panels import (
    ANY_IS_BAD,
    COUNT,
    NONE_IS_BAD,
    RECORDS_PER_SECOND,
    SHARE,
    UP_DOWN,
    Query,
    above,
    below,
    graph,
    listing,
    tile,
)
from grafana.boards.promql import (
    TOPIC,
    highest,
    increase,
    or_zero,
    rate,
    scoped,
    series,
    total,
)

_WORKER = "{{worker}}"
_BOTH = "{{worker}} {{topic}}"
_START = series("log_start_offset", TOPIC)
_ENDED = f"({series('committable_offset', TOPIC)} - {_START})"
_KEPT = f"{series('log_end_offset', TOPIC)} - {_START}"

TILES = (
    tile(
        2,
        "Workers up",
        UP_DOWN,
        "Whether Prometheus reaches every replica of each worker. Off: one has ended or hangs; its "
        "log ends with the reason. A worker missing here has no target in Prometheus.",
        Query(f"min by (worker) ({scoped('up')})", _WORKER),
        limits=NONE_IS_BAD,
    ).links([links.OVERVIEW]),
    tile(
        60,
        "Records unaccounted for",
        COUNT,
        "Records read, less those with a known end, less those under way. Normal: 0, always. "
        "Anything else: a bug loses records or ends them twice. Keep the log and the worker's "
        "offsets before you restart, and see the runbook of RecordsUnaccounted.",
        Query(f"max by (worker) (abs({series('records_unaccounted')}))", _WORKER),
        limits=ANY_IS_BAD,
    ),
    tile(
        97,
        "Commits refused, last hour",
        COUNT,
        "Offset commits that Kafka refused. A few at a rebalance are normal. A stream of them: the "
        "group never settles, see rebalances and the event loop; a crash would then repeat much.",
        Query(or_zero(increase("offset_commits_failed", "1h")), "refused"),
        limits=above(10, 100),
    ).decimals(0),
    tile(
        43,
        "Offsets deleted before they were read",
        COUNT,
        "Records that Kafka deleted before the worker came to them, since it started. Any: they "
        "are lost to it unless they can be sent again, and the partition is held; see /ready. "
        "Raise the topic's retention.",
        Query(or_zero(total("records_deleted_total", where=TOPIC)), "records"),
        limits=ANY_IS_BAD,
    ),
)

LOG = (
    graph(
        57,
        "Lag",
        COUNT,
        "Records from what has ended to the end of the log. Normal: it comes and goes. It grows "
        "for an hour: less is delivered than arrives; add workers up to the partitions, unless a "
        "rate limit or a block is the reason.",
        Query(total("consumer_lag_records", "worker, topic", TOPIC), _BOTH),
    ).links(list(links.DESTINATIONS)),
    graph(
        58,
        "Of the log, ended",
        SHARE,
        "How far the worst partition's watermark has come through what Kafka still has. Normal: "
        "near 100 %. Falling towards 0 %: Kafka will soon delete what was not read; raise the "
        "retention before anything else.",
        Query(
            f"clamp_max(min by (worker, topic) ({_ENDED} / ({_KEPT} > 0)), 1)",
            _BOTH,
        ),
        limits=below(0.5, 0.2),
    ),
    listing(
        74,
        "Partitions",
        COUNT,
        "Each partition's offsets. A watermark that stands still while the end grows: its record "
        "is the one that waits, and `mparticle-streams explain` shows what it is. A topic read by "
        "two workers has a line for each.",
        *(
            Query(f"max by (worker, topic, partition) ({series(name, TOPIC)})", name)
            for name in (
                "log_start_offset",
                "committable_offset",
                "log_end_offset",
                "consumer_lag_records",
            )
        ),
        columns={
            "worker": "Worker",
            "topic": "Topic",
            "partition": "Partition",
            "Value #A": "Log begins at",
            "Value #B": "Watermark",
            "Value #C": "Log ends at",
            "Value #D": "Lag",
        },
    ),
)

READ = (
    graph(
        31,
        "Records read, by worker and topic",
        RECORDS_PER_SECOND,
        "What workers take from Kafka. Flat while the log grows: partitions are paused, Kafka is "
        "away, or the worker hangs; compare with the panels beside it.",
        Query(rate("records_consumed", "worker, topic", TOPIC), _BOTH),
    ),
    graph(
        61,
        "Records ended, by worker and topic",
        RECORDS_PER_SECOND,
        "Records whose work is over: routed, delivered, a dead letter, dropped, or known before. "
        "Normal: it follows what is read. Flat while records are in flight: see who is at fault on "
        "the overview.",
        Query(rate("records_completed", "worker, topic", TOPIC), _BOTH),
    ).links([links.OVERVIEW]),
    graph(
        35,
        "Came again, and not sent twice",
        RECORDS_PER_SECOND,
        "Records seen before within the deduplication window. A burst after a crash or a "
        "rebalance is normal. A "
        "steady stream: mParticle sends everything twice.",
        Query(rate("records_deduplicated", "worker, topic", TOPIC), _BOTH),
    ),
)

HELD = (
    graph(
        32,
        "In flight",
        COUNT,
        "Records fetched and not ended. Normal: few. At the setting's limit the partition is "
        "paused: the destination is the bottleneck, and memory stays bounded.",
        Query(total("records_in_flight", "worker, topic", TOPIC), _BOTH),
    ),
    graph(
        33,
        "Partitions paused",
        COUNT,
        "Partitions that are not fetched because their limit in flight is reached. Normal: none, "
        "or all during an outage. It is how a slow destination is kept from filling memory.",
        Query(total("partitions_paused", "worker"), _WORKER),
    ),
    graph(
        59,
        "Holes",
        COUNT,
        "Gaps between what has ended, in the partition with the most of them. Normal: tens. At "
        "1,000 the partition is paused: one user's failing request holds the commit back; see "
        "retries on the destination's board.",
        Query(highest("uncommitted_offset_gaps", "worker, topic", TOPIC), _BOTH),
        limits=above(500, 1000),
    ).links(list(links.DESTINATIONS)),
)

BOARD = Board(
    name="kafka-and-engine",
    title="Kafka and engine",
    says="Logs and lag, what workers read, hold and commit, the group, and the processes.",
    choices=(CHOICE,),
    rows=(
        ("Is it sound?", (Line(4, TILES),)),
        ("The log", (Line(9, LOG, (7, 7, 10)),)),
        ("Read and ended", (Line(8, READ),)),
        ("Held back", (Line(8, HELD),)),
        ("Commits and group", (Line(8, processes.GROUP),)),
        ("Processes", (Line(8, processes.PROCESS), Line(6, processes.BUILD))),
    ),
)
