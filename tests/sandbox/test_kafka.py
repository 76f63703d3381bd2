"""The sandbox's Apache Kafka: what it keeps, what it leaves behind, how it fails."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.protocol.admin import ApiVersionRequest
from aiokafka.protocol.metadata import MetadataRequest, MetadataResponse_v4

from sandbox.kafka import BrokerError, Kafka, command_line, fetch
from sandbox.ports import HOST
from streams.kafka import topic_admin
from tests.streams import answering_broker

pytestmark = pytest.mark.kafka

PARENT = """
import asyncio, pathlib, sys
from sandbox.kafka import Kafka

async def main():
    kafka = Kafka(pathlib.Path(sys.argv[1]))
    await kafka.start()
    print(kafka.bootstrap, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def create_topic(kafka: Kafka, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
        await topic_admin.wait_until_known(admin, [topic])
    finally:
        await admin.close()


async def produce(kafka: Kafka, topic: str, *values: bytes) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap, enable_idempotence=True
    ) as producer:
        for value in values:
            await producer.send_and_wait(topic, value)


async def read(kafka: Kafka, topic: str, count: int) -> list[bytes]:
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        return [(await anext(consumer)).value for _ in range(count)]


async def output(*argv: str) -> list[str]:
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    written, _ = await process.communicate()
    assert process.returncode == 0
    return written.decode().split()


async def test_an_idempotent_producer_is_acknowledged_and_its_records_are_read_in_order(
    kafka: Kafka, prefix: str
) -> None:
    topic = f"{prefix}records"
    await create_topic(kafka, topic)
    await produce(kafka, topic, b"first", b"second")

    assert await read(kafka, topic, 2) == [b"first", b"second"]


async def test_a_record_survives_a_kill_and_is_there_on_the_same_port_after_the_next_start() -> (
    None
):
    async with Kafka() as kafka:
        await create_topic(kafka, "records")
        await produce(kafka, "records", b"kept")
        before = kafka.bootstrap, kafka.pid
        await kafka.kill()
        await kafka.start()

        assert kafka.bootstrap == before[0]
        assert kafka.pid != before[1]
        assert await read(kafka, "records", 1) == [b"kept"]


async def test_a_stopped_broker_leaves_no_process_no_listener_and_no_temporary_file() -> None:
    async with Kafka() as kafka:
        bootstrap, pid, log = kafka.bootstrap, kafka.pid, kafka.log
    host, port = bootstrap.split(":")

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, int(port))
    assert not log.parent.exists()


