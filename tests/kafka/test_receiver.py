"""Nothing that mParticle was told is taken gets lost, whatever dies: Kafka, the receiver."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from aiokafka.structs import ConsumerRecord
from structlog.testing import capture_logs

from agents.receiver.producer_supervisor import ProducerSupervisor
from agents.receiver.writer import Writer
from sandbox.kafka import Kafka
from sandbox.mparticle import Message, generate, post
from sandbox.proxy import Proxy
from streams.settings import KafkaSettings
from streams.topics import RAW
from streams.worker import pages
from tests.agents.receiver.served import TOKEN, Served, held, served, until
from tests.kafka.guarded import GuardedKafka
from tests.kafka.log import everything
from tests.kafka.receivers import running
from tests.started_workers import is_listening
from tests.streams.cluster import create, settings

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="session")]

MESSAGES, USERS = 2_000, 60
NOW_MS = 1_767_225_600_000


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def far() -> AsyncIterator[tuple[Kafka, Proxy]]:
    """A broker that tells clients to come by a way that can be cut, and that way."""
    async with Proxy() as proxy, Kafka(advertised=[proxy.port]) as broker:
        proxy.target = broker.listeners[proxy.port]
        yield broker, proxy


@pytest_asyncio.fixture(loop_scope="session")
async def proxied(
    far: tuple[Kafka, Proxy], prefix: str
) -> AsyncIterator[tuple[Proxy, KafkaSettings]]:
    """The way to it, and the settings of whoever goes none."""
    broker, proxy = far
    direct = settings(broker, prefix)
    await create(direct, [RAW])
    yield proxy, direct
    proxy.heal()


def by_way_of(proxy: Proxy, direct: KafkaSettings) -> KafkaSettings:
    return direct.model_copy(update={"bootstrap_servers": f"127.0.0.1:{proxy.port}"})


def by_file(login: KafkaSettings, secret: Path) -> dict[str, str]:
    return {
        "KAFKA_SECURITY_PROTOCOL": login.security_protocol,
        "KAFKA_SASL_USERNAME": login.sasl_username or "",
        "KAFKA_SASL_PASSWORD_FILE": str(secret),
        "WORKER_STALL_TIMEOUT_S": "60",
    }


def values(records: Iterable[ConsumerRecord]) -> list[bytes]:
    return [record.value for record in records]


async def test_killing_receiver_and_kafka_loses_nothing_and_keeps_each_users_order(
    tmp_path: Path,
) -> None:
    messages = list(generate(seed=11, users=USERS, messages=MESSAGES, start_ms=NOW_MS))
    reached = {count: asyncio.Event() for count in (MESSAGES // 4, MESSAGES // 2)}
    accepted: list[Message] = []

    def note(message: Message) -> None:
        accepted.append(message)
        if (event := reached.get(len(accepted))) is not None:
            event.set()

    async with Kafka(tmp_path / "kafka") as broker:
        cluster = settings(broker, "")
        await create(cluster, [RAW])
        with running(cluster, tmp_path / "log") as receiver:

            async def disturb() -> None:
                killed_receiver, killed_broker = reached.values()
                await killed_receiver.wait()
                receiver.kill()
                receiver.start()
                await killed_broker.wait()
                await broker.kill()
                # What it holds now, Kafka has not.
                while b"in_flight_bytes 0.0" in (await receiver.page("metrics"))[1]:  # noqa: ASYNC110 - it has no event
                    await asyncio.sleep(0.05)
                receiver.kill()
                await broker.start()
                receiver.start()

            async with asyncio.TaskGroup() as group:
                group.create_task(disturb())
                posted = await post(
                    receiver.url, messages, token=TOKEN, accepted=note, patience_s=120
                )
            assert await receiver.stop() == 0
        found = await everything(cluster, RAW)

    assert posted.lost == {}
    assert posted.accepted == MESSAGES
    assert posted.retried > 0
    assert set(values(found)) == {message.value for message in messages}
    order = _first_of_each(found)
    compared = 0
    for mpid in {message.key for message in messages if message.key}:
        wanted = dict.fromkeys(message.value for message in messages if message.key == mpid)
        mine = [value for value in order.get(mpid, ()) if value in wanted]
        assert mine == [value for value in wanted if value in set(mine)]
        compared += len(mine)
    assert compared > MESSAGES // 2


def _first_of_each(found: Iterable[ConsumerRecord]) -> dict[bytes, list[bytes]]:
    """By key, what the log holds, each once: a repeat is known by its first."""
    order: dict[bytes, dict[bytes, None]] = {}
    for record in sorted(found, key=lambda record: (record.partition, record.offset)):
        order.setdefault(record.key, {})[record.value] = None
    return {key: list(of_key) for key, of_key in order.items()}


async def taken(receiver: Served, body: bytes) -> None:
    """Posts as mParticle does: again, for as long as it is refused."""
    async with asyncio.timeout(60):
        while (answer := await receiver.post(body)).status != 202:
            assert answer.status == 503
            await asyncio.sleep(0.04)


async def test_while_kafka_is_away_posts_are_refused_in_time_and_taken_again_afterwards(
    proxied: tuple[Proxy, KafkaSettings],
) -> None:
    proxy, direct = proxied
    clock = asyncio.get_running_loop().time
    async with served(by_way_of(proxy, direct), timeout_s=0.5) as receiver:
        await taken(receiver, b'{"before": 1}')
        proxy.black_hole()
        began = clock()
        late = [await receiver.post(b'{"mpid": "%d"}' % user) for user in range(8)]
        # One that waits for each partition, and the others at once.
        assert {answer.status for answer in late} == {503}
        assert clock() - began < 30
        was_away = receiver.writer.is_away
        # What the producer still holds counts, although it is answered.
        assert held() == sum(receiver.writer.late.values()) * 64 * 1024 > 0
        proxy.heal()
        for body in (b'{"mpid": "9"}', b"{}"):
            await taken(receiver, body)
        assert (was_away, receiver.writer.is_away) == (True, False)
        assert held() == 0
    found = values(await everything(direct, RAW))
    # What was late comes once, of those that were refused at once nothing does.
    assert {b'{"before": 1}', b'{"mpid": "9"}', b"{}"} <= set(found)
    refused_at_once = [
        value for value in found if value.startswith(b'{"mpid": "') and b"9" not in value
    ]
    assert 1 <= len(refused_at_once) <= direct.topic_partitions


async def test_a_receiver_without_kafka_says_so_and_is_ready_again_with_it(
    proxied: tuple[Proxy, KafkaSettings], tmp_path: Path
) -> None:
    proxy, direct = proxied
    messages = [Message(None, b'{"mpid": "17"}')]
    with running(by_way_of(proxy, direct), tmp_path / "log") as receiver:
        assert (await post(receiver.url, messages, token=TOKEN)).accepted == 1
        assert (await receiver.page("ready"))[0] == 200
        proxy.black_hole()
        assert (await post(receiver.url, messages, token=TOKEN, patience_s=0)).lost == {503: 1}
        status, why_not = await receiver.page("ready")
        assert (status, b"look at the brokers" in why_not) == (503, True)
        proxy.heal()
        assert (await post(receiver.url, messages, token=TOKEN)).accepted == 1
        assert (await receiver.page("ready"))[0] == 200
        assert await receiver.stop() == 0
    assert set(values(await everything(direct, RAW))) == {b'{"mpid": "17"}'}


async def exchanged(broker: GuardedKafka, password: str) -> None:
    """As when somebody exchanges it and ends the connections that there are."""
    await broker.kill()
    broker.takes(password)
    await broker.start()


async def test_a_password_that_is_exchanged_in_its_file_is_taken_without_a_restart(
    tmp_path: Path,
) -> None:
    secret = tmp_path / "password"
    messages = [Message(None, b'{"mpid": "17"}')]
    async with GuardedKafka() as broker:
        await create(settings(broker, ""), [RAW])
        secret.write_text(broker.password)
        with running(broker.login, tmp_path / "log", **by_file(broker.login, secret)) as receiver:
            assert (await post(receiver.url, messages, token=TOKEN)).accepted == 1
            await exchanged(broker, "the-second-password")
            while b"authentication_failed" not in (await receiver.page("ready"))[1]:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.04)
            assert (await receiver.page("live"))[0] == 200
            assert (await post(receiver.url, messages, token=TOKEN, patience_s=0)).lost == {503: 1}
            secret.write_text(broker.password)
            taken = await post(receiver.url, messages, token=TOKEN, patience_s=60)
            assert taken.accepted == 1
            assert (await receiver.page("ready"))[0] == 200
            assert await receiver.stop() == 0
    assert "the-second-password" not in (tmp_path / "log").read_text()


async def test_who_is_let_in_no_more_ends_so_that_it_is_started_again_and_live_says_so(
    tmp_path: Path,
) -> None:
    async with GuardedKafka() as broker:
        await create(settings(broker, ""), [RAW])
        login = broker.login
        writer = Writer(RAW.name, 1.0, 1_000_000)
        async with ProducerSupervisor(writer, lambda: login, 2.0) as producing:
            keeping = asyncio.create_task(producing.keep())
            await exchanged(broker, "the-second-password")
            async with asyncio.timeout(60):
                await producing.ended.wait()
            keeping.cancel()
            page = pages.app(
                lambda: ("kafka_unreachable", producing.away),
                lambda: producing.dead,
                lambda: None,
            )
            async with TestClient(TestServer(page)) as client:
                live = await client.get("/live")
                assert live.status == 503
                assert "refuses the login" in (await live.json())["why_not"]


async def test_where_kafka_answers_and_acknowledges_nothing_it_ends_with_the_reason(
    kafka: Kafka, prefix: str
) -> None:
    """A broker alone cannot lack replicas in sync, so that a post which waits is invented."""
    cluster = settings(kafka, prefix)
    await create(cluster, [RAW])
    writer = Writer(cluster.topic(RAW.name), 1.0, 1_000_000)
    async with ProducerSupervisor(writer, lambda: cluster, 1.0) as producing:
        writer.waiting = 1
        with capture_logs() as lines:
            keeping = asyncio.create_task(producing.keep())
            async with asyncio.timeout(60):
                await producing.ended.wait()
            keeping.cancel()
    [line] = [line for line in lines if line["event"] == "stalled"]
    assert line["detail"] == "Kafka answers, and has acknowledged nothing for 1 s"
    assert "replicas in sync" in line["what_to_do"]


async def test_an_outage_however_long_does_not_end_it(tmp_path: Path) -> None:
    """Without Kafka it could not start again, and mParticle would find nobody."""
    messages = [Message(None, b'{"mpid": "17"}')]
    async with Kafka(tmp_path / "kafka") as broker:
        cluster = settings(broker, "")
        await create(cluster, [RAW])
        with running(cluster, tmp_path / "log", WORKER_STALL_TIMEOUT_S="1") as receiver:
            assert (await post(receiver.url, messages, token=TOKEN)).accepted == 1
            await broker.kill()
            # Kafka takes longer to start than the receiver would have had.
            assert (await post(receiver.url, messages, token=TOKEN, patience_s=0)).lost == {503: 1}
            await broker.start()
            assert (await post(receiver.url, messages, token=TOKEN, patience_s=60)).accepted == 1
            assert await receiver.stop() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process does not tell its memory")
async def test_what_waits_for_kafka_stays_within_the_limit_on_memory(
    proxied: tuple[Proxy, KafkaSettings], tmp_path: Path
) -> None:
    proxy, direct = proxied
    room = 64 * 1024 * 1024
    # Of many small strings: parsed, a message is ten times its bytes.
    body = b'{"mpid": "%d", "events": [' + b'"ab", ' * 850_000 + b'""]}'
    messages = [Message(None, body % user) for user in range(16)]
    with running(by_way_of(proxy, direct), tmp_path / "log", RECEIVER_TIMEOUT_S="8") as receiver:
        await post(receiver.url, [Message(None, b"{}")], token=TOKEN)
        proxy.black_hole()
        # Until each has been read whole and has waited in vain, or was refused.
        posted = await asyncio.gather(
            *(post(receiver.url, [each], token=TOKEN, patience_s=0) for each in messages)
        )
        peak = receiver.peak_bytes()
        proxy.heal()
        assert await receiver.stop() == 0
    assert [each.lost for each in posted] == [{503: 1}] * len(messages)
    assert 2 * room < peak < 4 * room + 200_000_000


async def test_told_to_stop_it_waits_for_kafkas_word_on_what_is_under_way(
    proxied: tuple[Proxy, KafkaSettings], tmp_path: Path
) -> None:
    proxy, direct = proxied
    messages = [Message(None, b'{"mpid": "%d"}' % user) for user in range(10)]
    with running(by_way_of(proxy, direct), tmp_path / "log", RECEIVER_TIMEOUT_S="20") as receiver:
        await post(receiver.url, [Message(None, b"{}")], token=TOKEN)
        proxy.black_hole()
        under_way = [
            asyncio.create_task(post(receiver.url, [each], token=TOKEN, patience_s=0))
            for each in messages
        ]
        told = f"mparticle_streams_receiver_in_flight_bytes {len(messages) * 64 * 1024}.0".encode()
        while told not in (await receiver.page("metrics"))[1]:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.05)
        stopping = asyncio.create_task(receiver.stop())
        await until(lambda: not is_listening(receiver.port))
        assert not any(task.done() for task in (*under_way, stopping))
        proxy.heal()
        assert [(await task).accepted for task in under_way] == [1] * len(messages)
        assert await stopping == 0
    found = set(values(await everything(direct, RAW)))
    assert found == {b"{}", *(message.value for message in messages)}
