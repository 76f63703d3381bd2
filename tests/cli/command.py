"""The command and its workers as processes, without any setting of whoever runs the tests."""

import asyncio
import gc
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock, Thread
from traceback import format_exception
from types import MappingProxyType

from click.testing import Result

from cli.settings import groups
from streams.settings import KafkaSettings
from tests import zygote
from tests.cli.messages import invoke

SECONDS = 120
_PREFIXES = tuple(str(group.model_config.get("env_prefix")) for group in groups())

# They run until they are told to stop, by a signal, or set up the logging of a whole process: a
# logger that is used meanwhile keeps it for good.
_PROCESSES = {"worker", "receiver", "sandbox", "demo", "fill"}
# Standard output and the environment are the whole process's.
_HERE = Lock()

COMMAND = (sys.executable, "-m", "cli")
FAUST = (sys.executable, "-m", "faust")


def environment(settings: Mapping[str, str]) -> Mapping[str, str]:
    """What a process is given: these settings and no others."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(_PREFIXES)
    }
    return {**inherited, "PYTHONUNBUFFERED": "1", **settings}


def run(
    *arguments: str,
    of: Sequence[str] = COMMAND,
    given: bytes = b"",
    settings: Mapping[str, str] = MappingProxyType({}),
    seconds: float = SECONDS,
) -> subprocess.CompletedProcess[str]:
    """Runs to the end; `given` is its standard input.

    What only asks runs in this process. While one does, another gets a process of its own.
    """
    asks = of is COMMAND and arguments[0] not in _PROCESSES
    if asks and _HERE.acquire(blocking=False):
        return _run_here(arguments, given, settings, seconds)
    with zygote.Popen(
        [*of, *arguments],
        env=environment(settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            shown, told = process.communicate(given, seconds)
        finally:
            process.kill()
    return subprocess.CompletedProcess(
        process.args, process.returncode, shown.decode(), told.decode()
    )


def _run_here(
    arguments: Sequence[str], given: bytes, settings: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """As a process would, with an event loop of its own; gives the lock back."""
    results: list[Result] = []

    def work() -> None:
        try:
            with _client_heard_as_before(), warnings.catch_warnings():
                # What it leaves open, the end of its process would have closed.
                warnings.simplefilter("ignore", ResourceWarning)
                results.append(invoke(*arguments, given=given, settings=settings))
                gc.collect()
        finally:
            _HERE.release()

    # A daemon, so that one which hangs keeps only its own test.
    thread = Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if not results:
        raise subprocess.TimeoutExpired(arguments, seconds)
    [result] = results
    shown, told, end = result.stdout, result.stderr, result.exception
    if isinstance(end, SystemExit):
        if isinstance(end.code, str):  # which click's runner shows where Python does not
            shown, told = shown.removesuffix(f"{end.code}\n"), f"{told}{end.code}\n"
    elif end is not None:
        told += "".join(format_exception(end))
    return subprocess.CompletedProcess(arguments, result.exit_code, shown, told)


@contextmanager
def _client_heard_as_before() -> Iterator[None]:
    """A command that asks Kafka mutes the client."""
    aiokafka = logging.getLogger("aiokafka")
    level = aiokafka.level
    try:
        yield
    finally:
        aiokafka.setLevel(level)


async def run_on(cluster: KafkaSettings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What asks this Kafka."""
    given = {
        "KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap_servers,
        "KAFKA_PREFIX": cluster.prefix,
    }
    said = await asyncio.to_thread(run, *arguments, settings=given)
    assert "Traceback" not in said.stderr, said.stderr
    return said
