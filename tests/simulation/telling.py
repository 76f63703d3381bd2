"""Tells many stories: a part of them at a time, each in a process of its own.

A process ends with what its stories leave, which is a heap of cycles. To collect it takes a
fifteenth of the time of the stories themselves, and to end is free.
"""

import gc
import logging
import multiprocessing
import multiprocessing.connection
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click
import mode.utils.logging
import structlog

from tests.simulation.ledger import Result
from tests.simulation.loop import HOST
from tests.simulation.oracle import judge
from tests.simulation.story import Story

_STORIES_A_PROCESS = 25
_SUMMED = ("seeds", "violations", "simulated_seconds", "turns", "cpu_seconds")


def parts(seeds: range) -> Iterator[range]:
    """The same parts wherever a run begins, so that another one finds them again."""
    at = seeds.start
    while at < seeds.stop:
        until = min(seeds.stop, at - at % _STORIES_A_PROCESS + _STORIES_A_PROCESS)
        yield range(at, until)
        at = until


def tell(seeds: range, *, until_found: bool = False, is_logged: bool = False) -> Result:
    """Tells them in this process, which goes on with what they leave: nothing is collected."""
    gc.disable()
    _set_up_logs(is_logged=is_logged)
    began = time.process_time()
    found: list[int] = []
    told, seconds, turns = 0, 0.0, 0
    faults = Counter[str]()
    for seed in seeds:
        story = Story(seed)
        if is_logged:
            _show_time(story)
        evidence = story.run()
        broken = [*judge(evidence), *_unlooked_at(story)]
        faults.update(fault.kind for fault in evidence.faults)
        seconds, turns = seconds + evidence.seconds, turns + evidence.turns
        told += 1
        if broken or len(seeds) == 1:
            _show(story, broken)
        if broken:
            found.append(seed)
            if until_found:
                break
    return {
        "seeds": told,
        "first": seeds.start,
        "violations": len(found),
        "found": found,
        "simulated_seconds": round(seconds),
        "turns": turns,
        "cpu_seconds": round(time.process_time() - began, 2),
        "faults": dict(sorted(faults.items())),
    }


def share(
    seeds: Sequence[range],
    jobs: int,
    keep: Callable[[Result], object],
    *,
    until_found: bool = False,
) -> list[Result]:
    """Tells parts in so many processes at a time; what comes of each is kept as it comes.

    Raises ClickException where a process ends without a result.
    """
    # It reads in what each process would read for itself.
    _set_up_logs(is_logged=False)
    Story(0).run()
    gc.collect()
    gc.freeze()
    fork = multiprocessing.get_context("fork")
    waiting, results = list(reversed(seeds)), list[Result]()
    working: dict[Any, tuple[range, Any]] = {}
    while working or waiting:
        while waiting and len(working) < jobs:
            part = waiting.pop()
            here, there = fork.Pipe(duplex=False)
            process = fork.Process(target=_tell_and_say, args=(there, part, until_found))
            process.start()
            there.close()
            working[here] = part, process
        said: list[Any] = multiprocessing.connection.wait(list(working))
        for here in said:
            part, process = working.pop(here)
            try:
                result: Result = here.recv()
            except EOFError:
                process.join()
                raise click.ClickException(
                    f"the process that told seeds {part.start} to {part.stop - 1} ended with "
                    f"{process.exitcode}"
                ) from None
            process.join()
            keep(result)
            results.append(result)
            if until_found and result["violations"]:
                waiting.clear()
    return results


def _tell_and_say(there: Any, seeds: range, until_found: bool) -> None:
    there.send(tell(seeds, until_found=until_found))


def add_up(results: Sequence[Result], first: int) -> Result:
    sums: Result = {name: round(sum(each[name] for each in results), 1) for name in _SUMMED}
    found = sorted(seed for each in results for seed in each["found"])
    faults = sum((Counter(each["faults"]) for each in results), Counter[str]())
    return {"first": first} | sums | {"found": found, "faults": dict(sorted(faults.items()))}


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
    lines = [f"seed {evidence.seed}: {evidence.plan}"]
    lines += [f"    {fault}" for fault in evidence.faults]
    lines += [f"  {each}" for each in found]
    if found:
        lines.append(f'  again: make simulate ARGS="--seed {evidence.seed} --log"')
    # At once, for other processes write too.
    click.echo("\n".join(lines), err=True)


def _set_up_logs(*, is_logged: bool) -> None:
    if is_logged:
        logging.getLogger().setLevel(logging.INFO)
        return
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    # Mode's loggers find words for what nobody will read.
    mode.utils.logging.CompositeLogger.log = _say_nothing  # type: ignore[method-assign]


def _say_nothing(*_: Any, **__: Any) -> None:
    pass


def _show_time(story: Story) -> None:
    class Formatter(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            where = "/".join(filter(None, HOST.get()))
            return f"{story.loop.now_s:9.4f} {where} {record.name} {record.getMessage()}"

    handler = logging.StreamHandler()
    handler.setFormatter(Formatter())
    logging.getLogger().handlers[:] = [handler]
