"""`demo` as a person runs it."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # published without type marks
import pytest

from cli.demo.world import World
from tests.cli.command import COMMAND, environment, run
from tests.started_workers import eventually, get, is_listening

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

WHOLE_SECONDS = 300
ADDRESS = re.compile(r"^  [\w -]+ (?:http://)?127\.0\.0\.1:(\d+)", re.MULTILINE)
PARTS = 6


def test_all_arrives_and_every_sum_comes_out() -> None:
    done = run("demo", "--messages", "1500", "--users", "80", seconds=WHOLE_SECONDS)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "All equal: " in done.stdout
    assert len(ADDRESS.findall(done.stdout)) == PARTS


def test_the_broker_is_not_taken_for_dead_where_it_has_to_wait(tmp_path: Path) -> None:
    """On a machine that does much else it heard itself too late, and no client of any broker."""
    World(tmp_path).broker.configure()
    [told] = tmp_path.rglob("server.properties")
    [kept] = re.findall(r"^broker\.session\.timeout\.ms=(\d+)$", told.read_text(), re.MULTILINE)
    assert int(kept) >= 30_000


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


def has_read(port: int) -> bool:
    """Whether the worker with its pages there has read something."""
    _, page = get(f"http://127.0.0.1:{port}/metrics")
    return bool(re.search(rb"^\w+_records_consumed_total\{.*\} [1-9]", page, re.MULTILINE))


def children(process: subprocess.Popen[bytes], programs: int) -> list[psutil.Process]:
    """All that the demo has started, once that many of them run beside their guards."""
    found: list[psutil.Process] = []

    def are_there() -> bool:
        found[:] = psutil.Process(process.pid).children(recursive=True)
        names = [each.name() for each in found]
        return len(names) - names.count("sh") == programs and "java" in names

    eventually(are_there, process, WHOLE_SECONDS)
    return found


def press_ctrl_c(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGINT)


def test_ctrl_c_in_the_middle_leaves_no_process_no_port_and_no_file(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        ports = read_addresses(process)
        eventually(lambda: has_read(ports[3]), process, WHOLE_SECONDS)
        started = children(process, programs=4)
        # The router may have read before another worker answers.
        eventually(lambda: all(map(is_listening, ports)), process, WHOLE_SECONDS)
        press_ctrl_c(process)
        assert process.wait(WHOLE_SECONDS) == 130
        _, alive = psutil.wait_procs(started, timeout=60)
        assert not alive
        assert not [port for port in ports if is_listening(port)]
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
        assert not [port for port in ports if is_listening(port)]
