"""Every line of a worker's log is one event in one form, whoever wrote it."""

import json
import subprocess
import sys
from typing import Any

import pytest

PROGRAM = """
import logging, sys, threading, warnings
import structlog
from streams import logs
from streams.settings import WorkerSettings

warnings.simplefilter("error")
logs.set_up(WorkerSettings(log_level=sys.argv[2], log_format=sys.argv[1]), "sailthru")
ours, theirs = structlog.get_logger("streams"), logging.getLogger("somebody")

ours.debug("detail")
ours.info("unblocked", reason="bad_key", when=object, raw=b"\\xff", name="Zo\\u00eb\\nSmith")
theirs.warning("%s of %d", "three", 4)
logging.getLogger("aiokafka").info("chatter")
logging.getLogger("aiokafka").error("Heartbeat failed")
try:
    1 / 0
except ZeroDivisionError:
    ours.exception("crashed")
    theirs.exception("crashed too")
ours.error("crashed outside", exc_info=True)
thread = threading.Thread(target=theirs.warning, args=("from a thread",))
thread.start()
thread.join()
"""


def logged(form: str, level: str = "info") -> list[str]:
    """In a process of its own: logging is set up once in each."""
    done = subprocess.run(  # noqa: S603 - our own words, and no shell
        [sys.executable, "-c", PROGRAM, form, level], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in logged("json")]


def test_every_line_is_json_with_its_time_level_logger_and_worker(
    lines: list[dict[str, Any]],
) -> None:
    assert len(lines) == 7
    for line in lines:
        assert {"timestamp", "level", "logger", "worker", "event"} <= line.keys()
        assert line["worker"] == "sailthru"


def test_our_lines_keep_their_fields(lines: list[dict[str, Any]]) -> None:
    assert lines[0]["event"] == "unblocked"
    assert lines[0]["reason"] == "bad_key"
    assert lines[0]["name"] == "Zo\u00eb\nSmith"


def test_the_libraries_lines_have_the_same_form(lines: list[dict[str, Any]]) -> None:
    assert (lines[1]["level"], lines[1]["logger"]) == ("warning", "somebody")
    assert lines[1]["event"] == "three of 4"


def test_libraries_that_chatter_are_heard_from_their_warnings_on(
    lines: list[dict[str, Any]],
) -> None:
    assert [line["event"] for line in lines if line["logger"] == "aiokafka"] == ["Heartbeat failed"]


@pytest.mark.parametrize("event", ["crashed", "crashed too"])
def test_a_stack_trace_is_a_field_of_its_line(lines: list[dict[str, Any]], event: str) -> None:
    (line,) = [line for line in lines if line["event"] == event]

    assert line["exception"].endswith("ZeroDivisionError: division by zero")


@pytest.mark.parametrize(("level", "first"), [("debug", "detail"), ("error", "Heartbeat failed")])
def test_the_level_says_what_is_left_out(level: str, first: str) -> None:
    assert json.loads(logged("json", level)[0])["event"] == first


def test_on_a_console_an_exception_is_shown_without_a_complaint_of_the_logger() -> None:
    text = "\n".join(logged("console"))

    assert "unblocked" in text
    assert "ZeroDivisionError: division by zero" in text
    assert "UserWarning" not in text
    assert "Logging error" not in text
