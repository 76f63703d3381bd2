"""`demo` as a person runs it."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.request import urlopen

import psutil  # type: ignore[import-untyped]  # published without type marks
import pytest

from tests.cli.command import COMMAND, environment, run

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

WHOLE_SECONDS = 300
ADDRESS = re.compile(r"^  [\w -]+ (?:http://)?127\.0\.0\.1:(\d+)", re.MULTILINE)
PARTS = 6


def test_all_arrives_and_every_sum_comes_out() -> None:
    done = run("demo", "--messages", "1500", "--users", "80", seconds=WHOLE_SECONDS)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "All equal: " in done.stdout
    assert len(ADDRESS.findall(done.stdout)) == PARTS


@contextmanager
def demo(directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """More than ends in this test, in a process group of its own as a terminal gives it one."""
    with subprocess.Popen(  # noqa: S603 - our own words, and no shell
        [*COMMAND, "demo", "--messages", "50000"],
        env=environment({"TMPDIR": str(directory)}),
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def read_addresses(process: subprocess.Popen[bytes]) -> list[int]:
    """The ports of all parts, as the demo says them: Kafka's first, the router's fourth."""
    assert process.stdout is not None
    ports: list[int] = []
    while len(ports) < PARTS:
        line = process.stdout.readline().decode()
        assert line, "the demo ended by itself"
        if found := ADDRESS.match(line):
            ports.append(int(found[1]))
    return ports


def wait_until_routed(port: int) -> None:
    """Waits for the router to have read something."""
    deadline = time.monotonic() + WHOLE_SECONDS
    while time.monotonic() < deadline:
        try:
            with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                if re.search(
                    rb"^\w+_records_consumed_total\{.*\} [1-9]", answer.read(), re.MULTILINE
                ):
                    return
        except OSError:
            pass  # it is still starting
        time.sleep(0.1)
    pytest.fail("the router reads nothing")


def wait_until_in_use(ports: list[int]) -> None:
    """Waits for all parts: the router may have read before another worker answers."""
    deadline = time.monotonic() + WHOLE_SECONDS
    while free := [port for port in ports if is_free(port)]:
        assert time.monotonic() < deadline, free
        time.sleep(0.1)


def children(process: subprocess.Popen[bytes], programs: int) -> list[psutil.Process]:
    """All that the demo has started, once that many of them run beside their guards."""
    deadline = time.monotonic() + WHOLE_SECONDS
    while time.monotonic() < deadline:
        found: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
        names = [each.name() for each in found]
        if len(names) - names.count("sh") == programs and "java" in names:
            return found
        time.sleep(0.02)
    pytest.fail("the demo starts nothing")


def press_ctrl_c(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGINT)


def test_ctrl_c_in_the_middle_leaves_no_process_no_port_and_no_file(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        ports = read_addresses(process)
        wait_until_routed(ports[3])
        started = children(process, programs=4)
        wait_until_in_use(ports)
        press_ctrl_c(process)
        assert process.wait(WHOLE_SECONDS) == 130
        _, alive = psutil.wait_procs(started, timeout=60)
        assert not alive
        assert not [port for port in ports if not is_free(port)]
        assert not list(tmp_path.iterdir())


def test_ctrl_c_while_kafka_starts_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        started = children(process, programs=1)
        press_ctrl_c(process)
        assert process.wait(WHOLE_SECONDS) == 130
        _, alive = psutil.wait_procs(started, timeout=60)
        assert not alive
        assert not list(tmp_path.iterdir())


def test_kill_of_the_demo_takes_all_its_processes_along(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        ports = read_addresses(process)
        started = children(process, programs=4)
        process.kill()
        _, alive = psutil.wait_procs(started, timeout=60)
        assert not alive
        assert not [port for port in ports if not is_free(port)]
