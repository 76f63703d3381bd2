"""`route`: raw messages in, JSON lines out."""

import os
import pty
import subprocess
from pathlib import Path

import orjson
import pytest

from tests.cli.command import COMMAND, environment
from tests.cli.messages import attribute, custom_event, event_batch, invoke, lines, memberships

BROKEN = b'{"mpid": '


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    contents = {
        "batch.json": event_batch(attribute("$City", "Lyon"), custom_event("viewed_lookbook")),
        "members.json": memberships("Frequent buyers"),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return [str(tmp_path / name) for name in contents]


def test_each_file_is_a_message(files: list[str]) -> None:
    result = invoke("route", *files)
    assert result.exit_code == 0
    shown = [(each["topic"], each["record"]["raw"]["offset"]) for each in lines(result)]
    assert shown == [("user-update", 0), ("events", 0), ("audience-membership", 1)]
    assert all(each.keys() == {"topic", "key", "record"} for each in lines(result))


def test_what_it_did_is_summed_up_on_standard_error(files: list[str]) -> None:
    assert invoke("route", *files).stderr == (
        "messages 2: records 3 (audience-membership 1, events 1, user-update 1); dropped 0; "
        "dead letters 0\n"
    )


def test_ids_are_the_same_each_time(files: list[str]) -> None:
    ids = [[line["record"]["id"] for line in lines(invoke("route", *files))] for _ in range(2)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 3


@pytest.mark.parametrize("arguments", [(), ("-",)], ids=["nothing", "dash"])
def test_message_comes_from_standard_input(arguments: tuple[str, ...]) -> None:
    spread = orjson.dumps(orjson.loads(memberships("A", "B")), option=orjson.OPT_INDENT_2)
    result = invoke("route", *arguments, given=spread)
    assert [each["record"]["audience_name"] for each in lines(result)] == ["A", "B"]
    assert result.stderr.startswith("messages 1: records 2 ")


def test_with_lines_every_line_is_a_message_and_empty_ones_are_none(tmp_path: Path) -> None:
    file = tmp_path / "messages.jsonl"
    file.write_bytes(b"\r\n".join([memberships("A"), b"", event_batch(custom_event("x"))]))
    result = invoke("route", "--lines", str(file), "-", given=memberships("B") + b"\n")
    assert [each["record"]["raw"]["offset"] for each in lines(result)] == [0, 1, 2]
    assert result.stderr.startswith("messages 3: records 3 ")


def test_dead_letters_say_where_and_why_and_end_with_1() -> None:
    part = event_batch(custom_event("fine"), {"event_type": "custom_event", "data": 7})
    result = invoke("route", "--lines", given=BROKEN + b"\n" + part)
    assert result.exit_code == 1
    broken, event, bad = lines(result)
    assert broken == {
        "dead_letter": "not_json",
        "detail": "character 9",
        "length": len(BROKEN),
        "truncated": False,
    }
    assert event["record"]["name"] == "fine"
    assert (bad["dead_letter"], bad["index"]) == ("bad_event", 1)
    assert result.stderr == (
        "messages 2: records 1 (events 1); dropped 0; dead letters 2 (bad_event 1, not_json 1)\n"
    )


def test_drops_name_their_reason() -> None:
    result = invoke("route", given=b'{"type": "event_processing_response"}')
    assert result.exit_code == 0
    assert lines(result) == [{"dropped": "response"}]
    assert result.stderr == "messages 1: records 0; dropped 1 (response 1); dead letters 0\n"


def test_what_no_model_knows_is_named_in_the_summary() -> None:
    message = event_batch(custom_event("x"), {"event_type": "teleport"}, new_in_2031=1)
    result = invoke("route", given=message)
    assert result.exit_code == 0
    assert result.stderr == (
        "messages 1: records 2 (events 2); dropped 0; dead letters 0; "
        "unknown to us 2 (event teleport 1, field event_batch.new_in_2031 1)\n"
    )


def test_times_that_cannot_be_right_are_counted_in_the_summary() -> None:
    events = [
        {"event_type": "custom_event", "data": {"event_name": "x", "timestamp_unixtime_ms": at}}
        for at in ("soon", 4_000_000_000_000)
    ]
    message = event_batch(*events, timestamp_unixtime_ms=1_760_000_000_000)
    result = invoke("route", given=message)
    assert result.stderr.endswith("dead letters 0; odd times 2 (clock 1, unreadable 1)\n")


def test_what_one_message_told_of_a_user_the_next_does_not_tell_again() -> None:
    message = event_batch(user_attributes={"tier": "gold"}, events=[])
    first, again = lines(invoke("route", "--lines", given=b"\n".join([message, message])))
    assert first["record"]["attributes"] == {"tier": "gold"}
    assert again == {"dropped": "snapshots_unchanged"}


def test_router_settings_hold_here_too() -> None:
    message = event_batch(user_attributes={"$City": "Lyon"}, events=[])
    [dropped] = lines(invoke("route", given=message, settings={"ROUTER_SNAPSHOTS": "never"}))
    assert dropped == {"dropped": "snapshots_never"}


def test_wrong_setting_is_a_sentence() -> None:
    result = invoke("route", given=b"{}", settings={"ROUTER_SNAPSHOTS": "perhaps"})
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ROUTER_SNAPSHOTS: ")


@pytest.mark.parametrize("what", ["missing.json", "."])
@pytest.mark.parametrize("command", ["route", "explain"])
def test_file_that_cannot_be_read_is_an_error_that_names_it(
    tmp_path: Path, command: str, what: str
) -> None:
    path = str(tmp_path / what)
    options = ["--destination", "sailthru"] if command == "explain" else []
    result = invoke(command, *options, path)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert path in result.stderr


def test_large_ids_keep_every_digit() -> None:
    message = event_batch(custom_event("x"), mpid=-9223372036854775808)
    [line] = lines(invoke("route", given=message))
    assert line["key"] == line["record"]["mpid"] == "-9223372036854775808"


def test_lines_have_colours_on_a_terminal_and_stay_whole() -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(  # noqa: S603 - our own words, and no shell
        [*COMMAND, "route"],
        env=environment({"TERM": "xterm-256color", "COLUMNS": "40"}),
        stdin=subprocess.PIPE,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(theirs)
        process.communicate(memberships("Frequent buyers"))
    shown = os.read(ours, 65_536)
    os.close(ours)
    assert b"\x1b[" in shown
    assert len(shown.splitlines()) == 1


@pytest.mark.parametrize("command", [("route",), ("explain", "--destination", "sailthru")])
def test_lines_that_are_messages_of_their_own_are_told_to_need_the_option(
    command: tuple[str, ...],
) -> None:
    one = event_batch(custom_event("x"))
    hint = "It holds a message a line: give --lines."
    assert hint in invoke(*command, given=one + b"\n" + one).stderr
    assert hint not in invoke(*command, given=one + b"\n{").stderr
    assert hint not in invoke(*command, "--lines", given=one + b"\n" + one).stderr
    assert hint not in invoke(*command, given=b"[\n" + one + b"\n]").stderr
