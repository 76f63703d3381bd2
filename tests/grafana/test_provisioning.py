"""Prometheus finds the workers, and Grafana finds Prometheus and the boards."""

import re
from typing import Any

import pytest
import yaml

from tests.compose import SERVICES, WORKERS, given
from tests.grafana.boards import RULES
from tests.repository import ROOT

GRAFANA = ROOT / "grafana"


def read(path: str) -> Any:
    return yaml.safe_load((GRAFANA / path).read_text(encoding="utf-8"))


@pytest.fixture
def prometheus() -> dict[str, Any]:
    found: dict[str, Any] = read("prometheus/prometheus.yml")
    return found


def test_prometheus_scrapes_every_worker_and_names_it(prometheus: dict[str, Any]) -> None:
    (job,) = prometheus["scrape_configs"]
    targets = {each["labels"]["worker"]: each["targets"] for each in job["static_configs"]}
    ports = {name: given(name)["WORKER_PORT"] for name in ("receiver", *WORKERS)}
    assert targets == {name: [f"{name}:{port}"] for name, port in ports.items()}


def test_the_alerts_ask_for_the_job_that_prometheus_scrapes(prometheus: dict[str, Any]) -> None:
    (job,) = prometheus["scrape_configs"]
    asked = {name for rule in RULES for name in re.findall(r'job="([^"]*)"', rule["expr"])}
    assert asked == {job["job_name"]}


def test_grafana_asks_prometheus_where_it_listens_and_as_often_as_it_scrapes(
    prometheus: dict[str, Any],
) -> None:
    (source,) = read("provisioning/datasources/prometheus.yml")["datasources"]
    assert source["type"] == "prometheus"
    assert source["url"] == "http://prometheus:9090"
    assert SERVICES["prometheus"]["ports"] == ["127.0.0.1:9090:9090"]
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]


def test_grafana_finds_the_boards_where_they_are_mounted() -> None:
    (provider,) = read("provisioning/dashboards/boards.yml")["providers"]
    mounted = dict(volume.split(":")[:2] for volume in SERVICES["grafana"]["volumes"])
    assert mounted["./grafana/provisioning"] == "/etc/grafana/provisioning"
    assert mounted["./grafana/dashboards"] == provider["options"]["path"]
    home = given("grafana")["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    folder, _, board = home.rpartition("/")
    assert folder == provider["options"]["path"]
    assert (GRAFANA / "dashboards" / board).is_file()


@pytest.mark.parametrize("file", sorted(GRAFANA.rglob("*.yml")), ids=lambda file: file.name)
def test_every_file_of_settings_can_be_read(file: Any) -> None:
    assert yaml.safe_load(file.read_text(encoding="utf-8"))
