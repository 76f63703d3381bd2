"""Tells stories by the hundred and judges them: `make simulate SEEDS=1000`.

Ends with a JSON line, and with 1 when a promise was broken. `--seed N` tells one story again, turn
by turn as it was, and `--log` shows what its workers wrote to their logs.
"""

import gc
import json
import logging
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import click
import structlog

from tests.simulation.loop import HOST, bury
from tests.simulation.oracle import judge
from tests.simulation.story import Story

_STORIES_A_COLLECTION = 20
_HASHES = "PYTHONHASHSEED"


@click.command(help=__doc__)
@click.option("--seeds", default=200, show_default=True, help="How many stories to tell.")
@click.option("--first", default=0, show_default=True, help="The seed of the first.")
@click.option("--seed", type=int, help="Tell this one only.")
@click.option("--jobs", default=1, show_default=True, help="Processes to share the work.")
@click.option("--until-found", is_flag=True, help="Stop at the first promise that is broken.")
@click.option("--log", "is_logged", is_flag=True, help="Show the workers' logs.")
def main(
    *, seeds: int, first: int, seed: int | None, jobs: int, until_found: bool, is_logged: bool
) -> None:
    if os.environ.get(_HASHES) != "0":
        # The order of sets is part of a schedule.
        command = [sys.executable, "-m", "tests.simulation", *sys.argv[1:]]
        os.execve(sys.executable, command, os.environ | {_HASHES: "0"})  # noqa: S606 - ourselves, once more
    if seed is not None:
        first, seeds, jobs = seed, 1, 1
    if jobs > 1:
        result = _share(seeds, first, jobs)
    else:
        every = range(first, first + seeds)
        result = _tell(every, until_found=until_found, is_logged=is_logged)
    click.echo(json.dumps(result))
    sys.exit(bool(result["violations"]))


def _tell(seeds: range, *, until_found: bool, is_logged: bool) -> dict[str, Any]:
    _set_up_logs(is_logged=is_logged)
    # What was imported is not looked through again, and nothing is while a story is told.
    gc.collect()
    gc.freeze()
    gc.disable()
    began = time.process_time()
    told, violations, seconds, turns = 0, 0, 0.0, 0
    faults = Counter[str]()
    for seed in seeds:
        story = Story(seed)
        if is_logged:
            _show_time(story)
        evidence = story.run()
        found = [*judge(evidence), *_unlooked_at(story)]
        faults.update(fault.kind for fault in evidence.faults)
        seconds, turns = seconds + evidence.seconds, turns + evidence.turns
        told += 1
        if told % _STORIES_A_COLLECTION == 0:
            bury()
        violations += bool(found)
        if found or len(seeds) == 1:
            _show(story, found)
        if found and until_found:
            break
    bury()
    cpu_s = time.process_time() - began
    return {
        "seeds": told,
        "first": seeds.start,
        "violations": violations,
        "simulated_seconds": round(seconds),
        "turns": turns,
        "cpu_seconds": round(cpu_s, 1),
        "faults": dict(sorted(faults.items())),
    }


def _unlooked_at(story: Story) -> list[str]:
    """Errors of our own that nobody awaited; aiokafka's about its connections are its own."""
    return [
        f"nobody looked at {error!r}"
        for each in story.loop.failures
        if (error := each.get("exception")) is not None
        and not type(error).__module__.startswith("aiokafka")
    ]


def _show(story: Story, found: Sequence[str]) -> None:
    evidence = story.evidence
    click.echo(f"seed {evidence.seed}: {evidence.plan}", err=True)
    for fault in evidence.faults:
        click.echo(f"    {fault}", err=True)
    for each in found:
        click.echo(f"  {each}", err=True)
    if found:
        click.echo(f'  again: make simulate ARGS="--seed {evidence.seed} --log"', err=True)


def _share(seeds: int, first: int, jobs: int) -> dict[str, Any]:
    """Each process tells a part of them."""
    size = -(-seeds // jobs)
    parts = [
        subprocess.Popen(  # noqa: S603 - ourselves
            [
                sys.executable,
                "-m",
                "tests.simulation",
                f"--first={at}",
                f"--seeds={min(size, first + seeds - at)}",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        for at in range(first, first + seeds, size)
    ]
    results = [json.loads(part.communicate()[0].splitlines()[-1]) for part in parts]
    faults = sum((Counter(each["faults"]) for each in results), Counter[str]())
    sums = {
        name: round(sum(each[name] for each in results), 1)
        for name in ("violations", "simulated_seconds", "turns", "cpu_seconds")
    }
    return {"seeds": seeds, "first": first} | sums | {"faults": dict(sorted(faults.items()))}


def _set_up_logs(*, is_logged: bool) -> None:
    if is_logged:
        logging.getLogger().setLevel(logging.INFO)
        return
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def _show_time(story: Story) -> None:
    class Formatter(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            where = "/".join(filter(None, HOST.get()))
            return f"{story.loop.now_s:9.4f} {where} {record.name} {record.getMessage()}"

    handler = logging.StreamHandler()
    handler.setFormatter(Formatter())
    logging.getLogger().handlers[:] = [handler]


if __name__ == "__main__":
    main()
