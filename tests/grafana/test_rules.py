"""Every alert asks for what there is, has its runbook and its panel, and is raised by its fault."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from agents import registry
from tests.compose import WORKERS
from tests.grafana import promql
from tests.grafana.boards import FILES, exposed, load, panels
from tests.repository import ROOT

PROMETHEUS = ROOT / "grafana" / "prometheus"
RUNBOOKS = ROOT / "docs" / "runbooks"
HEADINGS = ["What it means", "How to confirm", "What to do", "What not to do"]
PROMTOOL = shutil.which("promtool")

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed (Debian's package prometheus has it)"
)


def read(path: str) -> Iterator[dict[str, Any]]:
    for file in sorted(PROMETHEUS.glob(path)):
        yield yaml.safe_load(file.read_text(encoding="utf-8"))


RULES = [
    rule for file in read("rules/*.yml") for group in file["groups"] for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {
    rule["record"]: promql.read(rule["expr"]).kept - {"le"} for rule in RULES if "record" in rule
}


def known() -> Mapping[str, frozenset[str]]:
    """Every series that a rule may ask for, and its labels."""
    return {name: series.labels for name, series in exposed().items()} | RECORDED


def leads_to(link: str) -> frozenset[str]:
    """The panels that a link may mean: a label stands for the board of each of its values."""
    boards = {"destination": tuple(registry.destinations()), "worker": WORKERS}
    named = re.search(r"\{\{ \$labels\.(\w+) \}\}", link)
    if not named:
        return frozenset({link})
    return frozenset(link.replace(named[0], board) for board in boards[named[1]])


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    assert PROMTOOL is not None
    return subprocess.run(  # noqa: S603 - our own words, and no shell
        [PROMTOOL, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROMETHEUS / "tests",
        env={**os.environ, "GOGC": "400"},  # a quarter of its CPU went into collecting garbage
    )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_asks_only_for_series_that_there_are_and_for_labels_they_have(
    rule: dict[str, Any],
) -> None:
    asked = promql.read(rule["expr"])
    assert asked.series
    assert asked.series <= known().keys()
    labels = frozenset().union(*(known()[name] for name in asked.series))
    assert asked.filtered | asked.kept <= labels


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_has_a_severity_and_a_sentence(name: str) -> None:
    alert = ALERTS[name]
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert alert["annotations"]["summary"].endswith(".")


@pytest.mark.parametrize("name", ALERTS)
def test_a_summary_names_only_labels_that_the_alert_keeps(name: str) -> None:
    alert = ALERTS[name]
    named = set(re.findall(r"\$labels\.(\w+)", alert["annotations"]["summary"]))
    asked = promql.read(alert["expr"])
    recorded = [RECORDED[series] for series in asked.series & RECORDED.keys()]
    assert named <= asked.kept.union(*recorded)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_leads_to_a_panel_that_there_is(name: str) -> None:
    there = {
        f"/d/{board['uid']}?viewPanel={panel['id']}"
        for board in map(load, FILES)
        for panel in panels(board)
    }
    assert leads_to(ALERTS[name]["annotations"]["dashboard"]) <= there


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    assert {file.stem for file in RUNBOOKS.glob("*.md")} == ALERTS.keys()
    for name, alert in ALERTS.items():
        assert alert["annotations"]["runbook"] == f"docs/runbooks/{name}.md"


@pytest.mark.parametrize("name", ALERTS)
def test_a_runbook_says_what_it_means_how_to_confirm_and_what_to_do_and_not_to_do(
    name: str,
) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    assert re.findall(r"^# (.+)$", text, re.MULTILINE) == [name]
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)[1:]
    assert parts[::2] == HEADINGS
    assert all(len(part) > 40 for part in parts[1::2])


@pytest.mark.parametrize("name", ALERTS)
def test_what_a_runbook_points_to_is_there(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (RUNBOOKS / link).is_file(), link
    titles = {panel["title"] for board in map(load, FILES) for panel in panels(board)}
    for named in re.findall(r"\*([^*]+)\*", text):
        assert any(title == named or title.startswith(f"{named},") for title in titles), named


def test_prometheus_loads_the_rules() -> None:
    (settings,) = read("prometheus.yml")
    found = {file for path in settings["rule_files"] for file in PROMETHEUS.glob(path)}
    assert found == set(PROMETHEUS.glob("rules/*"))


def test_every_alert_is_raised_by_a_fault() -> None:
    raised = {
        sample["labels"]
        for file in read("tests/*.yml")
        for test in file["tests"]
        for asked in test["promql_expr_test"]
        for sample in asked["exp_samples"]
    }
    assert raised == {f'{{alertname="{name}"}}' for name in ALERTS}


@needs_promtool
def test_prometheus_takes_its_settings_and_rules() -> None:
    done = promtool("check", "config", "../prometheus.yml")
    assert done.returncode == 0, done.stderr


@needs_promtool
@pytest.mark.parametrize("file", sorted(PROMETHEUS.glob("tests/*.yml")), ids=lambda file: file.stem)
def test_each_fault_raises_exactly_the_alerts_that_name_it(file: Any) -> None:
    done = promtool("test", "rules", file.name)
    assert done.returncode == 0, done.stdout + done.stderr
