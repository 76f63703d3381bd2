"""What stands for settings that nobody has given, where nothing is sent."""

import pytest
from pydantic import SecretStr

from agents import registry
from agents.registry import Destination
from streams.base_settings import SettingsError
from streams.placeholder_settings import with_placeholders

DESTINATIONS = list(registry.destinations().values())
# What makes other settings necessary.
MODES = [
    {},
    {"ABTASTY_MODE": "firehose"},
    {"ABTASTY_AUTH": "header_key"},
    {"ABTASTY_MODE": "firehose", "ABTASTY_AUTH": "none"},
    {"ABTASTY_MODE": "firehose", "ABTASTY_MEMBERSHIP_PATH": "/in/{partner}"},
]


@pytest.fixture(params=DESTINATIONS, ids=[each.name for each in DESTINATIONS])
def destination(request: pytest.FixtureRequest) -> Destination:
    found: Destination = request.param
    return found


def give(monkeypatch: pytest.MonkeyPatch, given: dict[str, str]) -> None:
    for each in DESTINATIONS:
        for name in each.settings.model_fields:
            monkeypatch.delenv(each.settings.variable(name), raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("given", MODES)
def test_a_placeholder_is_the_name_of_the_variable_and_enough_to_make_a_sink(
    monkeypatch: pytest.MonkeyPatch, destination: Destination, given: dict[str, str]
) -> None:
    give(monkeypatch, given)
    group = destination.settings
    settings = with_placeholders(group)

    added = {name for name in settings.model_fields_set if group.variable(name) not in given}
    assert added
    for name in added:
        value = getattr(settings, name)
        shown = value.get_secret_value() if isinstance(value, SecretStr) else value
        assert shown == group.variable(name)
    assert destination.sink(settings).destination == destination.name


def test_what_is_set_stands_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, {"ABTASTY_MODE": "firehose", "ABTASTY_ACCOUNT_ID": "4242"})
    settings = with_placeholders(registry.destinations()["ab-tasty"].settings)
    shown = settings.model_dump(exclude_unset=True)
    assert shown == {
        "mode": "firehose",
        "account_id": "4242",
        "base_url": "ABTASTY_BASE_URL",
        "api_key": SecretStr("ABTASTY_API_KEY"),
    }


def test_what_is_set_and_wrong_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, {"ABTASTY_MODE": "firehose", "ABTASTY_ACCOUNT_ID": "ours"})
    with pytest.raises(SettingsError, match=r"^set ABTASTY_ACCOUNT_ID to the number"):
        with_placeholders(registry.destinations()["ab-tasty"].settings)
