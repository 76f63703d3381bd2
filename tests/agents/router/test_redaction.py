"""Blanking secrets in bytes that may be anything."""

import json
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.router.redaction import without_secrets

SECRET = "s3cret-of-the-account"


@pytest.mark.parametrize(
    ("value", "blanked"),
    [
        (
            b'{"account_settings": {"a": "k", "b": 1}, "c": 1.50}',
            b'{"account_settings": "", "c": 1.50}',
        ),
        (
            b'{"account_settings" : "k"}',
            b'{"account_settings" : ""}',
        ),
        (
            b'{"account_settings":["k"],"account_settings":{"a":"k"}}',
            b'{"account_settings":"","account_settings":""}',
        ),
        (
            b'{"account_settings":{"account_settings":{"a":"k"}}}',
            b'{"account_settings":""}',
        ),
        (
            rb'{"account\u005fsettings":"k"}',
            rb'{"account\u005fsettings":""}',
        ),
        (
            rb'{"\u0061ccount_setting\u0073":"k"}',
            rb'{"\u0061ccount_setting\u0073":""}',
        ),
        (
            rb'{"account\u0000_settings":"k"}',
            rb'{"account\u0000_settings":""}',
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
        # What follows is kept where the value's end is plain, whatever is broken.
        (
            b'{"account_settings":{"a":"k",},"events":[1,]}',
            b'{"account_settings":"","events":[1,]}',
        ),
        (
            b'{"account_settings":{"a":"one\ntwo"},"events":[]}',
            b'{"account_settings":"","events":[]}',
        ),
        (
            b'{"note":"5" wide","account_settings":{"a":"k"},"events":[]}',
            b'{"note":"5" wide","account_settings":"","events":[]}',
        ),
        # Else all of it goes.
        (
            b'{"account_settings":{"cut":"k',
            b'{"account_settings":""',
        ),
        (
            b'{"account_settings":"k',
            b'{"account_settings":""',
        ),
        (
            b'{"account_settings":{"a":["k"}},"b":"k"}',
            b'{"account_settings":""',
        ),
        (
            b'{"account_settings":{"a":"k"k","b":"}k"},"events":[]}',
            b'{"account_settings":""',
        ),
        (
            b'{"account_settings":1k,"events":[]}',
            b'{"account_settings":""',
        ),
        (
            b"{\"account_settings\":{'a':'k'},\"events\":[]}",
            b'{"account_settings":""',
        ),
        (
            b'{"account_settings":' + b"[" * 100_000,
            b'{"account_settings":""',
        ),
        # JSON as text within JSON, and what somebody's own program took for JSON.
        (
            json.dumps(json.dumps({"account_settings": {"a": "k"}})).encode(),
            rb'"{\"account_settings\": \"\"}"',
        ),
        (
            json.dumps(json.dumps({"mpid": "1", "api_key": "k"})).encode(),
            rb'"{\"mpid\": \"1\", \"api_key\": \"\"}"',
        ),
        (
            b"{'account_settings': {'a': 'k'}, 'events': []}",
            b"{'account_settings': \"\"",
        ),
        (
            b'{api_key: "k", events: []}',
            b'{api_key: "", events: []}',
        ),
        (
            b"mpid=1&api_key=k",
            b'mpid=1&api_key=""',
        ),
        (
            b'{"event_name":"api_key=theirs","api_key":"k"}',
            b'{"event_name":"api_key=theirs","api_key":""}',
        ),
        (
            b'{"their_api_key":"theirs","api_key":"k',
            b'{"their_api_key":"theirs","api_key":""',
        ),
        # A batch's key, and not what a customer calls so.
        (
            b'{"api_key":"k","events":[{"data":{"custom_attributes":{"api_key":"theirs"}}}]}',
            b'{"api_key":"","events":[{"data":{"custom_attributes":{"api_key":"theirs"}}}]}',
        ),
        (
            b'{"user_attributes":{"api_key":"theirs"},"api_key":"k","api_keys":["k"]}',
            b'{"user_attributes":{"api_key":"theirs"},"api_key":"","api_keys":""}',
        ),
        (
            b' [{"events":[{"api_key":"theirs"}]},{"mpid":1,"events":[],"api_key":"k"}]',
            b' [{"events":[{"api_key":"theirs"}]},{"mpid":1,"events":[],"api_key":""}]',
        ),
        (
            b'{"user_profiles":[{"user_attributes":{"api_key":"theirs"}}],"api_key":"k"}',
            b'{"user_profiles":[{"user_attributes":{"api_key":"theirs"}}],"api_key":""}',
        ),
        # What wraps a message is none itself, so that nothing tells whose the keys in it are.
        (
            b'{"detail":{"events":[],"api_key":"k"}}',
            b'{"detail":{"events":[],"api_key":""}}',
        ),
        (
            b'{"events":[{"user_attributes":{},"api_key":"k"}],"api_key":"k"}',
            b'{"events":[{"user_attributes":{},"api_key":""}],"api_key":""}',
        ),
        (
            rb'{"Message":"{\u0022account_settings\u0022:{\u0022a\u0022:1}}","n":1.50}',
            rb'{"Message":"{\"account_settings\":\"\"}","n":1.50}',
        ),
        (
            rb'{"Message":"{\u0022account_settings\u0022:{\u0022a\u0022:1}',
            rb'{"Message":"{\u0022account_settings\u0022:""',
        ),
        (
            rb'{"events":[],"x\"api_key":"theirs","api\u005fkey":"k"}',
            rb'{"events":[],"x\"api_key":"theirs","api\u005fkey":""}',
        ),
        (
            b'"user_attributes":{"api_key":"k"},',
            b'"user_attributes":{"api_key":""},',
        ),
    ],
)
def test_secrets_are_blanked_and_the_rest_stays(value: bytes, blanked: bytes) -> None:
    assert without_secrets(value) == blanked


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff\x00",
        b'"account_settings"',
        b'["account_settings", {"a": 1}]',
        b'"' + b'\\"' * 1_000_000 + b"account_settings",
        '{"city":"Lyon"}'.encode("utf-16"),
        '{"city":"L\U0001f600"}'.encode("utf-32"),
        b"\0\xd8\0\xd8" * 3 + "\\u".encode("utf-16-le") + b"\xff",
        b"\0\0\0\xff" * 3 + "a".encode("utf-16-le"),
    ],
)
def test_other_bytes_stay_as_they_came(value: bytes) -> None:
    assert without_secrets(value) == value


