"""What can never pass: how much, where, why, and whether it was read."""

from grafana.boards import links
from grafana.boards.blocks import blocks
from grafana.boards.board import DESTINATION as CHOICE
from grafana.boards.board import Board, Line
from grafana.boards.panels import (
    COUNT,
    RECORDS_PER_MINUTE,
    REQUESTS_PER_SECOND,
    SHARE,
    YES_NO,
    Query,
    above,
    graph,
    listing,
    tile,
)
from grafana.boards.promql import (
    DESTINATION,
    highest,
    increase,
    or_zero,
    per_minute,
    rate,
    recorded,
    series,
)

TILES = (
    tile(
        6,
        "Dead letters, last hour",
        COUNT,
        "Records that can never pass, kept in the topic dead-letters as they were. A few are "
        "normal. A step: the table below names the reason, and the marks on the graphs what was "
        "deployed.",
        Query(or_zero(increase("dead_letters", "1h", where=DESTINATION)), "last hour"),
    )
    .decimals(0)
    .links([links.OVERVIEW]),
    tile(
        92,
        "Dead letters, last day",
        COUNT,
        "The same for a day: what somebody should have looked at by tomorrow. The topic keeps them "
        "for as long as its retention says.",
        Query(or_zero(increase("dead_letters", "1d", where=DESTINATION)), "last day"),
    ).decimals(0),
    tile(
        93,
        "Share of what ended, by worker",
        SHARE,
        "Dead letters of the last 15 minutes as a share of what ended. Normal: below 1 %. When "
        "those that a wrong deploy or setting makes are WORKER_MAX_REJECTED_SHARE of the last "
        "1,000, the worker holds and asks for a person.",
        Query(f"{recorded('dead_letters:ratio_rate15m')} >= 0", "{{worker}}"),
        limits=above(0.01, 0.05),
    ),
    tile(
        94,
        "Held by too many",
        YES_NO,
        "Yes while a worker sends nothing because too large a share became dead letters: a bad "
        "deploy, or a bad setting. Mend the cause, then restart the worker; nothing is lost.",
        Query(
            or_zero(
                highest("delivery_blocked", where=f'{DESTINATION},reason="too_many_rejections"')
            ),
            "held",
        ),
        limits=above(1, 1),
    ).links(list(links.DESTINATIONS)),
)

WHEN = (
    graph(
        41,
        "Dead letters a minute, by reason",
        RECORDS_PER_MINUTE,
        "Normal: few, of reasons you know. One reason steps up: `mparticle-streams dead-letters "
        "list` names the letters, and `show` prints one whole. All of them: a deploy here, or a "
        "change at mParticle or the destination.",
        Query(
            per_minute("dead_letters", "stage, destination, reason", DESTINATION),
            "{{stage}} {{destination}} {{reason}}",
        ),
    ),
    graph(
        95,
        "Requests that were refused",
        REQUESTS_PER_SECOND,
        "Requests that a destination refused for what is in them. More of these than dead letters "
        "is normal where it answers for a whole batch: the batch is halved until the bad record "
        "is found.",
        Query(
            rate("requests", "destination, endpoint", f'{DESTINATION},outcome="rejected"'),
            "{{destination}} {{endpoint}}",
        ),
    ).links(list(links.DESTINATIONS)),
)

WHY = (
    listing(
        42,
        "Dead letters since the workers started",
        COUNT,
        "Every reason there was, the most frequent first. Look at this table every day: "
        "`mparticle-streams dead-letters list` names the letters of a reason, `show` prints one "
        "with its detail and raw position. When the cause is mended, `redrive` sends them again to "
        "just the destination that failed.",
        Query(
            "sort_desc(sum by (stage, destination, reason) "
            f"({series('dead_letters_total', DESTINATION)}))",
            "{{reason}}",
        ),
        columns={
            "stage": "Stage",
            "destination": "Destination",
            "reason": "Reason",
            "Value": "Dead letters",
        },
    ),
    listing(
        96,
        "Left out on purpose, since the workers started",
        COUNT,
        "For comparison: what was left out for a named reason and is no dead letter. It is not "
        "kept, since nobody can need it; a reason that surprises you is a setting.",
        Query(
            f"sort_desc(sum by (stage, reason) ({series('records_dropped_total')}))", "{{reason}}"
        ),
        columns={"stage": "Stage", "reason": "Reason", "Value": "Records"},
    ),
)

BOARD = Board(
    name="dead-letters",
    title="dead letters",
    says="What can never pass: how much, where, and why. The topic dead-letters holds them; "
    "`mparticle-streams dead-letters redrive` sends them again.",
    choices=(CHOICE,),
    rows=(
        ("How many?", (Line(4, TILES), Line(8, WHEN))),
        ("Why?", (Line(10, WHY), Line(5, (blocks(),)))),
    ),
)
