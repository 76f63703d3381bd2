"""The command and its workers as processes, without any setting of whoever runs the tests."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from cli.settings import groups
from streams.settings import KafkaSettings

SECONDS = 60
_PREFIXES = tuple(str(group.model_config.get("env_prefix")) for group in groups())

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
    """Runs to the end; `given` is its standard input."""
    done = subprocess.run(  # noqa: S603 - our own words, and no shell
        [*of, *arguments],
        env=environment(settings),
        input=given,
        capture_output=True,
        timeout=seconds,
        check=False,
    )
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


async def run_on(cluster: KafkaSettings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What asks this Kafka."""
    given = {
        "KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap_servers,
        "KAFKA_PREFIX": cluster.prefix,
    }
    said = await asyncio.to_thread(run, *arguments, settings=given)
    assert "Traceback" not in said.stderr
    return said
