"""Tells stories by the hundred and judges them: `make simulate SEEDS=1000`.

Ends with a JSON line, and with 1 when a promise was broken. `--seed N` tells one story again, turn
by turn as it was, and `--log` shows what its workers wrote to their logs. With `--kept` a run that
was stopped, as by Ctrl-C, goes on where it was, as long as the code is the same.
"""

import json
import os
import platform
import sys
from pathlib import Path

import click

from tests.simulation.ledger import Ledger, Result, digest
from tests.simulation.telling import Stop, add_up, parts, share, tell

_HASHES = "PYTHONHASHSEED"


@click.command(help=__doc__)
@click.option("--seeds", default=200, show_default=True, help="How many stories to tell.")
@click.option("--first", default=0, show_default=True, help="The seed of the first.")
@click.option("--seed", type=int, help="Tell this one only.")
@click.option("--jobs", default=1, show_default=True, help="Processes to share the work.")
@click.option("--until-found", is_flag=True, help="Stop at the first promise that is broken.")
@click.option("--log", "is_logged", is_flag=True, help="Show the workers' logs.")
@click.option(
    "--kept",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder of what was told before, which is not told again on the same code.",
)
def main(
    *,
    seeds: int,
    first: int,
    seed: int | None,
    jobs: int,
    until_found: bool,
    is_logged: bool,
    kept: Path | None,
) -> None:
    if os.environ.get(_HASHES) != "0":
        # The order of sets is part of a schedule.
        command = [sys.executable, "-m", "tests.simulation", *sys.argv[1:]]
        os.execve(sys.executable, command, os.environ | {_HASHES: "0"})  # noqa: S606 - ourselves, once more
    code = digest()
    told_before = 0
    with Stop() as stop:
        if seed is not None or is_logged:
            kept = None
            wanted = range(first, first + seeds) if seed is None else range(seed, seed + 1)
            results = [tell(wanted, until_found=until_found, is_logged=is_logged, stop=stop)]
        else:
            ledger = Ledger(kept, code) if kept is not None else None
            known = ledger.read() if ledger is not None else {}
            wanted = range(first, first + seeds)
            results = [known[part] for part in parts(wanted) if part in known]
            told_before = sum(each["seeds"] for each in results)
            untold = [part for part in parts(wanted) if part not in known]
            keep = (lambda _: None) if ledger is None else ledger.keep
            results += share(untold, jobs, keep, stop, until_found=until_found)
    result = add_up(results, wanted.start)
    if stop.signal is not None:
        click.echo(_stopped(result, len(wanted), kept), err=True)
        sys.exit(128 + stop.signal)
    result |= {"told_before": told_before, "code": code, "python": platform.python_version()}
    click.echo(json.dumps(result))
    sys.exit(bool(result["violations"]))


def _stopped(result: Result, wanted: int, kept: Path | None) -> str:
    how = f"Stopped: {result['seeds']} of {wanted} stories are told, {result['violations']} of them"
    if kept is None:
        return f"{how} broke a promise; nothing is kept, so the same command begins anew."
    return (
        f"{how} broke a promise; the others are kept in {kept}, and the same command goes on from "
        "there."
    )


if __name__ == "__main__":
    main()