async def test_a_directory_of_the_callers_keeps_its_records_for_another_broker(
    tmp_path: Path,
) -> None:
    async with Kafka(tmp_path) as kafka:
        await create_topic(kafka, "records")
        await produce(kafka, "records", b"kept")
    async with Kafka(tmp_path) as kafka:
        assert await read(kafka, "records", 1) == [b"kept"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def another() -> AsyncIterator[Kafka]:
    """One that this process started."""
    async with Kafka() as broker:
        yield broker


async def test_two_brokers_side_by_side_do_not_see_each_others_topics(
    kafka: Kafka, another: Kafka, prefix: str
) -> None:
    topic = f"{prefix}records"
    for broker, value in ((kafka, b"ours"), (another, b"theirs")):
        await create_topic(broker, topic)
        await produce(broker, topic, value)

    assert await read(kafka, topic, 1) == [b"ours"]
    assert await read(another, topic, 1) == [b"theirs"]


async def test_kafkas_own_command_line_lists_a_consumer_group(kafka: Kafka, prefix: str) -> None:
    topic, group = f"{prefix}records", f"{prefix}readers"
    await create_topic(kafka, topic)
    await produce(kafka, topic, b"one")
    async with AIOKafkaConsumer(
        topic,
        bootstrap_servers=kafka.bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    ) as consumer:
        await anext(consumer)
        await consumer.commit()

    tool = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
    assert group in await output(
        *command_line(tool, "--bootstrap-server", kafka.bootstrap, "--list")
    )


async def test_the_broker_is_out_of_reach_of_a_ctrl_c_in_our_terminal(another: Kafka) -> None:
    assert os.getpgid(another.pid) != os.getpgid(0)


async def test_the_broker_dies_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    bootstrap = (await parent.stdout.readline()).decode().strip()
    reader, writer = await asyncio.open_connection(*bootstrap.split(":"))
    parent.send_signal(signal.SIGKILL)
    await parent.wait()

    async with asyncio.timeout(60):
        with suppress(ConnectionResetError):  # so ends one that the broker had not taken yet
            assert await reader.read() == b""
    writer.close()


async def test_a_cancelled_start_leaves_no_process(tmp_path: Path) -> None:
    kafka = Kafka(tmp_path)
    starting = asyncio.create_task(kafka.start())
    while not kafka.has_process:  # noqa: ASYNC110 - nothing announces a spawned process
        await asyncio.sleep(0.01)
    pid = kafka.pid
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_taken_port_is_named_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        kafka = Kafka(tmp_path, port=port)
        with pytest.raises(BrokerError, match=rf"Port {port} .* is taken"):
            await kafka.start()


async def test_who_has_taken_the_port_meanwhile_is_not_taken_for_the_broker(tmp_path: Path) -> None:
    """Two that start at once may find the same port free; the other's answers are not ours."""
    another = MetadataResponse_v4.SCHEMA.encode((0, [(1, HOST, 9, None)], "another", 1, []))
    answers = {ApiVersionRequest.API_KEY: answering_broker.HELLO, MetadataRequest.API_KEY: another}
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((HOST, 0))
        kafka = Kafka(tmp_path, port=taken.getsockname()[1])
        starting = asyncio.create_task(kafka.start())
        while not kafka.has_process:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
        async with answering_broker.broker(answers, at=taken):
            with pytest.raises(BrokerError, match="ended while it started"):
                await starting

    assert not kafka.has_process


async def test_a_failed_start_names_the_log_and_shows_its_end(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a directory")
    kafka = Kafka(tmp_path)

    with pytest.raises(BrokerError) as failure:
        await kafka.start()

    assert str(kafka.log) in str(failure.value)
    assert kafka.log.read_text().splitlines()[-1] in str(failure.value)


def test_fetching_without_a_network_says_what_to_do_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind((HOST, 0))
        monkeypatch.setenv("HTTPS_PROXY", f"http://{HOST}:{nobody_listens.getsockname()[1]}")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        with pytest.raises(BrokerError, match="connect this machine to the internet"):
            fetch()

    assert list((tmp_path / "mparticle-streams").iterdir()) == []


@pytest.fixture
def another_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of one's own with the jars that are there, which a test may change."""
    ours = tmp_path / "mparticle-streams" / fetch().name
    ours.mkdir(parents=True)
    for jar in fetch().iterdir():
        (ours / jar.name).symlink_to(jar)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return ours


def _change(jar: Path) -> None:
    content = jar.read_bytes()
    jar.unlink()
    jar.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


CHANGES: dict[str, Callable[[Path], object]] = {
    "one bit is another": _change,
    "one is missing": Path.unlink,
    "one more is there": lambda jar: jar.with_name("agent-1.0.jar").write_bytes(b"PK"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_no_jar_is_run_that_is_not_the_one_that_was_published(
    another_cache: Path, change: str
) -> None:
    CHANGES[change](another_cache / "slf4j-api-1.7.36.jar")
    with pytest.raises(BrokerError, match=r"agent-1\.0\.jar|slf4j-api-1\.7\.36\.jar"):
        command_line("kafka.Kafka")


def test_what_was_changed_on_its_way_here_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tampered(scratch: Path, _progress: object, _version: str) -> Path:
        (scratch / "jars").mkdir()
        (scratch / "jars" / "slf4j-api-1.7.36.jar").write_bytes(b"PK")
        return scratch / "jars"

    monkeypatch.setattr("sandbox.kafka.download", tampered)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(BrokerError, match="are not what was published"):
        fetch()
    assert list((tmp_path / "mparticle-streams").iterdir()) == []


AS_IT_COMES = {
    "retention.ms": 7 * 24 * 3600 * 1000,
    "max.message.bytes": 1_048_588,
    "message.timestamp.type": "CreateTime",
    "message.timestamp.before.max.ms": 2**63 - 1,
    "message.timestamp.after.max.ms": 3_600_000,
}
"""Apache Kafka's documentation, topic-level configurations."""


async def test_topics_are_kept_and_limited_as_those_of_any_kafka(kafka: Kafka) -> None:
    """A broker that takes and keeps everything hides what others refuse and delete."""
    await create_topic(kafka, "plain")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        asked = ConfigResource(ConfigResourceType.TOPIC, "plain", dict.fromkeys(AS_IT_COMES))
        (answer,) = await admin.describe_configs([asked])
    finally:
        await admin.close()
    told = {name: value for *_, entries in answer.resources for name, value, *_ in entries}

    assert told == {name: str(value) for name, value in AS_IT_COMES.items()}


@pytest.mark.long
async def test_kafkas_own_tool_formats_the_first_broker_of_a_machine_and_later_ones_are_like_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jars = fetch()
    kept = tmp_path / "mparticle-streams"
    kept.mkdir()
    (kept / jars.name).symlink_to(jars)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    said, written = [], set()
    for _ in range(2):
        async with Kafka() as kafka:
            said.append("Formatting" in kafka.log.read_text())
            written.add((kafka.directory / "data" / "bootstrap.checkpoint").read_bytes())
    assert said == [True, False]
    assert written == {each.read_bytes() for each in kept.glob("*.checkpoint")}
