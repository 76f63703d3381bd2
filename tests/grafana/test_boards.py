"""Every board can be shown, asks only for what there is, and together they show all of it."""

import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import pytest

from grafana.boards.__main__ import files
from grafana.boards.links import TAG
from tests.grafana import promql
from tests.grafana.boards import (
    FILES,
    Query,
    Series,
    annotations,
    exposed,
    load,
    looked_up,
    panels,
    queries,
    recorded,
    urls,
    variables,
)

LOADED = {file.stem: load(file) for file in FILES}
BOARDS = [pytest.param(board, id=name) for name, board in LOADED.items()]
# A test for each of the hundreds of panels and queries would take far longer than what it asks.
QUERIES = [
    pytest.param([*queries(board), *annotations(board)], id=name) for name, board in LOADED.items()
]
NOT_ON_A_BOARD = {
    "process_max_fds": "a setting of the machine",
    "process_open_fds": "connections are limited by settings, and nothing else is opened",
    "process_virtual_memory_bytes": "reserved, not used; resident memory is on the board",
    "python_info": "which Python it is, and nothing that moves",
}
# Grafana's own, as far as the boards use them.
BUILT_IN = {"__all_variables", "__field", "__rate_interval", "__url_time_range"}


def test_the_boards_are_what_the_builder_makes_of_them() -> None:
    there = {file.name: file.read_text(encoding="utf-8") for file in FILES}
    assert there == files(), "run: make boards"


def test_there_is_a_board_for_each_part_of_the_data_path() -> None:
    parts = {"overview", "router", "sailthru", "ab-tasty", "kafka-and-engine", "dead-letters"}
    assert LOADED.keys() == parts
    assert {board["uid"] for board in LOADED.values()} == {f"{TAG}-{part}" for part in parts}


@pytest.mark.parametrize("board", BOARDS)
def test_a_board_is_of_the_last_classic_schema_and_is_changed_in_the_repository_only(
    board: dict[str, Any],
) -> None:
    assert board["schemaVersion"] == 42
    assert board["editable"] is False
    assert board["title"]
    assert board["description"]


@pytest.mark.parametrize("board", BOARDS)
def test_nothing_that_leads_on_is_hidden_in_a_menu(board: dict[str, Any]) -> None:
    assert "inControlsMenu" not in _texts(board)
    assert not any(each["hide"] for each in board["annotations"]["list"])


