"""Every line of a worker's log is one event in one form, whoever wrote it."""

import json
import logging
import re
import subprocess
import sys
from typing import Any

import pytest

from streams import logs

# From outside, because a stack trace may show lines of code.
WHO, WHERE = "user17@shop.example", "Ulm"
PROGRAM = """
import asyncio, gc, logging, sys, threading, warnings
import stamina, structlog
from streams import logs
from streams.engine.watchdog import StalledError
from streams.settings import WorkerSettings

warnings.simplefilter("always")
form, level, who, where = sys.argv[1:]
logs.set_up(WorkerSettings(log_level=level, log_format=form), "sailthru")
ours, theirs = structlog.get_logger("streams"), logging.getLogger("somebody")

ours.debug("detail")
ours.info("delivery_resumed", reason="bad_key", when=object, raw=b"\\xff", name="Zo\\u00eb\\nSmith")
theirs.warning("%s of %d", "three", 4)
logging.getLogger("aiokafka").info("chatter")
logging.getLogger("aiokafka").error("Heartbeat failed")
try:
    1 / 0
except ZeroDivisionError:
    ours.exception("crashed")
    theirs.exception("crashed too")
ours.error("crashed outside", exc_info=True)
try:
    try:
        {}[who]
    except KeyError as error:
        raise StalledError("nothing ended for 300 s") from error
except StalledError as error:
    theirs.error("Crashed reason=%r", error.__cause__, exc_info=True)
ours.warning("sent", reason="late", email=who, attributes={"city": where})
theirs.error(KeyError(who))
failures = [OSError("Kafka is away"), OSError("Kafka is away"), KeyError(who)]
for attempt in stamina.retry_context(on=(OSError, KeyError), wait_max=0.0, wait_jitter=0.0):
    with attempt:
        if failures:
            raise failures.pop(0)
async def lost():
    asyncio.create_task(failing())
    await asyncio.sleep(0)
    gc.collect()
async def failing():
    raise KeyError(who)
asyncio.run(lost())
warnings.warn("old", stacklevel=1)
thread = threading.Thread(target=theirs.warning, args=("from a thread",))
thread.start()
thread.join()
raise ValueError(f"{who} is no number")
"""


