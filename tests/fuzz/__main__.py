"""`python -m tests.fuzz --minutes 60`: hostile shapes, by their seeds, at router and receiver.

Each finding is printed with the seed that repeats it alone (`--seed N`). Ends with a JSON line of
what was tried and found, and with 1 when something was.
"""

import asyncio
import json
import logging
import resource
import sys
import time
import traceback
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any

import click
import structlog

from tests.fuzz import budget, receiver, router

Attack = Callable[[int], Coroutine[Any, Any, tuple[int, list[str]]]]

ATTACKS: dict[str, Attack] = {"router": router.attack, "receiver": receiver.attack}
# All that the process ever held, both targets and the fuzzer itself included.
MOST_MEMORY = 3 * 1024**3


@click.command()
@click.option("--minutes", default=1.0, show_default=True)
@click.option("--seed", type=int, help="Only this one, to repeat a finding.")
@click.option("--first-seed", default=0, show_default=True, help="The last run's last_seed + 1.")
@click.option("--only", type=click.Choice(list(ATTACKS)), help="Only this target.")
def main(minutes: float, seed: int | None, first_seed: int, only: str | None) -> None:
    """Attacks with one seed after the other."""
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    end = time.monotonic() + minutes * 60
    attacks = {name: each for name, each in ATTACKS.items() if only in {None, name}}
    tried = sent = findings = 0
    last_seed = first_seed
    for last_seed in (seed,) if seed is not None else count(first_seed):
        for name, attack in attacks.items():
            size, wrong = _try(attack, last_seed)
            tried, sent, findings = tried + 1, sent + size, findings + len(wrong)
            for each in wrong:
                click.echo(f"{name}, seed {last_seed}: {each}", err=True)
        if time.monotonic() > end:
            break
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if peak > MOST_MEMORY:
        findings += 1
        click.echo(f"the process held {peak} bytes", err=True)
    told = {"attacks": tried, "bytes": sent, "findings": findings, "peak_bytes": peak}
    click.echo(json.dumps(told | {"first_seed": first_seed, "last_seed": last_seed}))
    sys.exit(1 if findings else 0)


def _try(attack: Attack, number: int) -> tuple[int, list[str]]:
    try:
        with budget.like_a_worker():
            return asyncio.run(attack(number))
    except Exception:  # noqa: BLE001 - a finding is told, and the search goes on
        return 0, [traceback.format_exc()]


if __name__ == "__main__":
    main()
