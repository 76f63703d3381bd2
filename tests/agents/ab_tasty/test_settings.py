from pathlib import Path

import pytest
from pydantic import ValidationError

from agents.ab_tasty.settings import AbTastySettings
from models.mparticle.identity import USER_TYPES
from streams.base_settings import SettingsError
from tests.agents.ab_tasty.factories import FIREHOSE, UDC, udc


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in AbTastySettings.model_fields:
        monkeypatch.delenv(f"ABTASTY_{name.upper()}", raising=False)
        monkeypatch.delenv(f"ABTASTY_{name.upper()}_FILE", raising=False)


def _set(monkeypatch: pytest.MonkeyPatch, fields: dict[str, str]) -> None:
    for name, value in fields.items():
        monkeypatch.setenv(f"ABTASTY_{name.upper()}", value)


def to_set(*names: str) -> str:
    fields = AbTastySettings.model_fields
    each = (f"set ABTASTY_{name.upper()} ({fields[name].description})" for name in names)
    return "; ".join(each) + "."


WRONG = [
    pytest.param(
        {},
        to_set("account_id", "partner_name", "client_id", "client_secret"),
        id="udc without anything",
    ),
    pytest.param(
        {**UDC, "client_id": ""},
        to_set("client_id"),
        id="udc without client id",
    ),
    pytest.param(
        {**FIREHOSE, "base_url": ""},
        to_set("base_url"),
        id="firehose without base URL",
    ),
    pytest.param(
        {**FIREHOSE, "api_key": ""},
        to_set("api_key"),
        id="firehose without key",
    ),
    pytest.param(
        {**FIREHOSE, "membership_path": "/in/{partner}"},
        to_set("partner_name"),
        id="a path that names a partner, without one",
    ),
    pytest.param(
        {**UDC, "auth": "body_key", "api_key": "k"},
        "set ABTASTY_AUTH to oauth or header_key: rows have no place for a key.",
        id="a key inside CSV",
    ),
    pytest.param(
        {**UDC, "leave_value": "true"},
        "set ABTASTY_LEAVE_VALUE to something else than ABTASTY_JOIN_VALUE.",
        id="joined and left look the same",
    ),
    pytest.param(
        {**UDC, "join_value": "in, now"},
        "ABTASTY_JOIN_VALUE: use letters, digits and $€£[]{}&(§!)-_%=+:/.?<>@#, no space, comma, "
        "semicolon or quote.",
        id="a value that would break a row",
    ),
    pytest.param(
        {**FIREHOSE, "account_id": "sandbox-account"},
        "set ABTASTY_ACCOUNT_ID to the number of the mParticle account in firehose mode.",
        id="firehose with AB Tasty's account identifier",
    ),
    pytest.param(
        {**FIREHOSE, "identity": "user:customer_id"},
        "set ABTASTY_IDENTITY to mpid: firehose mode sends mParticle's user id only.",
        id="firehose by another identity",
    ),
    pytest.param(
        {**UDC, "identity": "email"},
        "ABTASTY_IDENTITY: use mpid, partner:<type> or user:<type>, such as user:customer_id.",
        id="an identity without source",
    ),
    pytest.param(
        {**UDC, "identity": "user:Customers"},
        "ABTASTY_IDENTITY: Customers is no identity of a user at mParticle; there are "
        f"{', '.join(sorted(USER_TYPES))}.",
        id="an identity that mParticle does not have",
    ),
    pytest.param(
        {**UDC, "identity": "mpid:customer"},
        "ABTASTY_IDENTITY: use mpid, partner:<type> or user:<type>, such as user:customer_id.",
        id="a type of mpid",
    ),
    pytest.param(
        {**UDC, "segment_name_template": "{name}"},
        "ABTASTY_SEGMENT_NAME_TEMPLATE: use {audience_name}, {audience_id} or both, and no other "
        "name in braces.",
        id="a segment of an unknown field",
    ),
    pytest.param(
        {**UDC, "segment_name_template": "everyone"},
        "ABTASTY_SEGMENT_NAME_TEMPLATE: use {audience_name}, {audience_id} or both, and no other "
        "name in braces.",
        id="one segment for all audiences",
    ),
    pytest.param(
        {**UDC, "segment_name_template": "{audience_id:>9}"},
        "ABTASTY_SEGMENT_NAME_TEMPLATE: a {name} takes no ':' or '!'.",
        id="a segment with a format",
    ),
    pytest.param(
        {**UDC, "base_url": "https://user:word@ab-tasty.example"},
        "ABTASTY_BASE_URL: use a URL such as https://host, without user, password, ? and #.",
        id="a password in the URL",
    ),
    pytest.param(
        {**UDC, "path_template": "accounts/{account}"},
        "ABTASTY_PATH_TEMPLATE: use a path that starts with / and names at most {account} and "
        "{partner}.",
        id="a path that is none",
    ),
    pytest.param(
        {**FIREHOSE, "api_key": "one\ntwo"},
        "ABTASTY_API_KEY: use the key as one line of printable characters.",
        id="a key of two lines",
    ),
]


