"""A wrong setting is one sentence that says what to set, and no secret is in it."""

import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from cryptography.x509 import load_pem_x509_certificate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field, PositiveInt, SecretStr
from pydantic_settings import SettingsConfigDict

from agents.ab_tasty.settings import AbTastySettings
from agents.receiver.settings import ReceiverSettings
from agents.router.settings import RouterSettings
from agents.sailthru.settings import SailthruSettings
from streams.addresses import broker_addresses
from streams.base_settings import Settings, SettingsError
from streams.settings import KafkaSettings, WorkerSettings

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
        WorkerSettings,
        {"WORKER_MAX_IN_FLIGHT_RECORDS": "-1"},
        "WORKER_MAX_IN_FLIGHT_RECORDS: Input should be greater than 0.",
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
    "a time without its zone": (KafkaSettings, {"KAFKA_INITIAL_OFFSET": "2026-01-31T00:00:00"}),
    "a start of another kind": (KafkaSettings, {"KAFKA_INITIAL_OFFSET": "yesterday"}),
}


@pytest.mark.parametrize(("group", "given"), BROKEN_LATER.values(), ids=BROKEN_LATER.keys())
def test_a_value_that_cannot_work_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, group: type[Settings], given: dict[str, str]
) -> None:
    give(monkeypatch, given)

    with pytest.raises(SettingsError) as raised:
        group.load()
    assert next(reversed(given)) in str(raised.value)


@pytest.mark.parametrize(
    ("name", "given", "choices"),
    [
        ("KAFKA_INITIAL_OFFSET", "soon", ("earliest", "latest", "2026-01-31T00:00:00Z")),
        (
            "KAFKA_INITIAL_OFFSET",
            "2026-01-31T00:00:00",
            ("earliest", "latest", "2026-01-31T00:00:00Z"),
        ),
        ("KAFKA_OAUTH_PROVIDER", "oidcc", ("oidc", "file", "msk_iam", "gcp", "azure")),
    ],
)
def test_a_setting_of_several_kinds_is_named_once_with_all_that_it_may_be(
    monkeypatch: pytest.MonkeyPatch, name: str, given: str, choices: tuple[str, ...]
) -> None:
    monkeypatch.setenv(name, given)

    with pytest.raises(SettingsError) as raised:
        KafkaSettings.load()
    sentence = str(raised.value)
    assert sentence.count(name) == 1
    assert all(choice in sentence for choice in choices)


@pytest.mark.parametrize("name", ["KAFKA_INITIAL_OFFSET", "WORKER_PORT"])
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
    monkeypatch.setenv("KAFKA_INITIAL_OFFSET", given)

    assert KafkaSettings.load().initial_offset == start


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


ASKS_FOR_TOKENS = {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "OAUTHBEARER"}
TLS = {"KAFKA_SECURITY_PROTOCOL": "SSL"}
LOGINS: dict[str, tuple[dict[str, str], str]] = {
    "no source of tokens": (
        ASKS_FOR_TOKENS,
        "KAFKA_SASL_MECHANISM=OAUTHBEARER needs KAFKA_OAUTH_PROVIDER.",
    ),
    "no identity provider": (
        {**ASKS_FOR_TOKENS, "KAFKA_OAUTH_PROVIDER": "oidc", "KAFKA_OAUTH_CLIENT_ID": "streams"},
        "KAFKA_OAUTH_PROVIDER=oidc needs KAFKA_OAUTH_TOKEN_URL, KAFKA_OAUTH_CLIENT_SECRET.",
    ),
    "no token": (
        {**ASKS_FOR_TOKENS, "KAFKA_OAUTH_PROVIDER": "file"},
        "KAFKA_OAUTH_PROVIDER=file needs KAFKA_OAUTH_TOKEN.",
    ),
    "extensions": (
        {**ASKS_FOR_TOKENS, "KAFKA_OAUTH_PROVIDER": "file", "KAFKA_OAUTH_EXTENSIONS": "auth=x"},
        "KAFKA_OAUTH_EXTENSIONS: use name=value,name=value, with letters alone in a name.",
    ),
    "a secret in clear": (
        {
            **ASKS_FOR_TOKENS,
            "KAFKA_OAUTH_PROVIDER": "oidc",
            "KAFKA_OAUTH_TOKEN_URL": "http://login.example/token",
        },
        "KAFKA_OAUTH_TOKEN_URL: use an https:// address",
    ),
    "a token in clear": (
        {
            **ASKS_FOR_TOKENS,
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_BOOTSTRAP_SERVERS": "kafka.example:9092",
            "KAFKA_OAUTH_PROVIDER": "file",
            "KAFKA_OAUTH_TOKEN": "not.a.token",
        },
        "sends the password or token in clear",
    ),
    "a key of nothing": (
        {**TLS, "KAFKA_SSL_KEYFILE": "key.pem"},
        "KAFKA_SSL_KEYFILE needs KAFKA_SSL_CERTFILE.",
    ),
    "a certificate without TLS": (
        {"KAFKA_SSL_CERTFILE": "certificate.pem", "KAFKA_SSL_KEYFILE": "key.pem"},
        "KAFKA_SSL_CERTFILE needs KAFKA_SECURITY_PROTOCOL to be SSL or SASL_SSL.",
    ),
    "a certificate without a key": (
        {**TLS, "KAFKA_SSL_CERTFILE": "certificate.pem"},
        "KAFKA_SSL_CERTFILE: use a readable file of a certificate in PEM form",
    ),
    "another's key": (
        {**TLS, "KAFKA_SSL_CERTFILE": "certificate.pem", "KAFKA_SSL_KEYFILE": "another.pem"},
        "KAFKA_SSL_CERTFILE: the key of KAFKA_SSL_KEYFILE is another's.",
    ),
    "a locked key": (
        {**TLS, "KAFKA_SSL_CERTFILE": "certificate.pem", "KAFKA_SSL_KEYFILE": "locked.pem"},
        "KAFKA_SSL_KEY_PASSWORD where the key is locked",
    ),
    "a certificate of PKCS 12": (
        {**TLS, "KAFKA_SSL_CERTFILE": "both.p12"},
        "of a PKCS 12 file openssl pkcs12 -in FILE -nodes makes one",
    ),
    "an authority of PKCS 12": (
        {**TLS, "KAFKA_SSL_CAFILE": "both.p12"},
        "PEM form; of a PKCS 12 file openssl pkcs12 -in FILE -nokeys makes one.",
    ),
}


