"""A process from the zygote is what it would be if it had been started.

make test-long has each test for a process that was, which shows that the test is right.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from sandbox.guard import new_guard
from tests import zygote
from tests.cli.command import COMMAND, SECONDS, environment
from tests.cli.messages import custom_event, event_batch

pytestmark = pytest.mark.parametrize(
    "popen",
    [
        pytest.param(zygote.Popen, id="forked"),
        pytest.param(subprocess.Popen, id="started", marks=pytest.mark.long),
    ],
)
Popen = type[subprocess.Popen[bytes]]


@contextmanager
def simulator(popen: Popen, group: int = -1) -> Iterator[subprocess.Popen[bytes]]:
    """What runs until it is told to end, and has begun to listen."""
    with popen(
        [*COMMAND, "sandbox", "sailthru"],
        env=environment({}),
        stdout=subprocess.PIPE,
        process_group=group,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b"http://127.0.0.1:")
            yield process
        finally:
            process.kill()


def ended(popen: Popen, *arguments: str, given: bytes = b"", **settings: str) -> tuple[int, str]:
    """Its exit code, and what it said on both outputs."""
    with popen(
        [*COMMAND, *arguments],
        env=environment(settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        said, _ = process.communicate(given, SECONDS)
    return process.returncode, said.decode()


def test_input_output_and_exit_code_are_its_own(popen: Popen) -> None:
    code, said = ended(popen, "route", given=event_batch(custom_event("opened")))
    assert code == 0
    assert orjson.loads(said.splitlines()[0])["record"]["name"] == "opened"
    code, said = ended(popen, "route", given=b"{")
    assert code == 1
    assert "not_json" in said


def test_settings_are_those_it_is_given_and_no_others(popen: Popen) -> None:
    code, said = ended(popen, "worker", "sailthru", SAILTHRU_API_SECRET="invented")
    assert code == 1
    assert said.startswith("Settings are not right: set SAILTHRU_API_KEY (")
    assert "SAILTHRU_API_SECRET (" not in said


def test_its_directory_is_where_it_was_started(
    popen: Popen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "message.json").write_bytes(event_batch(custom_event("opened")))
    monkeypatch.chdir(tmp_path)
    assert ended(popen, "route", "message.json")[0] == 0


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -9), (signal.SIGABRT, -6)],
)
def test_a_signal_ends_it_as_any_process(popen: Popen, number: signal.Signals, code: int) -> None:
    with simulator(popen) as process:
        assert process.poll() is None
        process.send_signal(number)
        assert process.wait(SECONDS) == process.poll() == code


def test_who_waits_in_vain_for_its_end_is_told(popen: Popen) -> None:
    with simulator(popen) as process:
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.terminate()
        process.send_signal(signal.SIGCONT)
        assert process.wait(SECONDS) == 0


def test_it_dies_with_the_group_that_it_was_put_in(popen: Popen) -> None:
    with new_guard() as guard, simulator(popen, guard.pid) as process:
        assert os.getpgid(process.pid) == guard.pid
        guard.communicate()
        assert process.wait(SECONDS) == -signal.SIGKILL


def test_of_a_group_that_is_no_more_nothing_begins(popen: Popen) -> None:
    with new_guard() as guard:
        guard.communicate()
        try:
            with popen([*COMMAND, "--help"], process_group=guard.pid) as process:
                assert process.wait(SECONDS) == -signal.SIGKILL
        except OSError:
            assert popen is subprocess.Popen


def test_it_has_no_files_open_but_those_it_is_given(popen: Popen, tmp_path: Path) -> None:
    with (tmp_path / "of the test").open("wb") as mine, simulator(popen) as process:
        os.set_inheritable(mine.fileno(), True)
        held = {str(each.readlink()) for each in Path(f"/proc/{process.pid}/fd").iterdir()}
    assert not {each for each in held if each.startswith(str(tmp_path))}


def test_it_is_begun_while_many_others_are(popen: Popen) -> None:
    many = [popen([*COMMAND, "nonsense"], stderr=subprocess.PIPE) for _ in range(3)]
    for process in many:
        _, said = process.communicate(timeout=SECONDS)
        assert process.returncode == 2
        assert b"No such command" in said


_ENDS = """
import atexit, threading, time
atexit.register(print, "the last word")
threading.Thread(target=lambda: (time.sleep(0.01), print("a thread"))).start()
"""


def test_threads_and_what_is_for_the_end_are_not_forgotten(popen: Popen) -> None:
    command = [sys.executable, "-m", "timeit", "-n", "1", "-r", "1", _ENDS]
    with popen(command, env=environment({}), stdout=subprocess.PIPE) as process:
        said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert said.decode().splitlines()[-2:] == ["a thread", "the last word"]


_ASKS = """
import os, psutil, sys
from tests import zygote
from tests.cli.command import COMMAND
with zygote.Popen([*COMMAND, "sandbox", "sailthru"], stdout=zygote.subprocess.PIPE) as child:
    child.stdout.readline()
    print(os.getppid(), psutil.Process(child.pid).ppid())
    child.kill()
print(child.returncode)
"""


def test_a_process_of_pytest_asks_the_zygote_that_it_comes_from(popen: Popen) -> None:
    command = [sys.executable, "-u", "-c", _ASKS]
    with popen(command, env=environment({}), stdout=subprocess.PIPE) as process:
        said, _ = process.communicate(timeout=SECONDS)
    parents, code = said.decode().splitlines()
    own, of_the_child = parents.split()
    assert code == "-9"
    assert (own == of_the_child) == (popen is zygote.Popen)
    assert (own == str(os.getpid())) == (popen is subprocess.Popen)