@pytest.mark.parametrize(("fields", "sentence"), WRONG)
def test_a_wrong_combination_is_one_sentence_that_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, str], sentence: str
) -> None:
    _set(monkeypatch, fields)
    with pytest.raises(SettingsError) as raised:
        AbTastySettings.load()
    assert str(raised.value) == sentence


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("mpid", "mpid"),
        ("MPID", "mpid"),
        ("user:customer", "user:customer_id"),
        ("user:customer_id", "user:customer_id"),
        ("User:CustomerId", "user:customer_id"),
        ("user: other2", "user:other_id_2"),
        ("user:Other_Id_10", "user:other_id_10"),
        ("partner:Acme-Id", "partner:Acme-Id"),
    ],
)
def test_an_identity_may_be_spelled_in_either_of_mparticles_ways(written: str, means: str) -> None:
    assert udc(identity=written).identity == means


@pytest.mark.parametrize("value", ["in:vip", "1", "(yes)", "50%", "€+£", "a/b?c=d#e", "[x]{y}<z>"])
def test_a_value_may_hold_whatever_ab_tastys_page_permits(value: str) -> None:
    assert udc(join_value=value).join_value == value


@pytest.mark.parametrize("value", ["a b", "a,b", "a;b", "'a'", '"a"', "a|b", "a\nb", "\u00d7"])
def test_a_value_that_it_does_not_permit_is_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        udc(join_value=value)


def test_udc_defaults_are_ab_tastys_published_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, {**UDC, "account_id": "0f3c/9a"})
    settings = AbTastySettings.load()
    assert (
        settings.url("segments")
        == "https://api-data-connector.abtasty.com/accounts/0f3c%2F9a/segments/mparticle"
    )
    assert settings.token_url == "https://api.abtasty.com/oauth/v2/token"
    assert (settings.auth_method, settings.header_name) == ("oauth", "Authorization")


def test_firehose_messages_may_have_a_path_each(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, {**FIREHOSE, "subscription_path": "/audiences"})
    settings = AbTastySettings.load()
    assert settings.url("subscription") == "https://ab-tasty.example/audiences"
    assert settings.url("membership") == "https://ab-tasty.example/"
    assert settings.auth_method == "body_key"


def test_a_secret_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from-a-file\n")
    _set(monkeypatch, {**UDC, "client_secret": ""})
    monkeypatch.setenv("ABTASTY_CLIENT_SECRET_FILE", str(tmp_path / "secret"))
    secret = AbTastySettings.load().client_secret
    assert secret is not None
    assert secret.get_secret_value() == "from-a-file"


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, {**UDC, "api_key": "a-key"})
    shown = repr(AbTastySettings.load())
    assert "sandbox-secret" not in shown
    assert "a-key" not in shown


@pytest.mark.parametrize("name", sorted(AbTastySettings.model_fields))
def test_every_setting_says_what_it_is(name: str) -> None:
    assert AbTastySettings.model_fields[name].description
