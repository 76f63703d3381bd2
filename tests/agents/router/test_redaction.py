"""Blanking account settings in bytes that may be anything."""

import pytest

from agents.router.redaction import without_settings


@pytest.mark.parametrize(
    ("value", "blanked"),
    [
        (
            b'{"account_settings": {"a": "k", "b": 1}, "c": 1.50}',
            b'{"account_settings": {"a": "", "b": ""}, "c": 1.50}',
        ),
        (
            b'{"account_settings" : "k"}',
            b'{"account_settings" : ""}',
        ),
        (
            b'{"account_settings":["k"],"account_settings":{"a":"k"}}',
            b'{"account_settings":"","account_settings":{"a": ""}}',
        ),
        (
            b'{"account_settings":{"account_settings":{"a":"k"}}}',
            b'{"account_settings":{"account_settings": ""}}',
        ),
        (
            rb'{"account\u005fsettings":"k"}',
            rb'{"account\u005fsettings":""}',
        ),
        (
            rb'{"a":"\\","account_settings":"k"}',
            rb'{"a":"\\","account_settings":""}',
        ),
        (
            b'{"a":"x",":":"account_settings","account_settings":"k"}',
            b'{"a":"x",":":"account_settings","account_settings":""}',
        ),
        (
            b'{"account_settings":"k","cut":"of',
            b'{"account_settings":"","cut":"of',
        ),
        (
            b'{"account_settings":"k","bad":"\xff"}',
            b'{"account_settings":"","bad":"\xff"}',
        ),
    ],
)
def test_values_of_settings_are_blanked_and_the_rest_stays(value: bytes, blanked: bytes) -> None:
    assert without_settings(value) == blanked


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff\x00",
        b'"account_settings"',
        b'["account_settings", {"a": 1}]',
        b'{"account_settings":{"cut":"k',
        b'{"account_settings":' + b"[" * 100_000,
        b'"' + b'\\"' * 1_000_000 + b"account_settings",
    ],
)
def test_other_bytes_stay_as_they_came(value: bytes) -> None:
    assert without_settings(value) == value
