"""Workers that a test starts as processes, and what their pages say."""

import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from urllib.error import HTTPError
from urllib.request import urlopen

from sandbox.kafka import Kafka
from sandbox.ports import free_ports
from tests import zygote
from tests.cli.command import COMMAND, FAUST, SECONDS, environment

Settings = Mapping[str, str]

SAILTHRU = {"SAILTHRU_API_KEY": "0a1b2c3d4e5f", "SAILTHRU_API_SECRET": "not-a-real-secret"}
AB_TASTY = {
    "ABTASTY_ACCOUNT_ID": "our-account",
    "ABTASTY_PARTNER_NAME": "mparticle",
    "ABTASTY_CLIENT_ID": "our-client",
    "ABTASTY_CLIENT_SECRET": "not-a-real-secret",
}
ENOUGH: Mapping[str, Settings] = {"router": {}, "sailthru": SAILTHRU, "ab-tasty": AB_TASTY}


def by_command(worker: str) -> Sequence[str]:
    return (*COMMAND, "worker", worker)


def by_faust(worker: str) -> Sequence[str]:
    return (*FAUST, "-A", f"agents.{worker.replace('-', '_')}.app", "worker")


def at_kafka(kafka: Kafka, prefix: str) -> Settings:
    """What has a worker reach the sandbox's Kafka."""
    return {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap, "KAFKA_PREFIX": prefix}


@contextmanager
def serving(
    command: Sequence[str], given: Settings
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A worker's process and the address of its pages; killed in the end."""
    port = next(free_ports())
    with zygote.Popen(
        command,
        env=environment({**given, "WORKER_PORT": str(port)}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process, f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def eventually(
    is_so: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float = SECONDS
) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert process.poll() is None, "the process ended by itself"
        assert time.monotonic() < deadline, "the process never gets there"
        time.sleep(0.1)


def is_listening(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def get(url: str) -> tuple[int, bytes]:
    """Status and body; 0 while nobody listens."""
    try:
        with urlopen(url, timeout=SECONDS) as answer:  # noqa: S310 - http
            return answer.status, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()
    except OSError:
        return 0, b""


def series_of(url: str) -> Mapping[str, float]:
    """Every series of ours, by its name without the prefix, and labels."""
    _, page = get(f"{url}/metrics")
    found = re.findall(r"^mparticle_streams_(\S+) (\S+)$", page.decode(), re.MULTILINE)
    return {series: float(value) for series, value in found}


def counted(url: str, what: str) -> int:
    """What a counter stands at, by its first series; 0 while it has none."""
    _, page = get(f"{url}/metrics")
    found = re.search(
        rf"^mparticle_streams_{what}_total\{{.*\}} (\d+)", page.decode(), re.MULTILINE
    )
    return int(found[1]) if found else 0


def partitions_of(url: str) -> set[str]:
    """Those that a worker has; none while it does not answer."""
    names = " ".join(series_of(url))
    return set(re.findall(r'committable_offset\{partition="(\d+)"', names))
