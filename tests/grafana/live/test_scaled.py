"""The live test's rules are the committed ones at another speed."""

import re

import pytest

from tests.grafana.boards import RULES
from tests.grafana.live import panels, scaled


@pytest.mark.parametrize(
    ("expression", "faster"),
    [
        ("rate(a_total[5m]) > 0.1", "rate(a_total[5000ms]) > 0.1"),
        ("max_over_time(a:rate1h[1d])", "max_over_time(a:rate1h[1440000ms])"),
        ("a offset 2h", "a offset 120000ms"),
        ("max_over_time(rate(a[1m])[30m:1m])", "max_over_time(rate(a[1000ms])[30000ms:1000ms])"),
        ("max by (b) (a_seconds) > 900", "max by (b) (a_seconds) > 15.0"),
        (
            'rate(a_seconds_bucket{le="60.0"}[2m]) == 0',
            'rate(a_seconds_bucket{le="60.0"}[2000ms]) == 0',
        ),
    ],
)
def test_durations_shrink_and_nothing_else_does(expression: str, faster: str) -> None:
    assert scaled.rule({"record": "r", "expr": expression}, 60)["expr"] == faster


@pytest.mark.parametrize(("wait", "faster"), [("10m", "10000ms"), ("1m", "3000ms")])
def test_a_wait_shrinks_to_three_seconds_and_all_else_of_an_alert_stays(
    wait: str, faster: str
) -> None:
    given = {"alert": "A", "expr": "a", "for": wait, "labels": {"severity": "info"}}
    assert scaled.rule(given, 60) == {**given, "for": faster}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_no_duration_of_a_rule_is_missed(rule: dict[str, str]) -> None:
    faster = scaled.rule(rule, 60)
    assert re.findall(r"(?<![\w.])\d+[smhdwy]\b", faster["expr"]) == []
    assert faster.get("for", "0ms").endswith("ms")


@pytest.mark.parametrize(
    ("expression", "asked"),
    [
        ('sum(rate(a{b=~"$b|"}[$__rate_interval]))', 'sum(rate(a{b=~".*|"}[5s]))'),
        ('max(a{b=~"${b:regex}"}) or vector(0)', 'max(a{b=~".*"})'),
    ],
)
def test_a_panels_query_is_asked_with_all_chosen_and_without_its_fallback(
    expression: str, asked: str
) -> None:
    assert panels.asked(expression) == asked
