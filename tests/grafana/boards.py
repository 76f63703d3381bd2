"""The boards as they lie in the repository, and the series that a scraped worker has."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client import PlatformCollector, ProcessCollector
from prometheus_client.metrics import MetricWrapperBase

from streams.metrics import REGISTRY

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))

# Prometheus adds them to whatever it scrapes; see grafana/prometheus/prometheus.yml.
_TARGET = frozenset({"instance", "job", "worker"})
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
_LABEL_VALUES = re.compile(r"label_values\((\w+),\s*(\w+)\)")


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


def variables(board: Mapping[str, Any]) -> Mapping[str, dict[str, Any]]:
    return {each["name"]: each for each in board["templating"]["list"]}


def looked_up(variable: Mapping[str, Any]) -> tuple[str, str] | None:
    """The series and the label whose values a variable offers; None for a data source."""
    if variable["type"] == "datasource":
        return None
    found = _LABEL_VALUES.fullmatch(variable["query"]["query"])
    assert found, "a variable asks for label_values(series, label)"
    return found[1], found[2]
