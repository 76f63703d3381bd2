"""Wrong settings are one sentence; secrets are not shown."""

from pathlib import Path

import pytest

from agents.sailthru.settings import SailthruSettings
from agents.sailthru.sink import SailthruSink
from streams.base_settings import SettingsError
from streams.delivery.sink import Outlet
from streams.worker.dry_run import dry_run
from tests.agents.sailthru.simulated import SECRET, settings


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("SAILTHRU_API_KEY", "0a1b2c3d")
    monkeypatch.setenv("SAILTHRU_API_SECRET", SECRET)
    return monkeypatch


def test_defaults_are_those_of_the_design() -> None:
    loaded = SailthruSettings.load()
    assert loaded.base_url == "https://api.sailthru.com"
    assert loaded.identity_keys == ("email",)
    assert loaded.events_allow == "kind:custom_event,kind:session_start,kind:session_end"
    assert loaded.events_deny == ""
    assert loaded.list_on_rename == "keep"
    assert loaded.list_name_template == "{audience_name}"
    assert (loaded.profile_objects_as, loaded.event_objects_as) == ("text", "as_is")
    assert loaded.given_vars == {}
    assert loaded.event_max_age_days == 14
    assert loaded.event_delivery_guarantee == "at_least_once"


def test_every_setting_is_described() -> None:
    assert all(field.description for field in SailthruSettings.model_fields.values())


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SAILTHRU_API_KEY", "", "set SAILTHRU_API_KEY ("),
        ("SAILTHRU_API_SECRET", "", "set SAILTHRU_API_SECRET ("),
        ("SAILTHRU_IDENTITY_KEY", "extid", "set SAILTHRU_EXTID_FROM to customer_id or mpid"),
        ("SAILTHRU_IDENTITY_KEY", "email, extid", "set SAILTHRU_EXTID_FROM to customer_id or mpid"),
        ("SAILTHRU_IDENTITY_KEY", "sid", "SAILTHRU_IDENTITY_KEY: Input should be 'email', "),
        ("SAILTHRU_LIST_ON_RENAME", "rename", "SAILTHRU_LIST_ON_RENAME: Input should be 'keep' or"),
        ("SAILTHRU_BASE_URL", "api.sailthru.com", "SAILTHRU_BASE_URL: use a URL such"),
        (
            "SAILTHRU_RATE_LIMIT_SHARE",
            "0",
            "SAILTHRU_RATE_LIMIT_SHARE: Input should be greater than 0",
        ),
        (
            "SAILTHRU_RATE_LIMIT_SHARE",
            "70",
            "SAILTHRU_RATE_LIMIT_SHARE: Input should be less than or equal to",
        ),
        ("SAILTHRU_KEYS_FROM", "phone=sms", "SAILTHRU_KEYS_FROM: phone is no identity of a user"),
        ("SAILTHRU_KEYS_FROM", "other2=phone", "SAILTHRU_KEYS_FROM: Sailthru has no key phone"),
        ("SAILTHRU_KEYS_FROM", "customer=extid", "SAILTHRU_KEYS_FROM: Sailthru has no key extid"),
        ("SAILTHRU_KEYS_FROM", "other=fb,other2=fb", "SAILTHRU_KEYS_FROM: give each key one"),
        ("SAILTHRU_KEYS_FROM", "Email=sms", "SAILTHRU_KEYS_FROM: leave email out: it is a key of"),
        ("SAILTHRU_PURCHASES", "yes", "SAILTHRU_PURCHASES: Input should be 'event', 'purchase' or"),
        (
            "SAILTHRU_PRODUCT_URL_TEMPLATE",
            "shop.example/{id}",
            "SAILTHRU_PRODUCT_URL_TEMPLATE: use {url} or another",
        ),
        (
            "SAILTHRU_PRODUCT_URL_TEMPLATE",
            "https://shop.example",
            "SAILTHRU_PRODUCT_URL_TEMPLATE: use {url} or",
        ),
        (
            "SAILTHRU_PRODUCT_URL_TEMPLATE",
            "https://shop.example/{}",
            "SAILTHRU_PRODUCT_URL_TEMPLATE: use {url} or",
        ),
        (
            "SAILTHRU_PRODUCT_URL_TEMPLATE",
            "{url",
            "SAILTHRU_PRODUCT_URL_TEMPLATE: use {url} or another",
        ),
        ("SAILTHRU_EVENTS_ALLOW", " , ", "SAILTHRU_EVENTS_ALLOW: name an event or a kind"),
        ("SAILTHRU_EVENTS_ALLOW", "x,kind:custom_evnt", "SAILTHRU_EVENTS_ALLOW: custom_evnt is no"),
        ("SAILTHRU_EVENTS_ALLOW", "kind:sesion_*", "SAILTHRU_EVENTS_ALLOW: sesion_* is no kind"),
        ("SAILTHRU_EVENTS_ALLOW", "kind:", "SAILTHRU_EVENTS_ALLOW: name a kind after kind:"),
        ("SAILTHRU_EVENTS_DENY", "Kind:Typo", "SAILTHRU_EVENTS_DENY: typo is no kind of event;"),
        ("SAILTHRU_ACCOUNTS_ALLOW", "wrkspace:7", "SAILTHRU_ACCOUNTS_ALLOW: write 4411 for an"),
        ("SAILTHRU_ACCOUNTS_DENY", "shop", "SAILTHRU_ACCOUNTS_DENY: write 4411 for an account,"),
        ("SAILTHRU_ACCOUNTS_DENY", "workspace:", "SAILTHRU_ACCOUNTS_DENY: write 4411 for an"),
        ("SAILTHRU_VAR_NAMES", "City", "SAILTHRU_VAR_NAMES: write name=value instead of 'City'"),
        ("SAILTHRU_VAR_NAMES", "City=", "SAILTHRU_VAR_NAMES: write name=value instead of 'City='"),
        ("SAILTHRU_VAR_NAMES", "City=a-b", "SAILTHRU_VAR_NAMES: give City another var than 'a-b'"),
        ("SAILTHRU_VAR_NAMES", "City=2nd", "SAILTHRU_VAR_NAMES: give City another var than '2nd'"),
        ("SAILTHRU_VAR_NAMES", "mail=email", "SAILTHRU_VAR_NAMES: give mail another var than"),
        ("SAILTHRU_VAR_NAMES", "a=x,b=x", "SAILTHRU_VAR_NAMES: give each name a var of its own: x"),
        ("SAILTHRU_VAR_NAMES", "a=x,a=y", "SAILTHRU_VAR_NAMES: say once what a becomes"),
        (
            "SAILTHRU_LIST_NAME_TEMPLATE",
            "everyone",
            "SAILTHRU_LIST_NAME_TEMPLATE: use {audience_name}",
        ),
        (
            "SAILTHRU_LIST_NAME_TEMPLATE",
            "{audience}",
            "SAILTHRU_LIST_NAME_TEMPLATE: use {audience_name}",
        ),
        (
            "SAILTHRU_LIST_NAME_TEMPLATE",
            "{audience_name",
            "SAILTHRU_LIST_NAME_TEMPLATE: use {audience_name}",
        ),
        (
            "SAILTHRU_LIST_NAME_TEMPLATE",
            "{audience_id.real}",
            "SAILTHRU_LIST_NAME_TEMPLATE: use {audience_name}",
        ),
        (
            "SAILTHRU_LIST_NAME_TEMPLATE",
            "{audience_name!r}",
            "SAILTHRU_LIST_NAME_TEMPLATE: use {audience_name}",
        ),
        (
            "SAILTHRU_LIST_NAME_TEMPLATE",
            "{audience_id:>99}",
            "SAILTHRU_LIST_NAME_TEMPLATE: use {audience_name}",
        ),
    ],
)
def test_wrong_setting_is_refused_with_one_sentence(
    environment: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(SettingsError) as error:
        SailthruSettings.load()
    assert str(error.value).startswith(says)
    assert "\n" not in str(error.value)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("value", ["extid,email", " extid, email "])
def test_second_identity_key_stands_in_for_the_first(
    environment: pytest.MonkeyPatch, value: str
) -> None:
    environment.setenv("SAILTHRU_IDENTITY_KEY", value)
    environment.setenv("SAILTHRU_EXTID_FROM", "mpid")
    assert SailthruSettings.load().identity_keys == ("extid", "email")


@pytest.mark.parametrize("dry", [False, True])
def test_share_of_the_rate_limits_is_kept_in_a_dry_run_too(dry: bool) -> None:
    sink = SailthruSink(settings(rate_limit_share=0.7))

    assert (dry_run(sink) if dry else Outlet.of(sink)).sink.rate_limit_share == 0.7


def test_secret_can_be_a_mounted_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mounted = tmp_path / "secret"
    mounted.write_text("from-a-file\n")
    environment.delenv("SAILTHRU_API_SECRET")
    environment.setenv("SAILTHRU_API_SECRET_FILE", str(mounted))
    assert SailthruSettings.load().api_secret.get_secret_value() == "from-a-file"


def test_secret_is_not_shown() -> None:
    shown = settings()
    assert SECRET not in f"{shown!r} {shown} {shown.model_dump()} {shown.model_dump_json()}"


def test_vars_are_named_in_a_file_one_a_line(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = tmp_path / "vars"
    names.write_text("City = shipping_city\n\nsize, colour=size_colour\na=b=c\n")
    environment.setenv("SAILTHRU_VAR_NAMES_FILE", str(names))
    assert SailthruSettings.load().given_vars == {
        "City": "shipping_city",
        "size, colour": "size_colour",
        "a=b": "c",
    }


def test_one_line_parts_them_by_commas(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SAILTHRU_VAR_NAMES", " City=shipping_city , $Age = years,")
    assert SailthruSettings.load().given_vars == {"City": "shipping_city", "$Age": "years"}


def test_identities_are_named_as_mparticle_spells_them_anywhere(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("SAILTHRU_KEYS_FROM", "Mobile_Number = sms, other2=twitter")
    assert SailthruSettings.load().further_keys == {"mobile_number": "sms", "other_id_2": "twitter"}
