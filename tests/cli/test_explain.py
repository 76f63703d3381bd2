"""`explain`: what would be sent, and nothing sent."""

import socket
from pathlib import Path
from typing import NoReturn

import orjson
import pytest

from tests.cli.messages import (
    EMAIL,
    MPID,
    attribute,
    custom_event,
    event_batch,
    invoke,
    lines,
    memberships,
)

SECRETS = ("0a1b2c3d4e5f", "f0f1f2f3-not-a-real-secret")
SAILTHRU = {"SAILTHRU_API_KEY": SECRETS[0], "SAILTHRU_API_SECRET": SECRETS[1]}
AB_TASTY = {
    "ABTASTY_ACCOUNT_ID": "our-account",
    "ABTASTY_PARTNER_NAME": "mparticle",
    "ABTASTY_CLIENT_ID": "our-client",
    "ABTASTY_CLIENT_SECRET": SECRETS[1],
}
FIREHOSE = {
    "ABTASTY_MODE": "firehose",
    "ABTASTY_BASE_URL": "https://ab-tasty.example",
    "ABTASTY_ACCOUNT_ID": "4242",
    "ABTASTY_API_KEY": SECRETS[0],
}


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    contents = {
        "first.json": event_batch(attribute("$City", "Lyon"), custom_event("viewed_lookbook")),
        "members.json": memberships("Frequent buyers"),
        "second.json": event_batch(attribute("$City", "Paris"), attribute("tier", "gold")),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return [str(tmp_path / name) for name in contents]


def test_sailthru_has_its_lists_made_first_and_a_users_changes_in_one_call(
    files: list[str],
) -> None:
    result = invoke("explain", "--destination", "sailthru", *files, settings=SAILTHRU)
    assert result.exit_code == 0
    look, make, user, event = lines(result)
    assert (look["method"], look["url"]) == ("GET", "https://api.sailthru.com/list")
    assert (make["method"], make["body"]["list"]) == ("POST", "Frequent buyers")
    assert look["records"] == make["records"] == []
    assert user["url"] == "https://api.sailthru.com/user"
    assert user["body"] == {
        "id": EMAIL,
        "key": "email",
        "vars": {"City": "Paris", "tier": "gold"},
        "lists": {"Frequent buyers": 1},
    }
    assert event["body"]["event"] == "viewed_lookbook"
    routed = {each["record"]["id"] for each in lines(invoke("route", *files))}
    assert len(user["records"]) == 4
    assert {*user["records"], *event["records"]} == routed


def test_ab_tasty_has_its_token_fetched_first_and_rows_in_one_upload(files: list[str]) -> None:
    token, upload, *rest = lines(
        invoke("explain", "--destination", "ab-tasty", *files, settings=AB_TASTY)
    )
    assert token["url"] == "https://api.abtasty.com/oauth/v2/token"
    assert token["body"]["client_secret"] == "***"
    assert token["records"] == []
    assert upload["url"].endswith("/accounts/our-account/segments/mparticle")
    assert upload["body"] == f"visitor_id,segment,value\n{MPID},Frequent-buyers-2101,true\n"
    assert len(upload["records"]) == 1
    assert [(line["not_read"], len(line["records"])) for line in rest] == [
        ("user-update", 3),
        ("events", 1),
    ]
    assert {line["detail"] for line in rest} == {"ab-tasty does nothing with it"}


def test_mode_of_ab_tasty_is_a_setting(files: list[str]) -> None:
    message, *_ = lines(invoke("explain", "--destination", "ab-tasty", *files, settings=FIREHOSE))
    assert message["url"] == "https://ab-tasty.example/"
    assert message["body"]["account"]["account_settings"] == {"apiKey": "***"}


@pytest.mark.parametrize(
    ("destination", "settings"),
    [("sailthru", SAILTHRU), ("ab-tasty", AB_TASTY), ("ab-tasty", FIREHOSE)],
    ids=["sailthru", "ab-tasty", "ab-tasty-firehose"],
)
def test_secrets_are_not_shown(
    files: list[str], destination: str, settings: dict[str, str]
) -> None:
    result = invoke("explain", "--destination", destination, *files, settings=settings)
    assert result.exit_code == 0
    assert not [secret for secret in SECRETS if secret in result.output]


@pytest.mark.parametrize(
    ("destination", "mode", "settings"),
    [
        ("sailthru", {}, SAILTHRU),
        ("ab-tasty", {}, AB_TASTY),
        ("ab-tasty", {"ABTASTY_MODE": "firehose"}, FIREHOSE),
    ],
    ids=["sailthru", "ab-tasty", "ab-tasty-firehose"],
)
@pytest.mark.parametrize("empty", [True, False], ids=["empty", "unset"])
def test_settings_that_are_missing_have_placeholders(
    files: list[str],
    destination: str,
    mode: dict[str, str],
    settings: dict[str, str],
    empty: bool,
) -> None:
    given = {**dict.fromkeys(settings if empty else (), ""), **mode}
    result = invoke("explain", "--destination", destination, *files, settings=given)
    assert result.exit_code == 0
    shown = lines(result)
    if mode:
        message, *_ = shown
        assert message["url"] == "ABTASTY_BASE_URL/"
        account = {"account_id": "ABTASTY_ACCOUNT_ID", "account_settings": {"apiKey": "***"}}
        assert message["body"]["account"] == account
    elif destination == "ab-tasty":
        assert "/accounts/ABTASTY_ACCOUNT_ID/segments/ABTASTY_PARTNER_NAME" in shown[1]["url"]


def test_wrong_setting_is_a_sentence(files: list[str]) -> None:
    result = invoke(
        "explain",
        "--destination",
        "sailthru",
        *files,
        settings={"SAILTHRU_LIST_NAME_TEMPLATE": "everyone"},
    )
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: SAILTHRU_LIST_NAME_TEMPLATE: use {audience_name}")


def test_nothing_is_sent(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        pytest.fail("the network was touched")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert invoke("explain", "--destination", "sailthru", *files).exit_code == 0


def test_name_of_an_audience_comes_from_whichever_file_has_it(tmp_path: Path) -> None:
    nameless = memberships("").replace(b'"audience_name":"",', b"")
    named = (
        b'{"type":"audience_subscription_request","audience_id":2101,'
        b'"audience_name":"Frequent buyers","action":"add"}'
    )
    given = nameless + b"\n" + named
    shown = lines(invoke("explain", "--destination", "ab-tasty", "--lines", given=given))
    assert "Frequent-buyers-2101" in shown[1]["body"]


def test_what_is_not_sent_is_told_with_its_reason() -> None:
    nobody = event_batch(custom_event("x"), user_identities=[])
    given = b"\n".join([nobody, b'{"type": "event_processing_response"}', b"{"])
    result = invoke("explain", "--destination", "sailthru", "--lines", given=given)
    assert result.exit_code == 1
    response, unreadable, no_identity = lines(result)
    assert response == {"dropped": "response", "records": []}
    assert unreadable == {"dead_letter": "not_json", "detail": "character 1", "records": []}
    assert no_identity["dropped"] == "no_identity"
    assert len(no_identity["records"]) == 1


def test_an_event_that_was_uploaded_twice_is_sent_once() -> None:
    said = {"source_message_id": "c0-ffee", "timestamp_unixtime_ms": 1_790_000_000_000}
    one, other = (
        {"event_type": "custom_event", "data": {"event_name": "x", "event_id": number, **said}}
        for number in (1, 2)
    )
    taken = {"timestamp_unixtime_ms": 1_790_000_001_000}
    given = b"\n".join([event_batch(one, **taken), event_batch(other, **taken)])
    sent, again = lines(invoke("explain", "--destination", "sailthru", "--lines", given=given))
    assert sent["body"]["vars"]["mp_event_id"] == "1"
    assert again == {
        "dropped": "deduplicated",
        "setting": "WORKER_DEDUP_MAX_IDS",
        "records": sent["records"],
    }


def test_what_a_setting_leaves_out_names_the_setting() -> None:
    message = event_batch({"event_type": "screen_view", "data": {"screen_name": "Home"}})
    [line] = lines(invoke("explain", "--destination", "sailthru", "--lines", given=message))
    assert line["dropped"] == "event_not_allowed"
    assert line["setting"] == "SAILTHRU_EVENTS_ALLOW"


@pytest.mark.parametrize("spelled", ["user:customer", "user:customer_id", "USER:CustomerId"])
def test_a_visitor_id_is_found_however_messages_and_settings_spell_its_type(spelled: str) -> None:
    found = memberships("Buyers").replace(
        b'"user_identities":[', b'"user_identities":[{"type":"customer","value":"C-34"},'
    )
    settings = {**AB_TASTY, "ABTASTY_IDENTITY": spelled}
    shown = lines(invoke("explain", "--destination", "ab-tasty", given=found, settings=settings))
    assert "\nC-34,Buyers-2101,true\n" in shown[-1]["body"]


@pytest.mark.parametrize("nobody", [b"0", b'"0"'])
def test_mpid_0_is_no_visitor(nobody: bytes) -> None:
    found = memberships("Buyers").replace(f'"mpid":"{MPID}"'.encode(), b'"mpid":' + nobody)
    assert b'"mpid":' + nobody in found
    for settings in (AB_TASTY, FIREHOSE):
        [line] = lines(
            invoke("explain", "--destination", "ab-tasty", given=found, settings=settings)
        )
        assert line["dropped"] == "no_visitor_id"


def test_what_is_logged_does_not_stand_among_the_lines() -> None:
    """Another audience's name was taken, of which a worker's log tells."""
    result = invoke("explain", "--destination", "sailthru", given=memberships("VIP", "VIP"))
    assert result.exit_code == 0
    assert lines(result)[-1]["body"]["lists"] == {"VIP": 1, "VIP (2102)": 1}
    assert "audience_name_conflict" in result.stderr


DAY_MS = 24 * 60 * 60 * 1000
LAST_YEAR_MS = 1_740_000_000_000


@pytest.mark.parametrize(
    ("arguments", "days", "sent"),
    [
        ((), 0, True),
        ((), 13, True),
        ((), 15, False),
        (("--at", "2025-02-20T00:00:00Z"), 0, True),
        (("--at", "2025-03-20T00:00:00Z"), 0, False),
        (("--at", "1d"), 0, False),
    ],
)
def test_age_is_judged_as_of_the_messages_own_time_or_of_a_time_given(
    arguments: tuple[str, ...], days: int, sent: bool
) -> None:
    """A capture of last year shows what was sent then."""
    happened = custom_event("x")
    happened["data"]["timestamp_unixtime_ms"] = LAST_YEAR_MS - days * DAY_MS
    message = event_batch(happened, timestamp_unixtime_ms=LAST_YEAR_MS)
    result = invoke("explain", "--destination", "sailthru", *arguments, given=message)
    assert result.exit_code == 0
    [line] = lines(result)
    assert ("url" in line) is sent
    assert (line.get("dropped") == "too_old") is not sent


@pytest.mark.parametrize("own_time", [{}, {"timestamp_unixtime_ms": 0}])
def test_a_message_without_a_time_is_judged_as_of_its_latest_event(
    own_time: dict[str, int],
) -> None:
    days = {"then": 0, "before": 13, "long before": 15}
    happened = [custom_event(name) for name in days]
    for each, ago in zip(happened, days.values(), strict=True):
        each["data"]["timestamp_unixtime_ms"] = LAST_YEAR_MS - ago * DAY_MS
    message = event_batch(*happened, **own_time)
    shown = lines(invoke("explain", "--destination", "sailthru", given=message))
    assert [line["body"]["event"] for line in shown if "body" in line] == ["before", "then"]
    assert shown[-1]["dropped"] == "too_old"


def test_a_message_of_the_firehose_without_a_time_is_judged_as_of_its_latest_event() -> None:
    happened = {"type": "custom_event", "name": "x", "timestamp_ms": LAST_YEAR_MS}
    user = {"type": "email", "encoding": "raw", "value": EMAIL}
    message = {"type": "event_processing_request", "user_identities": [user], "events": [happened]}
    [line] = lines(invoke("explain", "--destination", "sailthru", given=orjson.dumps(message)))
    assert line["body"]["event"] == "x"


@pytest.mark.parametrize("destination", ["sailthru", "ab-tasty"])
def test_a_request_about_privacy_is_told_to_wait_for_who_acts_on_it(destination: str) -> None:
    request = b'{"type":"dsr_processing_request","subject_request_type":"erasure"}'
    result = invoke("explain", "--destination", destination, given=request)
    assert result.exit_code == 0
    [line] = lines(result)
    assert line["not_read"] == "privacy-requests"
    assert line["detail"].startswith("no worker acts on it")
    assert len(line["records"]) == 1


@pytest.mark.parametrize("chosen", ["never", "changed"])
def test_a_snapshot_that_is_left_out_names_the_setting(chosen: str) -> None:
    given = b"\n".join([event_batch(user_attributes={"tier": "gold"})] * 2)
    settings = {**SAILTHRU, "ROUTER_SNAPSHOTS": chosen}
    result = invoke(
        "explain", "--destination", "sailthru", "--lines", given=given, settings=settings
    )
    left_out = [line for line in lines(result) if "dropped" in line]
    assert left_out
    assert {line["setting"] for line in left_out} == {"ROUTER_SNAPSHOTS"}


def test_a_list_is_judged_as_of_the_latest_of_its_messages() -> None:
    happened = custom_event("x")
    happened["data"]["timestamp_unixtime_ms"] = LAST_YEAR_MS - 15 * DAY_MS
    batches = [
        event_batch(happened, timestamp_unixtime_ms=LAST_YEAR_MS - each * DAY_MS)
        for each in (15, 0)
    ]
    shown = lines(
        invoke("explain", "--destination", "sailthru", given=b"[" + b",".join(batches) + b"]")
    )
    assert {line.get("dropped") for line in shown} == {"too_old"}


def _change(action: str, at_ms: int) -> bytes:
    return (
        memberships("VIP")
        .replace(b'"action":"add"', f'"action":"{action}"'.encode())
        .replace(b'{"type"', f'{{"timestamp_ms":{at_ms},"type"'.encode(), 1)
    )


@pytest.mark.parametrize("destination", ["sailthru", "ab-tasty"])
def test_a_membership_that_comes_too_late_is_stale_as_at_a_worker(destination: str) -> None:
    late, in_time = _change("delete", LAST_YEAR_MS), _change("add", LAST_YEAR_MS + 1)
    result = invoke(
        "explain", "--destination", destination, "--lines", given=in_time + b"\n" + late
    )
    request, stale = [line for line in lines(result) if line["records"]]
    sent = str(request["body"])
    assert "'VIP': 1" in sent or f"{MPID},VIP-2101,true" in sent
    assert stale["dropped"] == "stale"
    assert len(request["records"]) == len(stale["records"]) == 1


def test_a_membership_from_the_future_makes_no_later_one_stale() -> None:
    first, last = (_change("add", LAST_YEAR_MS + each) for each in (0, 1))
    ahead = _change("delete", 9_000_000_000_000)
    given = b"\n".join([first, ahead, last])
    result = invoke("explain", "--destination", "sailthru", "--lines", given=given)
    assert lines(result)[-1]["body"]["lists"] == {"VIP": 1}
    assert len(lines(result)[-1]["records"]) == 3


def test_destination_must_be_named() -> None:
    result = invoke("explain", given=b"{}")
    assert result.exit_code == 2
    assert "'--destination'" in result.stderr