@pytest.mark.parametrize("board", BOARDS)
def test_panels_have_ids_of_their_own_and_do_not_overlap(board: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    for one, other in combinations(board["panels"], 2):
        assert not set(_cells(one)) & set(_cells(other)), (one["title"], other["title"])


@pytest.mark.parametrize("board", BOARDS)
def test_rows_leave_no_gap(board: dict[str, Any]) -> None:
    covered = {cell for panel in board["panels"] for cell in _cells(panel)}
    height = max(y for _, y in covered) + 1
    assert len(covered) == 24 * height


def test_the_overview_is_one_screen() -> None:
    # As much as a screen of 1,080 lines has room for below Grafana's head.
    assert max(y for panel in LOADED["overview"]["panels"] for _, y in _cells(panel)) < 24


def test_the_same_id_is_the_same_panel_on_each_destinations_board() -> None:
    sailthru, ab_tasty = (
        {panel["id"]: panel["title"] for panel in panels(LOADED[name])}
        for name in ("sailthru", "ab-tasty")
    )
    assert len(sailthru.keys() & ab_tasty.keys()) > 15
    for id_ in sailthru.keys() & ab_tasty.keys():
        assert sailthru[id_] == ab_tasty[id_]


@pytest.mark.parametrize("board", BOARDS)
def test_a_panel_has_a_unit_and_says_what_is_normal_and_what_to_do(board: dict[str, Any]) -> None:
    for panel in panels(board):
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        sentences = re.split(r"(?<=[.:?]) ", panel["description"])
        assert len(sentences) > 2, panel["title"]
        assert panel["description"].endswith("."), panel["title"]


@pytest.mark.parametrize("asking", QUERIES)
def test_a_query_asks_only_for_series_that_there_are(asking: list[Query]) -> None:
    for query in asking:
        asked = promql.read(query.expression).series
        assert asked, query
        assert asked <= _known().keys(), query


@pytest.mark.parametrize("asking", QUERIES)
def test_a_query_asks_only_for_labels_that_its_series_have(asking: list[Query]) -> None:
    for query in asking:
        for name, filtered in promql.selectors(query.expression):
            assert filtered <= _known()[name].labels, (query, name)
        asked = promql.read(query.expression)
        labels = (_known()[name].labels for name in asked.series)
        assert asked.kept <= frozenset().union(*labels), query


@pytest.mark.parametrize("asking", QUERIES)
def test_a_query_keeps_within_what_the_boards_variables_choose(asking: list[Query]) -> None:
    for query in asking:
        asked = promql.read(query.expression).series
        filtered = dict(promql.selectors(query.expression))
        assert asked == filtered.keys(), query
        assert all("cluster" in labels for labels in filtered.values()), query


@pytest.mark.parametrize("asking", QUERIES)
def test_a_legend_names_only_labels_that_its_query_keeps(asking: list[Query]) -> None:
    for query in asking:
        named = set(re.findall(r"\{\{(\w+)\}\}", query.legend))
        asked = promql.read(query.expression)
        recordings = asked.series & recorded().keys()
        kept = asked.kept.union(*(recorded()[name].labels for name in recordings))
        assert named <= kept, query


@pytest.mark.parametrize("board", BOARDS)
def test_a_board_uses_the_variables_it_has_and_no_others(board: dict[str, Any]) -> None:
    used = set(re.findall(r"\$\{?(\w+)", "".join(_texts(board["panels"]))))
    assert used - BUILT_IN == variables(board).keys()


@pytest.mark.parametrize("board", BOARDS)
def test_a_variable_offers_values_of_a_label_that_there_is(board: dict[str, Any]) -> None:
    asked = [found for each in variables(board).values() if (found := looked_up(each))]
    assert asked
    for expression, label in asked:
        (name,) = promql.read(expression).series
        assert label in exposed()[name].labels


@pytest.mark.parametrize("board", BOARDS)
def test_deploys_and_rebalances_are_marked(board: dict[str, Any]) -> None:
    marked = {each.title for each in annotations(board)}
    assert {"Deploys", "Rebalances"} <= marked


@pytest.mark.parametrize("board", BOARDS)
def test_a_link_leads_to_a_board_that_there_is(board: dict[str, Any]) -> None:
    there = {each["uid"] for each in LOADED.values()}
    for url in urls(board):
        path, _, kept = url.partition("?")
        uid = path.removeprefix("/d/")
        assert uid in there or uid == f"{TAG}-${{__field.labels.destination}}"
        assert kept == "${__url_time_range}&${__all_variables}"


def test_the_overview_leads_to_every_other_board() -> None:
    led_to = {url.partition("?")[0].removeprefix("/d/") for url in urls(LOADED["overview"])}
    assert led_to >= {board["uid"] for name, board in LOADED.items() if name != "overview"}


def test_every_metric_is_on_a_board_or_says_why_not() -> None:
    asked = {
        name
        for board in LOADED.values()
        for query in queries(board)
        for name in promql.read(query.expression).series
    }
    shown = {exposed()[name].metric for name in asked & exposed().keys()}
    everything = {series.metric for series in exposed().values()}
    assert everything - shown == NOT_ON_A_BOARD.keys()


def _known() -> Mapping[str, Series]:
    return {**exposed(), **recorded()}


def _cells(panel: dict[str, Any]) -> Iterator[tuple[int, int]]:
    at = panel["gridPos"]
    for x in range(at["x"], at["x"] + at["w"]):
        for y in range(at["y"], at["y"] + at["h"]):
            yield x, y


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for each in node.values() if isinstance(node, dict) else node:
            yield from _texts(each)
