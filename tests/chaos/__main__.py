"""`python -m tests.chaos --seed 1 --minutes 10`: one run, judged; one JSON line on stdout."""

import argparse
import asyncio
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.oracle.verdict import judge
from tests.chaos.plan import Plan, draw, roll
from tests.chaos.report import line, say_violations
from tests.chaos.run import run

_HERE = Path(__file__).parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long traffic flows")
    parser.add_argument("--rate", type=float, default=30.0, help="messages a second")
    parser.add_argument("--keep", type=Path, help="a new directory for data and logs, to be kept")
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1)
    parser.add_argument("--secure", action="store_true", help="TLS, logins that end, least rights")
    parser.add_argument("--roll", action="store_true", help="an upgrade of brokers and workers")
    parser.add_argument("--before", help="a revision whose workers are exchanged, with --roll")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mparticle-streams-chaos-") as scratch:
        directory = wanted.keep or Path(scratch)
        directory.mkdir(parents=True, exist_ok=wanted.keep is None)
        if wanted.before is None:
            return _run(_plan(wanted), directory)
        with checked_out(wanted.before, Path(scratch) / "before") as before:
            return _run(_plan(wanted), directory, before, wanted.before)


def _plan(wanted: argparse.Namespace) -> Plan:
    if wanted.roll:
        return roll(wanted.seed, wanted.minutes, rate=wanted.rate, secure=wanted.secure)
    return draw(
        wanted.seed,
        wanted.minutes,
        rate=wanted.rate,
        brokers=wanted.brokers,
        secure=wanted.secure,
    )


@contextmanager
def checked_out(revision: str, tree: Path) -> Iterator[Path]:
    """The repository as it was, beside what it is."""
    _git("worktree", "add", "--detach", "--quiet", str(tree), revision)
    try:
        yield tree
    finally:
        _git("worktree", "remove", "--force", str(tree))


def _git(*words: str) -> None:
    subprocess.run(["git", *words], cwd=_HERE, check=True)  # noqa: S603, S607 - our own words


def _run(
    plan: Plan, directory: Path, before: Path | None = None, revision: str | None = None
) -> int:
    began = time.monotonic()
    # Our own clients say a lot about a broker that we have killed ourselves.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

    def say(what: str) -> None:
        print(f"[{time.monotonic() - began:6.1f}] {what}", file=sys.stderr, flush=True)  # noqa: T201 - a command

    found = asyncio.run(run(plan, directory, say, before=before))
    verdict = judge(found.evidence)
    say_violations(found, verdict, say)
    print(line(plan, found, verdict, revision), flush=True)  # noqa: T201 - a command
    return 1 if any(verdict.violations().values()) else 0


if __name__ == "__main__":
    sys.exit(main())