REQUESTS: dict[str, tuple[dict[str, str], str]] = {
    "than a session": (
        {"KAFKA_SESSION_TIMEOUT_S": "10", "KAFKA_REQUEST_TIMEOUT_S": "11"},
        "KAFKA_REQUEST_TIMEOUT_S may not be longer than KAFKA_SESSION_TIMEOUT_S, 10:",
    ),
    "than a worker may stand still": (
        {
            "KAFKA_SESSION_TIMEOUT_S": "60",
            "WORKER_STALL_TIMEOUT_S": "20",
            "KAFKA_REQUEST_TIMEOUT_S": "30",
        },
        "KAFKA_REQUEST_TIMEOUT_S may not be longer than WORKER_STALL_TIMEOUT_S, 20:",
    ),
    "than a fetch may wait": (
        {"KAFKA_REQUEST_TIMEOUT_S": "0.5"},
        "KAFKA_REQUEST_TIMEOUT_S",
    ),
}


@pytest.mark.parametrize(("given", "said"), REQUESTS.values(), ids=REQUESTS.keys())
def test_a_request_is_given_up_before_the_worker_and_not_before_a_fetch(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], said: str
) -> None:
    give(monkeypatch, given)
    with pytest.raises(SettingsError) as error:
        WorkerSettings.load_beside(KafkaSettings.load())
    assert said in str(error.value)


def test_every_client_gives_a_request_up_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, {"KAFKA_REQUEST_TIMEOUT_S": "12.5"})
    assert KafkaSettings.load().client_options()["request_timeout_ms"] == 12_500


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of `certificate.pem`, `key.pem`, `locked.pem`, `both.p12`, and `another.pem`."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    one, other = (authority.issue_cert("client@shop.example") for _ in range(2))
    key = load_pem_private_key(one.private_key_pem.bytes(), password=None)
    assert isinstance(key, EllipticCurvePrivateKey)
    certificate = load_pem_x509_certificate(one.cert_chain_pems[0].bytes())
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"lock"))
    both = serialize_key_and_certificates(b"ours", key, certificate, None, NoEncryption())
    for name, content in {
        "certificate.pem": one.cert_chain_pems[0].bytes(),
        "key.pem": one.private_key_pem.bytes(),
        "locked.pem": locked,
        "both.p12": both,
        "another.pem": other.private_key_pem.bytes(),
    }.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(("given", "said"), LOGINS.values(), ids=LOGINS.keys())
def test_a_login_to_kafka_that_cannot_be_is_told_at_start(
    monkeypatch: pytest.MonkeyPatch, certificates: Path, given: dict[str, str], said: str
) -> None:
    monkeypatch.chdir(certificates)
    give(monkeypatch, given)

    with pytest.raises(SettingsError) as error:
        WorkerSettings.load_beside(KafkaSettings.load())
    assert said in str(error.value)


def test_a_certificate_is_taken_with_its_key_in_one_file_or_in_two(
    monkeypatch: pytest.MonkeyPatch, certificates: Path, tmp_path: Path
) -> None:
    both = tmp_path / "both.pem"
    names = ("certificate.pem", "key.pem")
    both.write_bytes(b"".join((certificates / name).read_bytes() for name in names))
    give(monkeypatch, {**TLS, "KAFKA_SSL_CERTFILE": str(both)})
    KafkaSettings.load()
    monkeypatch.chdir(certificates)
    one, two = names
    give(monkeypatch, {"KAFKA_SSL_CERTFILE": one, "KAFKA_SSL_KEYFILE": two})
    KafkaSettings.load()


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, f"mparticle-streams-router-{socket.gethostname()}"),
        ({"KAFKA_GROUP_INSTANCE_ID": "router-0"}, "mparticle-streams-router-router-0"),
        ({"KAFKA_CLIENT_ID": "shop"}, "shop"),
    ],
)
def test_kafka_is_told_which_worker_and_which_instance_a_client_is_of(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], name: str
) -> None:
    give(monkeypatch, {**given, "KAFKA_CLIENT_RACK": "eu-west-1a"})
    kafka = KafkaSettings.load().called("router")

    assert kafka.client_options()["client_id"] == name
    assert kafka.consumer_options()["client_rack"] == "eu-west-1a"
    assert "client_rack" not in kafka.client_options()


def test_a_field_that_there_is_not_is_no_setting() -> None:
    with pytest.raises(SettingsError, match="DEMO_SIEZ"):
        DemoSettings.read(api_secret=SECRET, siez=4)
