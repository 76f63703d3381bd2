"""What a destination is not told, and the boards put together."""

from grafana.boards import links
from grafana.boards.board import Board, Line
from grafana.boards.destination import limits, taken
from grafana.boards.panels import (
    COUNT,
    RECORDS_PER_MINUTE,
    RECORDS_PER_SECOND,
    TIMES_PER_MINUTE,
    Panel,
    Query,
    graph,
    listing,
)
from grafana.boards.promql import or_zero, per_minute, rate, series


def _left_out(name: str, where: str) -> tuple[Panel, ...]:
    return (
        graph(
            21,
            "Left out, by reason",
            RECORDS_PER_SECOND,
            "Records that are not for this destination, left out on purpose. Normal: a steady "
            "share that your settings explain. A new reason, or a step: compare it with the "
            "settings, and with what changed at mParticle.",
            Query(rate("records_dropped", "reason", f'stage="{name}"'), "{{reason}}"),
        ),
        graph(
            41,
            "Dead letters a minute, by reason",
            RECORDS_PER_MINUTE,
            "Records that can never pass here. Normal: few, of reasons you know. A step: "
            "`mparticle-streams dead-letters list` names those of that reason; look at what "
            "changed then.",
            Query(per_minute("dead_letters", "reason", where), "{{reason}}"),
        ).links([links.DEAD_LETTERS]),
        graph(
            35,
            "Came again, and not sent twice",
            RECORDS_PER_SECOND,
            "Records seen before within the deduplication window. A burst after a restart, or when "
            "mParticle "
            "sends again, is normal: it is what the memory of ids is for. A steady stream: "
            "mParticle sends everything twice, look at its outputs.",
            Query(or_zero(rate("records_deduplicated", where=f'worker="{name}"')), "came again"),
        ),
    )


_OVERTAKEN = graph(
    36,
    "Updates overtaken",
    TIMES_PER_MINUTE,
    "Times that an event or a membership waited 30 s for its user's updates, in vain, and went "
    "first. Normal: none. It grows: updates are the bottleneck, or one user's keep failing; an "
    "e-mail may lack the newest attributes.",
    Query(per_minute("update_barrier_timeouts", where='worker="sailthru"'), "overtaken"),
)
_TOLD_APART = graph(
    44,
    "Names that could not be kept",
    TIMES_PER_MINUTE,
    "Names of attributes that Sailthru would take for one (told_apart; collides, in different "
    "messages), that it keeps to itself (reserved), or that are no data (switch). Normal: few, and "
    "no told_apart. Name vars yourself with SAILTHRU_VAR_NAMES; `mparticle-streams explain` shows "
    "which.",
    Query(
        per_minute("var_name_conflicts", by="reason", where='destination="sailthru"'), "{{reason}}"
    ),
)
_ATTRIBUTES_LEFT_OUT = graph(
    47,
    "Attributes left out",
    TIMES_PER_MINUTE,
    "User attributes that SAILTHRU_ATTRIBUTES_ALLOW and SAILTHRU_ATTRIBUTES_DENY leave out of "
    "records whose others are sent. Normal: what your settings explain.",
    Query(per_minute("attributes_dropped", "reason", where='destination="sailthru"'), "{{reason}}"),
)
_WITHOUT_MEMBERS = listing(
    46,
    "Connected audiences without a member",
    COUNT,
    "Audiences that are connected and of which AB Tasty has taken no member yet, so it does not "
    "show them. For an hour after connecting, normal. Longer: look at the audience's size in "
    "mParticle, and at dead letters.",
    Query(
        f"max by (audience) ({series('ab_tasty_audiences_without_members')}) > 0", "{{audience}}"
    ),
    columns={"audience": "Audience"},
)
_BEHIND = graph(
    90,
    "Days of members' rows that wait",
    COUNT,
    "AB Tasty forgets a row after 30 days, so members' rows are sent again, a slice a day: of how "
    "many days they wait, in the partition that is furthest behind. Normal: 0, and more for "
    "minutes after a start. Above 1: look at /ready and the lag; rows will lapse.",
    Query(f"max by (worker) ({series('ab_tasty_refresh_lag_days')})", "{{worker}}"),
)


def _names_taken(where: str) -> Panel:
    return graph(
        48,
        "Audiences whose name was taken",
        TIMES_PER_MINUTE,
        "Audiences that come to the list or segment of another, and so have their id behind it. "
        "Normal: none. Any: `mparticle-streams check` names them.",
        Query(per_minute("audience_name_conflicts", where=where), "audiences"),
    )


def _board(name: str, title: str, own: tuple[Panel, ...]) -> Board:
    where = f'destination="{name}"'
    return Board(
        name=name,
        title=title,
        says=f"Whether {title} takes what it should, how fast, and if not, why.",
        rows=(
            (
                "Is it taken?",
                (Line(4, taken.tiles(title, where)), Line(8, taken.taken(where))),
            ),
            ("Requests", (Line(8, taken.requests(where)),)),
            (
                "Rate limits and outages",
                (
                    Line(8, limits.ceilings(where)),
                    Line(8, limits.sharing(where)),
                    Line(5, limits.outages(name, where)),
                ),
            ),
            (
                "What it is not told",
                (Line(8, _left_out(name, where)), Line(8, (*own, _names_taken(where)))),
            ),
        ),
    )


BOARDS = (
    _board("sailthru", "Sailthru", (_OVERTAKEN, _TOLD_APART, _ATTRIBUTES_LEFT_OUT)),
    _board("ab-tasty", "AB Tasty", (_WITHOUT_MEMBERS, _BEHIND)),
)
