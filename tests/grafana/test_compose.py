"""docker-compose.yml fits the settings, the command, the simulators and the image."""

import os
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import main
from cli.settings import groups
from sandbox import ab_tasty, sailthru
from sandbox.kafka import VERSION
from streams.settings import KafkaSettings, WorkerSettings
from tests.compose import SERVICES, WORKERS, given
from tests.repository import ROOT

OURS = {name: each for name, each in SERVICES.items() if "build" in each}
GROUPS = {str(group.model_config.get("env_prefix")): group for group in groups()}


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_is_given_only_settings_that_exist(name: str) -> None:
    for variable in given(name):
        prefix = f"{variable.partition('_')[0]}_"
        field = variable.removeprefix(prefix).removesuffix("_FILE").lower()
        assert field in GROUPS[prefix].model_fields, variable


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_can_start_with_what_it_is_given(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in list(os.environ):
        if variable.startswith(tuple(GROUPS)):
            monkeypatch.delenv(variable)
    for variable, value in given(name).items():
        monkeypatch.setenv(variable, value)
    for prefix, group in GROUPS.items():
        if any(variable.startswith(prefix) for variable in given(name)):
            group.load()
    worker, kafka = WorkerSettings.load(), KafkaSettings.load()
    assert SERVICES[name]["ports"] == [f"127.0.0.1:{worker.port}:{worker.port}"]
    assert (kafka.create_topics, kafka.initial_offset) == (True, "earliest")


def test_the_simulators_know_what_the_workers_present() -> None:
    presented = given("sailthru") | given("ab-tasty")
    there, options = sailthru.Options(), ab_tasty.Options()
    assert presented["SAILTHRU_API_KEY"] == there.api_key
    assert presented["SAILTHRU_API_SECRET"] == there.api_secret
    assert presented["ABTASTY_CLIENT_ID"] == options.client_id
    assert presented["ABTASTY_CLIENT_SECRET"] == options.client_secret
    assert presented["ABTASTY_ACCOUNT_ID"] == options.account
    assert presented["ABTASTY_PARTNER_NAME"] == options.partner


@pytest.mark.parametrize(
    ("worker", "variable", "path"),
    [
        ("sailthru", "SAILTHRU_BASE_URL", ""),
        ("ab-tasty", "ABTASTY_BASE_URL", ""),
        ("ab-tasty", "ABTASTY_TOKEN_URL", "/oauth/v2/token"),
    ],
)
def test_a_destination_is_asked_where_its_simulator_listens(
    worker: str, variable: str, path: str
) -> None:
    command = SERVICES[f"{worker}-sandbox"]["command"]
    port = command[command.index("--port") + 1]
    assert given(worker)[variable] == f"http://{worker}-sandbox:{port}{path}"


@pytest.mark.parametrize("name", OURS)
def test_a_service_calls_a_command_that_exists(name: str) -> None:
    result = CliRunner().invoke(main, [*OURS[name]["command"], "--help"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_is_reachable_from_other_machines(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", ()))


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_from_the_repository_is_there(name: str) -> None:
    mounted = [each.split(":")[0] for each in SERVICES[name].get("volumes", ())]
    assert all((ROOT / path).is_dir() for path in mounted if path.startswith("."))


def test_kafka_is_the_one_that_the_tests_run() -> None:
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{VERSION}"


def test_the_image_is_built_from_all_that_an_installation_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["setuptools"]["packages"]["find"]["include"]
    needed = {"pyproject.toml", "setup.py", "constraints.txt", project["project"]["readme"]}
    needed |= {package.removesuffix("*") for package in packages}
    needed |= set(project["project"]["license-files"])
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignore if line.startswith("!")} == needed
    extra = SERVICES["router"]["build"]["args"]["EXTRAS"]
    assert extra in project["project"]["optional-dependencies"]
    assert f"/opt/{project['project']['name']}" in Path(ROOT / "Dockerfile").read_text()


# Who writes into its own image, and why that is so.
WRITES = {"kafka": "its settings, when it starts"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_no_right_that_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is (name not in WRITES)
    assert {"mem_limit", "pids_limit", "cpus"} <= service.keys()
    assert not {"cap_add", "privileged", "network_mode", "pid", "user"} & service.keys()


def test_the_image_runs_as_nobody_in_particular_and_keeps_no_compiler() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    *_, last = dockerfile.split("\nFROM ")
    assert "\nUSER 10001\n" in last
    assert "apt-get" not in last
    assert "--build-arg" not in dockerfile, "a secret given so is in the image's history"
