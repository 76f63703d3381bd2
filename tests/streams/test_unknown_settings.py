"""A setting that is written wrongly is named, with the one that was meant; nothing is refused."""

import os
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from agents.receiver.settings import ReceiverSettings
from cli import settings as known
from streams import unknown_settings
from streams.settings import WorkerSettings
from streams.unknown_settings import unknown

NAMES = [name for name, _, _ in known.rows()]
PREFIXES = tuple(str(group.model_config.get("env_prefix")) for group in known.groups())


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in list(os.environ):
        if name.startswith(PREFIXES):
            monkeypatch.delenv(name)
    return monkeypatch


def found(environment: Mapping[str, str]) -> dict[str, str | None]:
    return {each.name: each.nearest for each in unknown(environment, known.groups())}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("KAFKA_BOOTSTRAP_SERVER", "KAFKA_BOOTSTRAP_SERVERS"),
        ("KAFKA_SASL_USER", "KAFKA_SASL_USERNAME"),
        ("KAFKA_SASL_PASWORD_FILE", "KAFKA_SASL_PASSWORD_FILE"),
        ("KAFKA_OAUTH_CLIENTID", "KAFKA_OAUTH_CLIENT_ID"),
        ("kafka_prefx", "KAFKA_PREFIX"),
        ("SAILTHRU_APIKEY", "SAILTHRU_API_KEY"),
        ("ABTASTY_REFRESH_INTERVAL_DAY", "ABTASTY_REFRESH_INTERVAL_DAYS"),
        ("RECEIVER_TOKENS", "RECEIVER_TOKEN"),
        ("WORKER_LOGLEVEL", "WORKER_LOG_LEVEL"),
        ("KAFKA_HEAP_OPTS", None),
        ("ROUTER_", None),
    ],
)
def test_the_nearest_right_name_is_told_where_one_is_near(written: str, meant: str | None) -> None:
    assert found({written: "1"}) == {written: meant}


@given(name=st.sampled_from(NAMES), file=st.booleans(), small=st.booleans(), value=st.text())
def test_no_setting_is_unknown_however_it_is_given(
    name: str, file: bool, small: bool, value: str
) -> None:
    written = f"{name}_FILE" if file else name
    assert found({written.lower() if small else written: value}) == {}


@given(name=st.sampled_from(NAMES), at=st.integers(min_value=0), value=st.text())
def test_a_setting_of_which_a_letter_is_missing_is_always_named(
    name: str, at: int, value: str
) -> None:
    prefix = max((each for each in PREFIXES if name.startswith(each)), key=len)
    place = len(prefix) + at % (len(name) - len(prefix))
    written = name[:place] + name[place + 1 :]
    assert list(found({written: value})) == [written] or written in NAMES


def test_what_begins_otherwise_is_none_of_ours() -> None:
    assert found({"PATH": "/bin", "KAFKAESQUE": "1", "HTTPS_PROXY": "http://127.0.0.1:1"}) == {}


# What Kubernetes sets in every container beside a Service "kafka", of two named ports, and beside
# others that bear names which begin as our settings do.
SERVICES = {
    "KAFKA_SERVICE_HOST": "10.96.0.17",
    "KAFKA_SERVICE_PORT": "9092",
    "KAFKA_SERVICE_PORT_CLIENTS": "9092",
    "KAFKA_PORT": "tcp://10.96.0.17:9092",
    "KAFKA_PORT_9092_TCP": "tcp://10.96.0.17:9092",
    "KAFKA_PORT_9092_TCP_PROTO": "tcp",
    "KAFKA_PORT_9092_TCP_PORT": "9092",
    "KAFKA_PORT_9092_TCP_ADDR": "10.96.0.17",
    "KAFKA_BOOTSTRAP_PORT": "tcp://10.96.0.18:9092",
    "RECEIVER_PORT": "tcp://10.96.0.19:8080",
    "WORKER_PORT": "tcp://10.96.0.20:6066",
}


def test_what_kubernetes_sets_for_services_is_no_mistake_of_anybodys() -> None:
    assert found(SERVICES) == {}


def test_the_port_of_a_service_is_not_taken_for_ours(environment: pytest.MonkeyPatch) -> None:
    for name, value in SERVICES.items():
        environment.setenv(name, value)
    environment.setenv("RECEIVER_TOKEN", "a-token-of-some-length")
    assert ReceiverSettings.load().port == 8080
    assert WorkerSettings.load().port is None


def test_a_process_names_it_once_at_its_start_and_never_its_value(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("KAFKA_SASL_PASSWRD", "not-a-real-password")
    with capture_logs() as lines:
        unknown_settings.tell()
    assert lines == [
        {
            "event": "unknown_setting",
            "log_level": "warning",
            "name": "KAFKA_SASL_PASSWRD",
            "what_to_do": "write KAFKA_SASL_PASSWORD, if that is meant",
        }
    ]
