"""A board: rows of panels in data-path order, and what all boards have in common."""

from dataclasses import dataclass
from typing import NamedTuple

from grafana_foundation_sdk.builders.dashboard import (
    AnnotationQuery,
    Dashboard,
    DatasourceVariable,
    QueryVariable,
    Row,
)
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models import dashboard

from grafana.boards import links
from grafana.boards.panels import SOURCE, Panel
from grafana.boards.promql import scoped, series

_COLUMNS = 24
# Ids of rows, out of the way of the panels'.
_ROWS = 1000


class Choice(NamedTuple):
    """A variable: what it is called, what it is for, and where its values come from."""

    name: str
    label: str
    says: str
    values: str
    # What `All` stands for; without, for the values there are.
    everything: str | None = ".*"


CLUSTER = Choice(
    "cluster",
    "Cluster",
    "For one Prometheus over several clusters, each with the label `cluster`. Without it: all.",
    "label_values(mparticle_streams_build_info, cluster)",
)
JOB = Choice(
    "job",
    "Job",
    "What Prometheus calls the group of targets that the workers are.",
    'label_values(mparticle_streams_build_info{cluster=~"$cluster"}, job)',
    None,
)
INSTANCE = Choice(
    "instance",
    "Instance",
    "One replica of a worker, or all. What recording rules keep is of all.",
    'label_values(mparticle_streams_build_info{cluster=~"$cluster",job=~"$job"}, instance)',
)
DESTINATION = Choice(
    "destination",
    "Destination",
    "With All also the router, which has no destination.",
    "label_values(mparticle_streams_rate_limit_per_minute, destination)",
)
TOPIC = Choice(
    "topic",
    "Topic",
    "Without the prefix that KAFKA_PREFIX may give them.",
    "label_values(mparticle_streams_records_consumed_total, topic)",
)
ROUTED_TOPIC = TOPIC._replace(values="label_values(mparticle_streams_records_routed_total, topic)")


class Line(NamedTuple):
    """Panels side by side, as wide as each other unless `widths` says how many of 24 columns."""

    height: int
    panels: tuple[Panel, ...]
    widths: tuple[int, ...] = ()


@dataclass(frozen=True)
class Board:
    """`says` is the board's description; `rows` are titles and the lines below them."""

    name: str
    title: str
    says: str
    rows: tuple[tuple[str, tuple[Line, ...]], ...]
    choices: tuple[Choice, ...] = ()

    def build(self) -> dashboard.Dashboard:
        board = (
            Dashboard(f"mParticle streams: {self.title}")
            .uid(links.uid(self.name))
            .description(self.says)
            .tags([links.TAG])
            .readonly()
            .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
            .time("now-1h", "now")
            .refresh("30s")
            .link(links.OTHERS)
            .with_variable(_source())
        )
        for choice in (CLUSTER, JOB, INSTANCE, *self.choices):
            board = board.with_variable(_variable(choice))
        for annotation in _annotations():
            board = board.annotation(annotation)
        for number, (title, lines) in enumerate(self.rows, _ROWS):
            board = _add(board.with_row(Row(title).id(number)), lines)
        return board.build()


def _add(board: Dashboard, lines: tuple[Line, ...]) -> Dashboard:
    for line in lines:
        widths = line.widths or (_COLUMNS // len(line.panels),) * len(line.panels)
        assert sum(widths) == _COLUMNS, "a line fills the board's width"
        for panel, width in zip(line.panels, widths, strict=True):
            board = board.with_panel(panel.height(line.height).span(width))
    return board


def _source() -> DatasourceVariable:
    return (
        DatasourceVariable("datasource")
        .label("Data source")
        .description("The Prometheus that scrapes the workers.")
        .type("prometheus")
    )


def _variable(choice: Choice) -> QueryVariable:
    variable = (
        QueryVariable(choice.name)
        .label(choice.label)
        .description(choice.says)
        .datasource(SOURCE)
        .query({"query": choice.values, "refId": choice.name})
        .definition(choice.values)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .current(dashboard.VariableOption(text=["All"], value=["$__all"]))
    )
    return variable.all_value(choice.everything) if choice.everything else variable


def _annotations() -> tuple[AnnotationQuery, ...]:
    builds = series("build_info")
    seen = f"last_over_time({builds}[1h] offset 2m)"
    by = "by (worker, version)"
    return (
        # A version that was not there in the hour before. An outage is no deploy.
        _annotation(
            "Deploys",
            "blue",
            f"count {by} ({builds}) unless count {by} ({seen})",
            "{{worker}} {{version}}",
        ),
        _annotation(
            "Rebalances",
            "purple",
            f"sum by (worker) (changes({series('rebalances_total')}[2m])) > 0",
            "{{worker}}: partitions were taken over",
        ),
        _annotation(
            "Restarts",
            "orange",
            f"sum by (worker) (changes({scoped('process_start_time_seconds')}[2m])) > 0",
            "{{worker}}: a process started again",
        ),
    )


def _annotation(name: str, color: str, expression: str, text: str) -> AnnotationQuery:
    return (
        AnnotationQuery()
        .name(name)
        .enable(True)
        .icon_color(color)
        .datasource(SOURCE)
        .target(Dataquery().ref_id("Anno").expr(expression).interval("60s"))
        .title_format(name)
        .text_format(text)
    )