def _firehose(secret: str, text: str) -> str:
    account = {"account_id": 1, "account_settings": {"apiKey": secret, "more": [{"k": secret}]}}
    return json.dumps({"note": text, "account": account, "events": [text]}, ensure_ascii=False)


def _batch(secret: str, text: str) -> str:
    return json.dumps({"note": text, "api_key": secret, "events": [text]}, ensure_ascii=False)


def _escaped(text: str) -> str:
    return re.sub('(?<=")ap(?=i_key)|acc(?=ount_)', _unicode, text)


def _unicode(found: re.Match[str]) -> str:
    return "".join(f"\\u{ord(each):04X}" for each in found[0])


_BENT: dict[str, Callable[[str], str]] = {
    "whole": str,
    "trailing commas": lambda text: text.replace("}", ",}").replace("]", ",]"),
    "raw newlines": lambda text: text.replace("s3cret", "s3\ncret").replace("note", "no\nte"),
    "spaces": lambda text: text.replace('":', '"\t\r\n :'),
    "escaped names": _escaped,
    "cut in front": lambda text: text[9:],
    "a quote too many": lambda text: text.replace('"note"', '"no"te"', 1),
}
_ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be")


@given(
    st.sampled_from([_firehose, _batch]),
    st.text(max_size=12),
    st.sampled_from(sorted(_BENT)),
    st.sampled_from(_ENCODINGS),
    st.data(),
)
@settings(max_examples=300, derandomize=True)
def test_no_secret_stays_however_a_message_is_broken_cut_or_encoded(
    make: Callable[[str, str], str], text: str, how: str, encoding: str, data: st.DataObject
) -> None:
    whole = _BENT[how](make(SECRET, text)).encode(encoding, "surrogatepass")
    cut = whole[: data.draw(st.integers(0, len(whole)), label="cut at")]

    kept = without_secrets(cut)

    for wide in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        for part in ("s3", "cret-of"):
            assert part.encode(wide) not in kept


def _spelled_otherwise(text: str) -> str:
    """JSON as text, as writers have it that escape what HTML has a meaning for."""
    return json.dumps(text).replace(r"\\", r"\u005c").replace(r"\"", r"\u0022")


_WRAPPERS: dict[str, Callable[[str], str]] = {
    "an object": lambda inner: f'{{"schema": null, "payload": {inner}}}',
    "what looks like a batch": lambda inner: f'{{"events": [{inner}], "mpid": 7}}',
    "a list": lambda inner: f'["a", {inner}]',
    "a text": json.dumps,
    "a text in other spelling": _spelled_otherwise,
    "a text after words": lambda inner: json.dumps(f"received: {inner}"),
    "a text of several": lambda inner: json.dumps(f"{inner}\n{inner}"),
    "a text in an object": lambda inner: json.dumps({"Type": "Notification", "Message": inner}),
}


@given(
    st.sampled_from([_firehose, _batch]),
    st.text(max_size=12),
    st.lists(st.sampled_from(sorted(_WRAPPERS)), max_size=5),
    st.sampled_from(_ENCODINGS),
)
@settings(max_examples=300, derandomize=True, deadline=None)
def test_no_secret_stays_whatever_wraps_a_message(
    make: Callable[[str, str], str], text: str, wrappers: list[str], encoding: str
) -> None:
    message = make(SECRET, text)
    for wrapper in wrappers:
        message = _WRAPPERS[wrapper](message)

    kept = without_secrets(message.encode(encoding, "surrogatepass"))

    for wide in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        assert SECRET.encode(wide) not in kept


def test_no_secret_stays_in_a_text_of_any_depth() -> None:
    message = _firehose(SECRET, "")
    for _ in range(40):
        message = json.dumps(message).replace(r"\\", r"\u005c").replace(r"\"", r"\u0022")
        assert SECRET.encode() not in without_secrets(message.encode())
