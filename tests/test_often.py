"""`make test-often`: every run counts, and of one that failed it is known what and why."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # published without type marks
import pytest

# Fails when a file of its own says that it has run before.
SECOND_FAILS = """
import sys, pathlib
ran = pathlib.Path("ran")
if ran.exists():
    print("FAILED tests/test_it.py::test_that[a case] - AssertionError: it is not")
    print("ERROR tests/test_it.py::test_other")
    sys.exit(1)
ran.touch()
"""


def often(directory: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - our own words, and no shell
        [sys.executable, "-m", "tests.often", "--logs", str(directory / "logs"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_run_that_fails_is_told_with_its_tests_and_its_log_is_kept(tmp_path: Path) -> None:
    given = f"import os; os.chdir({str(tmp_path)!r})\n{SECOND_FAILS}"
    done = often(tmp_path, "--runs", "3", "--", sys.executable, "-c", given)

    told: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 1
    assert (told["runs"], told["green"], len(told["seconds"])) == (3, 1, 3)
    for red in told["red"]:
        assert red["failed"] == [
            "tests/test_it.py::test_that[a case]",
            "tests/test_it.py::test_other",
        ]
        assert "it is not" in Path(red["log"]).read_text()
    assert len(list(tmp_path.glob("logs/*/*.log"))) == len(told["red"]) == 2


def test_every_core_is_busy_beside_the_command_and_idle_again_after_it(tmp_path: Path) -> None:
    siblings = "import os, psutil; print(*(p.pid for p in psutil.Process(os.getppid()).children()"
    tell = f"{siblings} if p.pid != os.getpid() and 'python' in p.name()), flush=True)"
    done = often(tmp_path, "--runs", "1", "--load", "--", sys.executable, "-c", f"{tell}; 1 / 0")

    [red] = json.loads(done.stdout)["red"]
    loops = [int(pid) for pid in Path(red["log"]).read_text().splitlines()[0].split()]
    assert len(loops) == os.cpu_count()
    assert not any(psutil.pid_exists(pid) for pid in loops)


@pytest.mark.parametrize("runs", ["0", "101", "many"])
def test_runs_are_bounded(tmp_path: Path, runs: str) -> None:
    done = often(tmp_path, "--runs", runs, "--", "true")
    assert done.returncode == 2
    assert "--runs" in done.stderr
