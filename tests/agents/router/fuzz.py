"""The properties for as long as one likes: `python -m tests.agents.router.fuzz --minutes 60`.

Ends with a JSON line of what was tried and found, and with 1 when something was.
"""

import json
import sys
import time
import traceback
from collections.abc import Callable
from itertools import count
from typing import Any

import click
from hypothesis import HealthCheck, given, seed, settings

from tests.agents.router.properties import PROPERTIES

_many = settings(
    max_examples=500,
    deadline=None,
    database=None,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)


@click.command()
@click.option("--minutes", default=1.0, show_default=True)
@click.option("--first-seed", default=0, show_default=True, help="The last run's last_seed + 1.")
def main(minutes: float, first_seed: int) -> None:
    """Tries every property on 500 messages of a seed, then of the next."""
    end = time.monotonic() + minutes * 60
    tried = findings = 0
    last_seed = first_seed
    for last_seed in count(first_seed):
        for holds in PROPERTIES:
            iterations, is_good = _try(holds, last_seed)
            tried += iterations
            findings += not is_good
        if time.monotonic() > end:
            break
    told = {"iterations": tried, "findings": findings}
    click.echo(json.dumps(told | {"first_seed": first_seed, "last_seed": last_seed}))
    sys.exit(1 if findings else 0)


def _try(holds: Callable[[Any], None], number: int) -> tuple[int, bool]:
    iterations = 0

    @seed(number)
    @_many
    @given(PROPERTIES[holds])
    def tried(drawn: Any) -> None:
        nonlocal iterations
        iterations += 1
        holds(drawn)

    try:
        tried()
    except Exception:  # noqa: BLE001 - a finding is told, and the search goes on
        click.echo(f"{holds.__name__}, seed {number}\n{traceback.format_exc()}", err=True)
        return iterations, False
    return iterations, True


if __name__ == "__main__":
    main()
