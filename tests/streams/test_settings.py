"""A wrong setting is one sentence that says what to set, and no secret is in it."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field, PositiveInt, SecretStr
from pydantic_settings import SettingsConfigDict

from agents.ab_tasty.settings import AbTastySettings
from agents.receiver.settings import ReceiverSettings
from agents.router.settings import RouterSettings
from agents.sailthru.settings import SailthruSettings
from streams.addresses import broker_addresses
from streams.settings import KafkaSettings, Settings, SettingsError, WorkerSettings

SECRET = "s3cret-Boca-Raton"


class DemoSettings(Settings):
    """A group with a setting that must be given."""

    model_config = SettingsConfigDict(env_prefix="DEMO_")

    api_secret: SecretStr = Field(description="the account's API secret")
    size: PositiveInt = Field(3, description="how many")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("KAFKA_", "WORKER_", "DEMO_")):
            monkeypatch.delenv(name)


def give(monkeypatch: pytest.MonkeyPatch, given: dict[str, str]) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)


WRONG: list[tuple[type[Settings], dict[str, str], str]] = [
    (DemoSettings, {}, "set DEMO_API_SECRET (the account's API secret)."),
    (DemoSettings, {"DEMO_API_SECRET": ""}, "set DEMO_API_SECRET (the account's API secret)."),
    (
        DemoSettings,
        {"DEMO_SIZE": "0"},
        (
            "set DEMO_API_SECRET (the account's API secret); "
            "DEMO_SIZE: Input should be greater than 0."
        ),
    ),
    (
        DemoSettings,
        {"DEMO_API_SECRET": SECRET, "DEMO_SIZE": "many"},
        "DEMO_SIZE: Input should be a valid integer, unable to parse string as an integer.",
    ),
    (
        KafkaSettings,
        {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_PASSWORD": SECRET},
        "KAFKA_SECURITY_PROTOCOL=SASL_SSL needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD.",
    ),
    (
        KafkaSettings,
        {"KAFKA_SECURITY_PROTOCOL": "TLS"},
        (
            "KAFKA_SECURITY_PROTOCOL: Input should be "
            "'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL'."
        ),
    ),
    (
        KafkaSettings,
        {"KAFKA_IN_FLIGHT_RECORDS": "-1"},
        "KAFKA_IN_FLIGHT_RECORDS: Input should be greater than 0.",
    ),
    (
        WorkerSettings,
        {"WORKER_MAX_REJECTED_SHARE": "1.5"},
        "WORKER_MAX_REJECTED_SHARE: Input should be less than or equal to 1.",
    ),
    (
        WorkerSettings,
        {"WORKER_LOG_LEVEL": "loud"},
        "WORKER_LOG_LEVEL: Input should be 'debug', 'info', 'warning' or 'error'.",
    ),
]


@pytest.mark.parametrize(("group", "given", "sentence"), WRONG)
def test_a_wrong_setting_is_one_sentence_that_names_it(
    monkeypatch: pytest.MonkeyPatch, group: type[Settings], given: dict[str, str], sentence: str
) -> None:
    give(monkeypatch, given)

    with pytest.raises(SettingsError) as raised:
        group.load()
    assert str(raised.value) == sentence


# What pydantic lets through and something later breaks on, with a stack trace.
BROKEN_LATER: dict[str, tuple[type[Settings], dict[str, str]]] = {
    "a port that no machine has": (WorkerSettings, {"WORKER_PORT": "70000"}),
    "a port below zero": (WorkerSettings, {"WORKER_PORT": "-1"}),
    "a session that never ends": (KafkaSettings, {"KAFKA_SESSION_TIMEOUT_S": "inf"}),
    "a certificate that is not there": (
        KafkaSettings,
        {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CAFILE": "/nowhere/ca.pem"},
    ),
    "a broker whose port is no number": (KafkaSettings, {"KAFKA_BOOTSTRAP_SERVERS": "kafka:port"}),
    "a time without its zone": (KafkaSettings, {"KAFKA_START": "2026-01-31T00:00:00"}),
    "a start of another kind": (KafkaSettings, {"KAFKA_START": "yesterday"}),
}


@pytest.mark.parametrize(("group", "given"), BROKEN_LATER.values(), ids=BROKEN_LATER.keys())
def test_a_value_that_cannot_work_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, group: type[Settings], given: dict[str, str]
) -> None:
    give(monkeypatch, given)

    with pytest.raises(SettingsError) as raised:
        group.load()
    assert next(reversed(given)) in str(raised.value)


@pytest.mark.parametrize("name", ["KAFKA_START", "WORKER_PORT"])
def test_an_empty_variable_is_one_that_is_not_set(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "")
    group = KafkaSettings if name.startswith("KAFKA") else WorkerSettings

    assert group.load() == group()


BLANK = st.text(" \t\r\n\v\f\N{NO-BREAK SPACE}", max_size=5)
GROUPS: list[type[Settings]] = [
    *(KafkaSettings, WorkerSettings, DemoSettings),
    *(ReceiverSettings, RouterSettings, SailthruSettings, AbTastySettings),
]
FIELDS = [(group, field) for group in GROUPS for field in group.model_fields]


@given(of=st.sampled_from(FIELDS), blank=BLANK, where=st.sampled_from(["variable", "file", "both"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_blank_is_unset_in_every_group_and_wherever_it_stands(
    tmp_path: Path, of: tuple[type[Settings], str], blank: str, where: str
) -> None:
    group, field = of
    variable = group.variable(field)
    (tmp_path / "blank").write_text(blank, encoding="utf-8-sig")
    with pytest.MonkeyPatch.context() as environment:
        for name in group.model_fields:
            environment.delenv(group.variable(name), raising=False)
            environment.delenv(f"{group.variable(name)}_FILE", raising=False)
        unset = outcome(group)
        if where != "file":
            environment.setenv(variable, blank)
        if where != "variable":
            environment.setenv(f"{variable}_FILE", str(tmp_path / "blank"))
        assert outcome(group) == unset
        assert outcome(group, **{field: blank}) == unset


def outcome(group: type[Settings], **values: Any) -> Settings | str:
    try:
        return group.load(**values)
    except SettingsError as error:
        return str(error)


@given(blank=BLANK)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_blank_variable_does_not_hide_its_file(tmp_path: Path, blank: str) -> None:
    (tmp_path / "secret").write_text(SECRET, encoding="utf-8-sig")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DEMO_API_SECRET", blank)
        environment.setenv("DEMO_API_SECRET_FILE", str(tmp_path / "secret"))
        assert DemoSettings.load().api_secret.get_secret_value() == SECRET
        assert DemoSettings.mounted("api_secret") == tmp_path / "secret"
        environment.setenv("DEMO_API_SECRET_FILE", blank)
        assert DemoSettings.mounted("api_secret") is None


@pytest.mark.parametrize(
    ("given", "start"),
    [
        ("earliest", "earliest"),
        ("latest", "latest"),
        ("2026-01-31T00:00:00Z", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T01:00:00+01:00", datetime(2026, 1, 31, tzinfo=UTC)),
    ],
)
def test_a_start_is_earliest_latest_or_a_time(
    monkeypatch: pytest.MonkeyPatch, given: str, start: str | datetime
) -> None:
    monkeypatch.setenv("KAFKA_START", given)

    assert KafkaSettings.load().start == start


def test_a_value_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    monkeypatch.setenv("DEMO_API_SECRET_FILE", str(secret))

    assert DemoSettings.load().api_secret.get_secret_value() == SECRET


def test_the_variable_itself_goes_before_its_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("other")
    give(
        monkeypatch,
        {"DEMO_API_SECRET": SECRET, "DEMO_API_SECRET_FILE": str(tmp_path / "secret")},
    )

    assert DemoSettings.load().api_secret.get_secret_value() == SECRET


FILES: dict[str, bytes | None] = {"is not there": None, "is no text": b"\xff\xfe\x00"}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES.keys())
def test_a_file_that_cannot_be_read_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)
    monkeypatch.setenv("DEMO_API_SECRET_FILE", str(secret))

    with pytest.raises(SettingsError, match="DEMO_API_SECRET_FILE"):
        DemoSettings.load()


def test_a_file_variable_that_is_empty_is_one_that_is_not_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give(monkeypatch, {"DEMO_API_SECRET": SECRET, "DEMO_API_SECRET_FILE": ""})

    assert DemoSettings.load().api_secret.get_secret_value() == SECRET


def test_no_secret_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    give(
        monkeypatch,
        {
            "DEMO_API_SECRET": SECRET,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_USERNAME": "streams",
            "KAFKA_SASL_PASSWORD": SECRET,
        },
    )
    kafka = KafkaSettings.load()

    for shown in (repr(DemoSettings.load()), repr(kafka), str(kafka), kafka.model_dump_json()):
        assert SECRET not in shown
    assert kafka.client_options()["sasl_plain_password"] == SECRET


@pytest.mark.parametrize(
    "servers",
    [
        f"streams:{SECRET}@kafka.example:9092",
        f"kafka-1.example:9092,streams:{SECRET}@kafka-2.example:9092",
        f"SASL_SSL://streams:{SECRET}@kafka.example:9092",
        f"{SECRET}@kafka.example:9092",
        "kafka.example",
        "kafka.example:0",
        "kafka.example:65536",
        "kafka.example:9092,",
        "[kafka]:9092",
    ],
)
def test_brokers_that_are_more_than_host_and_port_are_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, servers: str
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", servers)

    with pytest.raises(SettingsError, match=r"^KAFKA_BOOTSTRAP_SERVERS: use host:port") as error:
        KafkaSettings.load()
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    ("servers", "addresses"),
    [
        ("kafka-1.example:9092 , kafka_2:19092", [("kafka-1.example", 9092), ("kafka_2", 19092)]),
        ("10.0.0.7:9092,[fe80::1]:9092", [("10.0.0.7", 9092), ("fe80::1", 9092)]),
    ],
)
def test_brokers_are_names_or_numbers_with_a_port(
    monkeypatch: pytest.MonkeyPatch, servers: str, addresses: list[tuple[str, int]]
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", servers)

    assert broker_addresses(KafkaSettings.load().bootstrap_servers) == addresses


@pytest.mark.parametrize(
    ("changed", "refused"),
    [
        ({}, True),
        ({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092,kafka.example:9092"}, True),
        ({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092,localhost:9093"}, False),
        ({"KAFKA_SASL_MECHANISM": "SCRAM-SHA-512"}, False),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, False),
        ({"KAFKA_CLEAR_TEXT": "allow"}, False),
    ],
)
def test_a_password_goes_to_no_other_machine_in_clear_unless_a_setting_says_so(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], refused: bool
) -> None:
    given = {
        "KAFKA_BOOTSTRAP_SERVERS": "kafka.example:9092",
        "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "KAFKA_SASL_USERNAME": "streams",
        "KAFKA_SASL_PASSWORD": SECRET,
    }
    give(monkeypatch, given | changed)

    if not refused:
        assert KafkaSettings.load().logs_in
        return
    with pytest.raises(SettingsError, match=r"KAFKA_CLEAR_TEXT") as error:
        KafkaSettings.load()
    assert SECRET not in str(error.value)


def test_a_file_without_certificates_is_refused_at_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----")
    monkeypatch.setenv("KAFKA_SSL_CAFILE", str(tmp_path / "ca.pem"))

    with pytest.raises(SettingsError, match=r"^KAFKA_SSL_CAFILE: use a readable file of cert"):
        KafkaSettings.load()


def test_names_on_the_cluster_bear_the_prefix() -> None:
    kafka = KafkaSettings(prefix="eu-")

    assert kafka.topic("events") == "eu-events"
    assert kafka.group("router") == "eu-mparticle-streams-router"


@pytest.mark.parametrize("group", [KafkaSettings, WorkerSettings])
def test_every_setting_says_what_it_is_for(group: type[Settings]) -> None:
    assert all(field.description for field in group.model_fields.values())
