"""`python -m tests.chaos --seed 1 --minutes 10`: one run, judged; one JSON line on stdout."""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.oracle.verdict import judge
from tests.chaos.plan import Plan, draw
from tests.chaos.report import line, say_violations
from tests.chaos.run import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long traffic flows")
    parser.add_argument("--rate", type=float, default=30.0, help="messages a second")
    parser.add_argument("--keep", type=Path, help="a new directory for data and logs, to be kept")
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1)
    parser.add_argument("--secure", action="store_true", help="TLS, logins that end, least rights")
    wanted = parser.parse_args()
    plan = draw(
        wanted.seed,
        wanted.minutes,
        rate=wanted.rate,
        brokers=wanted.brokers,
        secure=wanted.secure,
    )
    if wanted.keep is not None:
        wanted.keep.mkdir(parents=True)
        return _run(plan, wanted.keep)
    with tempfile.TemporaryDirectory(prefix="mparticle-streams-chaos-") as directory:
        return _run(plan, Path(directory))


def _run(plan: Plan, directory: Path) -> int:
    began = time.monotonic()
    # Our own clients say a lot about a broker that we have killed ourselves.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

    def say(what: str) -> None:
        print(f"[{time.monotonic() - began:6.1f}] {what}", file=sys.stderr, flush=True)  # noqa: T201 - a command

    found = asyncio.run(run(plan, directory, say))
    verdict = judge(found.evidence)
    say_violations(found, verdict, say)
    print(line(plan, found, verdict), flush=True)  # noqa: T201 - a command
    return 1 if any(verdict.violations().values()) else 0


if __name__ == "__main__":
    sys.exit(main())
