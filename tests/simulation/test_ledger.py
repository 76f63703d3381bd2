"""A long run goes on where it was stopped, on the same code and on no other."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.ledger import Ledger, Result, digest
from tests.simulation.telling import add_up, parts


def _result(part: range, *, violations: int = 0) -> Result:
    return {
        "seeds": len(part),
        "first": part.start,
        "violations": violations,
        "found": [part.start] * violations,
        "simulated_seconds": 10,
        "turns": 1_000,
        "cpu_seconds": 0.25,
        "faults": {"kill": 2},
    }


def test_what_was_kept_is_not_told_again(tmp_path: Path) -> None:
    def simulate(seeds: int) -> dict[str, Any]:
        done = subprocess.run(  # noqa: S603 - ourselves
            [sys.executable, "-m", "tests.simulation", f"--seeds={seeds}", f"--kept={tmp_path}"],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONHASHSEED": "0"},
        )
        assert done.returncode == 0, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    first = simulate(2)
    assert (first["seeds"], first["violations"], first["told_before"]) == (2, 0, 0)
    assert simulate(2) == first | {"told_before": 2}


@pytest.mark.parametrize(
    ("number", "to_all", "code"),
    [(signal.SIGINT, True, 130), (signal.SIGTERM, False, 143)],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_a_run_that_is_stopped_says_how_far_it_came_and_leaves_no_process(
    tmp_path: Path, number: signal.Signals, to_all: bool, code: int
) -> None:
    arguments = ["--seeds=100000", "--jobs=2", f"--kept={tmp_path}"]
    run = subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-m", "tests.simulation", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": "0"},
        start_new_session=True,
    )
    try:
        telling = _children(run)
        (os.killpg if to_all else os.kill)(run.pid, number)
        _, said = run.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)

    told = re.fullmatch(
        r"Stopped: \d+ of 100000 stories are told, 0 of them broke a promise; the others are kept "
        rf"in {re.escape(str(tmp_path))}, and the same command goes on from there\.\n",
        said,
    )
    assert told, said
    assert run.returncode == code
    assert not [each for each in telling if Path(f"/proc/{each}").exists()]


def _children(run: "subprocess.Popen[str]") -> list[str]:
    """Returns them once there are two, who tell stories."""
    until = time.monotonic() + 120
    while time.monotonic() < until and run.poll() is None:
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        if len(children) == 2:
            return children
        time.sleep(0.02)
    pytest.fail("it began no two processes")


def test_a_run_begins_anew_when_a_source_has_changed(tmp_path: Path) -> None:
    for folder in ("agents", "models", "streams", "tests/simulation"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "constraints.txt").touch()
    source = tmp_path / "streams" / "worker.py"
    source.write_text("LIMIT = 1\n")
    before = digest(tmp_path)
    assert digest(tmp_path) == before
    Ledger(tmp_path, before).keep(_result(range(25)))
    source.write_text("LIMIT = 2\n")
    after = digest(tmp_path)
    assert after != before
    assert Ledger(tmp_path, after).read() == {}
    assert [*Ledger(tmp_path, before).read()] == [range(25)]


def test_what_broke_a_promise_is_told_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "code")
    ledger.keep(_result(range(25)))
    ledger.keep(_result(range(25, 50), violations=1))
    assert [*ledger.read()] == [range(25)]


def test_a_line_that_was_cut_short_hides_no_other(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "code")
    ledger.keep(_result(range(25)))
    path = tmp_path / "code.jsonl"
    path.write_text(path.read_text() + '{"seeds": 25, "fir')
    ledger.keep(_result(range(50, 75)))
    assert [*ledger.read()] == [range(25), range(50, 75)]


@pytest.mark.parametrize("seeds", [range(0), range(10), range(25), range(7, 103)])
def test_parts_are_all_seeds_once_and_their_bounds_do_not_depend_on_the_first(seeds: range) -> None:
    told = [*parts(seeds)]
    assert [seed for part in told for seed in part] == [*seeds]
    assert all(part in [*parts(range(200))] for part in told[1:-1])


def test_results_add_up_whichever_came_first() -> None:
    results = [_result(range(25, 50), violations=1), _result(range(25))]
    assert add_up(results, 0) == {
        "first": 0,
        "seeds": 50,
        "violations": 1,
        "found": [25],
        "simulated_seconds": 20,
        "turns": 2_000,
        "cpu_seconds": 0.5,
        "faults": {"kill": 4},
    }
