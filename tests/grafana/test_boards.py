"""Every board can be shown, asks only for what there is, and shows all of it."""

import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from tests.grafana import promql
from tests.grafana.boards import FILES, Query, exposed, load, looked_up, panels, queries, variables

BOARDS = [pytest.param(load(file), id=file.stem) for file in FILES]
PANELS = [
    pytest.param(panel, id=f"{file.stem}: {panel['title']}")
    for file in FILES
    for panel in panels(load(file))
]
QUERIES = [
    pytest.param(query, id=f"{file.stem}: {query.title}")
    for file in FILES
    for query in queries(load(file))
]
NOT_ON_A_BOARD = {
    "process_max_fds": "a setting of the machine",
    "process_open_fds": "connections are limited by settings, and nothing else is opened",
    "process_virtual_memory_bytes": "reserved, not used; resident memory is on the board",
    "python_info": "which Python it is, and nothing that moves",
}
# Grafana's own, as far as the boards use them.
BUILT_IN = {"__rate_interval"}


def test_there_is_a_board() -> None:
    assert FILES


@pytest.mark.parametrize("board", BOARDS)
def test_a_board_is_of_the_last_classic_schema_and_has_a_name_to_link_to(
    board: dict[str, Any],
) -> None:
    assert board["schemaVersion"] == 42
    assert board["uid"].startswith("mparticle-streams-")
    assert board["title"]
    assert board["description"]


@pytest.mark.parametrize("board", BOARDS)
def test_panels_have_ids_of_their_own_and_do_not_overlap(board: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    for one, other in combinations(board["panels"], 2):
        assert not set(_cells(one)) & set(_cells(other)), (one["title"], other["title"])


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_has_a_unit_and_says_what_to_make_of_it(panel: dict[str, Any]) -> None:
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert len(panel["description"]) > 60
    assert panel["description"].endswith(".")


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_asks_only_for_series_that_a_worker_has(query: Query) -> None:
    asked = promql.read(query.expression).series
    assert asked
    assert asked <= exposed().keys()


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_asks_only_for_labels_that_its_series_have(query: Query) -> None:
    asked = promql.read(query.expression)
    for name in asked.series:
        assert asked.filtered | asked.kept <= exposed()[name].labels


@pytest.mark.parametrize("query", QUERIES)
def test_a_legend_names_only_labels_that_its_query_keeps(query: Query) -> None:
    named = set(re.findall(r"\{\{(\w+)\}\}", query.legend))
    assert named <= promql.read(query.expression).kept


@pytest.mark.parametrize("board", BOARDS)
def test_a_board_uses_the_variables_it_has_and_no_others(board: dict[str, Any]) -> None:
    used = set(re.findall(r"\$\{?(\w+)", "".join(_texts(board["panels"]))))
    assert used - BUILT_IN == variables(board).keys()


@pytest.mark.parametrize("board", BOARDS)
def test_a_variable_offers_values_of_a_label_that_there_is(board: dict[str, Any]) -> None:
    asked = [found for each in variables(board).values() if (found := looked_up(each))]
    assert asked
    for series, label in asked:
        assert label in exposed()[series].labels


def test_every_metric_is_on_a_board_or_says_why_not() -> None:
    asked = {name for file in FILES for query in queries(load(file)) for name in _series(query)}
    shown = {exposed()[name].metric for name in asked}
    everything = {series.metric for series in exposed().values()}
    assert everything - shown == NOT_ON_A_BOARD.keys()


def _series(query: Query) -> frozenset[str]:
    return promql.read(query.expression).series


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
