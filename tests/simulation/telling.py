"""Tells many stories: a part of them at a time, each in a process of its own.

A process ends with what its stories leave, which is a heap of cycles. To collect it takes a
fifteenth of the time of the stories themselves, and to end is free.
"""

import gc
import logging
import multiprocessing
import multiprocessing.connection
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import click
import mode.utils.logging
import structlog

from tests.simulation.ledger import Result
from tests.simulation.loop import HOST
from tests.simulation.oracle import judge
from tests.simulation.story import Story

_STORIES_A_PROCESS = 25
_SUMMED = ("seeds", "violations", "simulated_seconds", "turns", "cpu_seconds")


class Stop:
    """Notes that the run is to stop, by Ctrl-C or SIGTERM, and wakes whoever waits for processes.

    Nothing is raised: where a handler raises, a process that has just begun is nobody's to end.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        """The number of the first, once there is one."""
        self.wakes, self._wake = multiprocessing.Pipe(duplex=False)
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self.wakes.close()
        self._wake.close()

    def _note(self, number: int, _frame: object) -> None:
        if self.signal is None:
            self.signal = number
            self._wake.send_bytes(b"stop")


def parts(seeds: range) -> Iterator[range]:
    """The same parts wherever a run begins, so that another one finds them again."""
    at = seeds.start
    while at < seeds.stop:
        until = min(seeds.stop, at - at % _STORIES_A_PROCESS + _STORIES_A_PROCESS)
        yield range(at, until)
        at = until


def tell(
    seeds: range,
    *,
    until_found: bool = False,
    is_logged: bool = False,
    stop: Stop | None = None,
) -> Result:
    """Tells them in this process, which goes on with what they leave: nothing is collected."""
    gc.disable()
    _set_up_logs(is_logged=is_logged)
    began = time.process_time()
    found: list[int] = []
    told, seconds, turns = 0, 0.0, 0
    faults = Counter[str]()
    for seed in seeds:
        if stop is not None and stop.signal is not None:
            break
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
    stop: Stop,
    *,
    until_found: bool = False,
) -> list[Result]:
    """Tells parts in so many processes at a time; what comes of each is kept as it comes.

    Told to stop, it ends the processes, and returns what has come by then. Raises ClickException
    where a process ends without a result.
    """
    # It reads in what each process would read for itself.
    _set_up_logs(is_logged=False)
    Story(0).run()
    gc.collect()
    gc.freeze()
    fork = multiprocessing.get_context("fork")
    waiting, results = list(reversed(seeds)), list[Result]()
    working: dict[Any, tuple[range, Any]] = {}
    try:
        while (working or waiting) and stop.signal is None:
            while waiting and len(working) < jobs:
                part = waiting.pop()
                here, there = fork.Pipe(duplex=False)
                process = fork.Process(target=_tell_and_say, args=(there, part, until_found))
                process.start()
                there.close()
                working[here] = part, process
            said: list[Any] = multiprocessing.connection.wait([*working, stop.wakes])
            for here in working.keys() & said:
                part, process = working.pop(here)
                result = _result(here, part, process)
                keep(result)
                results.append(result)
                if until_found and result["violations"]:
                    waiting.clear()
    finally:
        for _, process in working.values():
            process.kill()
            process.join()
    return results


def _result(here: Any, part: range, process: Any) -> Result:
    try:
        result: Result = here.recv()
    except EOFError:
        process.join()
        raise click.ClickException(
            f"the process that told seeds {part.start} to {part.stop - 1} ended with "
            f"{process.exitcode}"
        ) from None
    process.join()
    return result


def _tell_and_say(there: Any, seeds: range, until_found: bool) -> None:
    # Ctrl-C is for all processes of a terminal; it is the first that ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
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
