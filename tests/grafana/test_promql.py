"""The reader of expressions: what it misses, the tests of the boards would miss too."""

import pytest

from tests.grafana import promql


@pytest.mark.parametrize(
    ("expression", "series", "filtered", "kept"),
    [
        ("up", {"up"}, set(), set()),
        ('a_total{job="b or c",topic=~"$topic"}', {"a_total"}, {"job", "topic"}, set()),
        ("60 * sum by (d, e) (rate(a_total[$__rate_interval]))", {"a_total"}, set(), {"d", "e"}),
        ("sum(a) without(b) / on (c) group_left (d) e", {"a", "e"}, set(), {"b", "c", "d"}),
        ("max(a) or vector(0)", {"a"}, set(), set()),
        ("time() - min by (b) (c:d offset 5m > bool 1e3)", {"c:d"}, set(), {"b"}),
        (
            'histogram_quantile(0.5, sum by (le) (rate(a_bucket{b!=""}[5m])))',
            {"a_bucket"},
            {"b"},
            {"le"},
        ),
    ],
)
def test_an_expression_is_read_into_series_and_labels(
    expression: str, series: set[str], filtered: set[str], kept: set[str]
) -> None:
    assert promql.read(expression) == tuple(map(frozenset, (series, filtered, kept)))


def test_an_expression_is_read_into_what_filters_each_series() -> None:
    expression = 'sum(a_total{b="{c}",d=~"$e"}) / on (f) g:h{i!="j"} * k'
    read = {name: set(labels) for name, labels in promql.selectors(expression)}
    assert read == {"a_total": {"b", "d"}, "g:h": {"i"}}
