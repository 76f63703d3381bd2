"""The kinds of panel: what differs between two of a kind is an argument, but for the place."""

from collections.abc import Iterable, Iterator, Mapping
from string import ascii_uppercase
from typing import NamedTuple, TypeVar

from grafana_foundation_sdk.builders import stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.common import (
    GraphThresholdsStyleConfig,
    ReduceDataOptions,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models import common, dashboard, prometheus

SOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")

# What Grafana calls its units.
RECORDS_PER_SECOND, RECORDS_PER_MINUTE = "recps", "recpm"
REQUESTS_PER_SECOND, REQUESTS_PER_MINUTE = "reqps", "reqpm"
TIMES_PER_SECOND, TIMES_PER_MINUTE = "cps", "cpm"
COUNT, SECONDS, DURATION = "short", "s", "dtdurations"
SHARE, BYTES = "percentunit", "bytes"
YES_NO, UP_DOWN = "bool_yes_no", "bool_on_off"

Panel = stat.Panel | statetimeline.Panel | table.Panel | timeseries.Panel
_P = TypeVar("_P", stat.Panel, statetimeline.Panel, table.Panel, timeseries.Panel)


class Query(NamedTuple):
    """An expression, and what each of its series is called."""

    expression: str
    legend: str


class Limits(NamedTuple):
    """Colours from small to large; each but the first begins at a value."""

    first: str
    others: tuple[tuple[float, str], ...]

    def builder(self) -> ThresholdsConfig:
        steps = [dashboard.Threshold(value=at, color=color) for at, color in self.others]
        return (
            ThresholdsConfig()
            .mode(dashboard.ThresholdsMode.ABSOLUTE)
            .steps([dashboard.Threshold(color=self.first), *steps])
        )


def above(orange: float, red: float) -> Limits:
    return Limits("green", ((orange, "orange"), (red, "red")))


def below(orange: float, red: float) -> Limits:
    return Limits("red", ((red, "orange"), (orange, "green")))


# Where more than nothing is too much.
ANY_IS_BAD = Limits("green", ((1, "red"),))
NONE_IS_BAD = Limits("red", ((1, "green"),))


def graph(
    id_: int, title: str, unit: str, says: str, *queries: Query, limits: Limits | None = None
) -> timeseries.Panel:
    """Lines over time; a limit is dashed."""
    panel = (
        timeseries.Panel()
        .axis_soft_min(0)
        .fill_opacity(8)
        .show_points(common.VisibilityMode.NEVER)
        .legend(
            _legend(True)
            .display_mode(common.LegendDisplayMode.TABLE)
            .placement(common.LegendPlacement.BOTTOM)
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(_tooltip())
    )
    if limits:
        dashed = GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(limits.builder()).thresholds_style(dashed)
    return _ask(_describe(panel, id_, title, unit, says), queries)


def tile(
    id_: int, title: str, unit: str, says: str, *queries: Query, limits: Limits | None = None
) -> stat.Panel:
    """The newest value, large: coloured where it has limits, else over its own line."""
    panel = (
        stat.Panel()
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
        .text_mode(common.BigValueTextMode.VALUE_AND_NAME)
        .orientation(common.VizOrientation.VERTICAL)
    )
    if limits:
        panel = (
            panel.thresholds(limits.builder())
            .color_scheme(FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS))
            .color_mode(common.BigValueColorMode.BACKGROUND)
            .graph_mode(common.BigValueGraphMode.NONE)
        )
    else:
        blue = FieldColor().mode(dashboard.FieldColorModeId.FIXED).fixed_color("blue")
        panel = panel.color_scheme(blue).graph_mode(common.BigValueGraphMode.AREA)
    return _ask(_describe(panel, id_, title, unit, says), queries)


def states(id_: int, title: str, says: str, *queries: Query) -> statetimeline.Panel:
    """A line of time for each series: green while it is 0, red while it is 1."""
    said = {
        "0": dashboard.ValueMappingResult(text="no", color="green", index=0),
        "1": dashboard.ValueMappingResult(text="yes", color="red", index=1),
    }
    panel = (
        statetimeline.Panel()
        .mappings([dashboard.ValueMap(options=said)])
        # Colours by threshold would show a range in place of what is said.
        .color_scheme(FieldColor().mode(dashboard.FieldColorModeId.FIXED).fixed_color("text"))
        .show_value(common.VisibilityMode.NEVER)
        .merge_values(True)
        .row_height(0.8)
        .fill_opacity(80)
        .legend(_legend(False))
        .tooltip(_tooltip())
        .no_value("Nothing.")
    )
    return _ask(_describe(panel, id_, title, YES_NO, says), queries)


def listing(
    id_: int,
    title: str,
    unit: str,
    says: str,
    *queries: Query,
    columns: Mapping[str, str],
) -> table.Panel:
    """A table of what is now: `columns` maps labels, in their order, and `Value` to headings.

    Of several queries the values are `Value #A`, `Value #B` and so on: a line for equal labels.
    """
    organize = {
        "excludeByName": {name: True for name in ("Time", "Value") if name not in columns},
        "indexByName": {name: place for place, name in enumerate(columns)},
        "renameByName": dict(columns),
    }
    panel = (
        table.Panel()
        .with_transformation(dashboard.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(dashboard.DataTransformerConfig(id_val="organize", options=organize))
        .no_value("Nothing.")
    )
    panel = _describe(panel, id_, title, unit, says)
    for target in _targets(queries):
        panel = panel.with_target(target.instant().format(prometheus.PromQueryFormat.TABLE))
    return panel


def _describe(panel: _P, id_: int, title: str, unit: str, says: str) -> _P:
    return panel.id(id_).title(title).description(says).unit(unit).datasource(SOURCE)


def _ask(panel: _P, queries: Iterable[Query]) -> _P:
    for target in _targets(queries):
        panel = panel.with_target(target)
    return panel


def _targets(queries: Iterable[Query]) -> Iterator[Dataquery]:
    for ref, query in zip(ascii_uppercase, queries, strict=False):
        yield (
            Dataquery()
            .ref_id(ref)
            .datasource(SOURCE)
            .expr(query.expression)
            .legend_format(query.legend)
        )


def _legend(shown: bool) -> VizLegendOptions:
    return VizLegendOptions().show_legend(shown)


def _tooltip() -> VizTooltipOptions:
    return (
        VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
    )