def logged(form: str, level: str = "info") -> list[str]:
    """In a process of its own: logging is set up once in each."""
    done = subprocess.run(  # noqa: S603 - our own words, and no shell
        [sys.executable, "-c", PROGRAM, form, level, WHO, WHERE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr.splitlines()


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in logged("json")]


def test_every_line_is_json_with_its_time_level_logger_and_worker(
    lines: list[dict[str, Any]],
) -> None:
    assert len(lines) == 15
    for line in lines:
        assert {"timestamp", "level", "logger", "worker", "event"} <= line.keys()
        assert line["worker"] == "sailthru"


def test_our_lines_keep_their_fields(lines: list[dict[str, Any]]) -> None:
    assert lines[0]["event"] == "delivery_resumed"
    assert lines[0]["reason"] == "bad_key"
    assert lines[0]["name"] == "Zo\u00eb\nSmith"


def test_the_libraries_lines_have_the_same_form(lines: list[dict[str, Any]]) -> None:
    assert (lines[1]["level"], lines[1]["logger"]) == ("warning", "somebody")
    assert lines[1]["event"] == "three of 4"


def test_libraries_that_chatter_are_heard_from_their_warnings_on(
    lines: list[dict[str, Any]],
) -> None:
    assert [line["event"] for line in lines if line["logger"] == "aiokafka"] == ["Heartbeat failed"]


def test_what_is_tried_again_says_why_once_and_nothing_of_what_it_was_tried_with(
    lines: list[dict[str, Any]],
) -> None:
    tried = [line for line in lines if line["event"] == "retried"]
    assert [line["error"] for line in tried] == ["OSError: Kafka is away", "KeyError"]
    assert not [line for line in tried if "left_out" in line]


@pytest.mark.parametrize("event", ["crashed", "crashed too"])
def test_a_stack_trace_is_a_field_of_its_line(lines: list[dict[str, Any]], event: str) -> None:
    (line,) = [line for line in lines if line["event"] == event]

    assert line["exception"].endswith("ZeroDivisionError")
    assert "in <module>" in line["exception"]


def test_of_an_exception_only_what_cannot_quote_a_payload_is_told(
    lines: list[dict[str, Any]],
) -> None:
    (line,) = [line for line in lines if "Crashed reason" in line["event"]]

    assert line["event"] == "Crashed reason='KeyError'"
    assert "\nKeyError\nwhich led to:\n" in line["exception"]
    assert line["exception"].endswith("StalledError: nothing ended for 300 s")


def test_a_key_that_is_not_on_the_list_is_left_out_and_named(lines: list[dict[str, Any]]) -> None:
    (line,) = [line for line in lines if line["event"] == "sent"]

    assert line["reason"] == "late"
    assert line["left_out"] == ["attributes", "email"]
    assert not {"attributes", "email"} & line.keys()


def test_what_ends_the_process_is_a_line_like_any_other(lines: list[dict[str, Any]]) -> None:
    assert (lines[-1]["event"], lines[-1]["level"]) == ("uncaught_exception", "critical")
    assert lines[-1]["exception"].endswith("\nValueError")


def test_no_line_repeats_what_was_personal(lines: list[dict[str, Any]]) -> None:
    assert not [line for line in lines if WHO in str(line) or WHERE in str(line)]


@pytest.mark.parametrize(("level", "first"), [("debug", "detail"), ("error", "Heartbeat failed")])
def test_the_level_says_what_is_left_out(level: str, first: str) -> None:
    assert json.loads(logged("json", level)[0])["event"] == first


def test_on_a_console_an_exception_is_shown_without_a_complaint_of_the_logger() -> None:
    text = "\n".join(logged("console"))

    assert "delivery_resumed" in text
    assert "ZeroDivisionError" in text
    assert "Logging error" not in text


class Said:
    """A handler of a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lines: list[str] = []
        self.repeats = logs.Repeats(lambda: self.now)

    def log(self, message: str, *given: object, name: str = "aiokafka", level: int = 40) -> None:
        record = logging.LogRecord(name, level, "", 0, message, given, None)
        if self.repeats.lets(record):
            self.lines.append(record.getMessage())


def test_what_a_library_says_again_and_again_is_said_ever_less_often_and_counted() -> None:
    said = Said()
    for tenth in range(2 * 3600 * 10):
        said.now = tenth / 10
        said.log("Unable connect to node with id %s: %s", tenth % 3, "refused")
    counts = [int(each) for line in said.lines for each in re.findall(r"\((\d+) times more", line)]

    assert said.lines[0] == "Unable connect to node with id 0: refused"
    assert len(said.lines) == 1 + len(counts) <= 9
    assert len(said.lines) + sum(counts) + said.repeats.held_back == 2 * 3600 * 10


def test_each_kind_of_line_is_counted_for_itself() -> None:
    said = Said()
    for _ in range(5):
        said.log("Unable connect to node 7")
        said.log("Unable connect to node 8")
        said.log("Unable to update metadata from %s", [1])
        said.log("Unable to update metadata from %s", [1], level=30)
        said.log("Unable to update metadata from %s", [1], name="aiokafka.cluster")
    assert len(said.lines) == 4


def test_what_comes_after_a_quiet_time_is_another_state() -> None:
    said = Said()
    for _ in range(3):
        said.log("away")
        said.now += 61
    assert said.lines == ["away"] * 3


def test_our_own_lines_are_all_said() -> None:
    said = Said()
    for _ in range(3):
        said.log("committed", name="streams.engine.committer")
    assert len(said.lines) == 3


def test_lines_that_are_never_alike_take_no_more_room_than_some_hundred_do() -> None:
    said = Said()
    for number in range(26**3):
        said.log("".join(chr(97 + number // 26**place % 26) for place in range(3)))
    assert len(said.lines) == 26**3
    assert len(said.repeats) <= 500


TWICE = """
import structlog
from streams import logs
from streams.settings import WorkerSettings

ours = structlog.get_logger("streams")
for worker in ("router", "sailthru"):
    logs.set_up(WorkerSettings(log_format="json"), worker)
    ours.info("partitions_assigned")
"""


def test_who_has_logged_before_it_is_set_up_anew_follows() -> None:
    """Else a logger would keep the first, as in a process that tests workers one by one."""
    done = subprocess.run(  # noqa: S603 - as above
        [sys.executable, "-c", TWICE], capture_output=True, text=True, check=True
    )
    workers = [json.loads(line)["worker"] for line in done.stderr.splitlines()]
    assert workers[0] == "router"
    assert workers[-1] == "sailthru"
