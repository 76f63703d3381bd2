"""The router's settings, and what a wrong one says."""

import pytest

from agents.router.settings import RouterSettings
from streams.base_settings import SettingsError


def test_router_needs_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROUTER_SNAPSHOTS", raising=False)
    assert RouterSettings.load().snapshots == "changed"


def test_wrong_setting_says_what_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTER_SNAPSHOTS", "sometimes")
    with pytest.raises(SettingsError, match=r"ROUTER_SNAPSHOTS: .*'changed', 'always'"):
        RouterSettings.load()
