"""`python -m tests.often --runs 10 -- make test`: what is green once in ten is not green.

Runs the command again and again, keeps the log of each run that failed, and prints one JSON line.
With `--load` every core is busy with something else meanwhile, as on a machine that others use.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sandbox.guard import new_guard

MOST_RUNS = 100
LOGS = Path("build/often")
# pytest's summary of what was not well, with the reason behind it.
_NOT_WELL = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


class Run(NamedTuple):
    seconds: float
    code: int
    log: str
    failed: Sequence[str]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.often", description=__doc__)
    parser.add_argument("--runs", type=_runs, default=10, help=f"1 to {MOST_RUNS}; 10")
    parser.add_argument("--load", action="store_true", help="a busy loop on every core beside it")
    parser.add_argument("--logs", type=Path, default=LOGS, help=f"where logs are kept; {LOGS}")
    parser.add_argument("command", nargs="+", help="after --: what to run")
    wanted = parser.parse_args()
    loops = (os.cpu_count() or 1) if wanted.load else 0
    directory = wanted.logs / time.strftime("%Y%m%d-%H%M%S")
    with _busy(loops):
        runs = [_run(wanted.command, directory / f"{n}.log") for n in range(1, wanted.runs + 1)]
    print(_line(runs, loops), flush=True)  # noqa: T201 - a command
    return 1 if any(run.code for run in runs) else 0


def _runs(text: str) -> int:
    number = int(text)
    if not 1 <= number <= MOST_RUNS:
        raise ValueError
    return number


@contextmanager
def _busy(loops: int) -> Iterator[None]:
    """So many processes that never rest; they end with us, however we end."""
    guard = new_guard()
    idle = [sys.executable, "-c", "while True: pass"]
    processes = [
        subprocess.Popen(idle, process_group=guard.pid)  # noqa: S603 - our own words, and no shell
        for _ in range(loops)
    ]
    try:
        yield
    finally:
        guard.communicate()
        for process in processes:
            process.wait()


def _run(command: Sequence[str], log: Path) -> Run:
    began = time.monotonic()
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as lines:
        code = subprocess.run(  # noqa: S603 - what whoever called us wants run
            command, stdin=subprocess.DEVNULL, stdout=lines, stderr=lines, check=False
        ).returncode
    seconds = time.monotonic() - began
    failed = _NOT_WELL.findall(log.read_text(errors="replace"))
    verdict = f"red, see {log}" if code else "green"
    print(f"{log.stem}: {verdict} ({seconds:.0f} s)", file=sys.stderr, flush=True)  # noqa: T201 - a command
    if not code:
        log.unlink()
    return Run(seconds, code, str(log), failed)


def _line(runs: Sequence[Run], loops: int) -> str:
    told = {
        "runs": len(runs),
        "green": sum(not run.code for run in runs),
        "busy_loops": loops,
        "seconds": [round(run.seconds) for run in runs],
        "red": [
            {"log": run.log, "code": run.code, "failed": run.failed} for run in runs if run.code
        ],
    }
    return json.dumps(told)


if __name__ == "__main__":
    sys.exit(main())
