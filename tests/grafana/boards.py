"""The boards as they lie in the repository, and the series that a Prometheus has for them."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from prometheus_client import PlatformCollector, ProcessCollector
from prometheus_client.metrics import MetricWrapperBase

from streams.metrics import REGISTRY
from tests.grafana import promql
from tests.repository import ROOT

FILES = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))
RULES = [
    rule
    for file in sorted((ROOT / "grafana" / "prometheus" / "rules").glob("*.yml"))
    for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]

# Prometheus adds them to whatever it scrapes, see grafana/prometheus/prometheus.yml, and `cluster`
# where several are seen together.
_TARGET = frozenset({"cluster", "instance", "job", "worker"})
_SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}
# They describe themselves on Linux only.
_PROCESS = (
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_virtual_memory_bytes",
)
_LABEL_VALUES = re.compile(r"label_values\((.+), (\w+)\)")


class Series(NamedTuple):
    """What one series belongs to, and its labels."""

    metric: str
    labels: frozenset[str]


class Query(NamedTuple):
    """One question of a panel; `title` says whose."""

    title: str
    expression: str
    legend: str


def exposed() -> Mapping[str, Series]:
    """Every series of a scraped worker, by its name in PromQL."""
    found = {"up": Series("up", _TARGET)}
    for collector in REGISTRY._collector_to_names:
        if isinstance(collector, MetricWrapperBase):
            found |= _series(collector)
        elif isinstance(collector, ProcessCollector):
            found |= {name: Series(name, _TARGET) for name in _PROCESS}
        else:
            assert isinstance(collector, PlatformCollector)
            found["python_info"] = Series("python_info", _TARGET)
    return found


def recorded() -> Mapping[str, Series]:
    """What Prometheus makes of them by the rules: recordings, and alerts."""
    found = {
        rule["record"]: Series(rule["record"], _kept(rule) - {"le"} | {"cluster"})
        for rule in RULES
        if "record" in rule
    }
    alerts = [_kept(rule) | rule["labels"].keys() for rule in RULES if "alert" in rule]
    own = {"alertname", "alertstate", "cluster"}
    return found | {"ALERTS": Series("ALERTS", frozenset(own).union(*alerts))}


def _kept(rule: Mapping[str, Any]) -> frozenset[str]:
    """The labels of what a rule makes: its own, or those of what it is made of."""
    asked = promql.read(rule["expr"])
    recordings = {each["record"]: each for each in RULES if "record" in each}
    return asked.kept.union(*(_kept(recordings[name]) for name in asked.series & recordings.keys()))


def _series(metric: MetricWrapperBase) -> dict[str, Series]:
    found = {}
    for suffix in _SUFFIXES[str(metric._type)]:
        own = {"le"} if suffix == "_bucket" else set()
        labels = _TARGET.union(metric._labelnames, own)
        found[metric._name + suffix] = Series(metric._name, labels)
    return found


def load(file: Path) -> dict[str, Any]:
    board: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return board


def panels(board: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All panels but the rows, which only have a title."""
    for panel in board["panels"]:
        if panel["type"] != "row":
            yield panel


def queries(board: Mapping[str, Any]) -> Iterator[Query]:
    for panel in panels(board):
        for target in panel["targets"]:
            yield Query(panel["title"], target["expr"], target["legendFormat"])


def annotations(board: Mapping[str, Any]) -> Iterator[Query]:
    for each in board["annotations"]["list"]:
        yield Query(each["name"], each["target"]["expr"], each["textFormat"])


def variables(board: Mapping[str, Any]) -> Mapping[str, dict[str, Any]]:
    return {each["name"]: each for each in board["templating"]["list"]}


def looked_up(variable: Mapping[str, Any]) -> tuple[str, str] | None:
    """The expression and the label whose values a variable offers; None for a data source."""
    if variable["type"] == "datasource":
        return None
    found = _LABEL_VALUES.fullmatch(variable["query"]["query"])
    assert found, "a variable asks for label_values(series, label)"
    return found[1], found[2]


def urls(board: Mapping[str, Any]) -> Iterator[str]:
    """Where the panels lead to, and their series."""
    for panel in panels(board):
        links = chain(panel.get("links", ()), panel["fieldConfig"]["defaults"].get("links", ()))
        yield from (link["url"] for link in links)
