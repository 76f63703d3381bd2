"""Connections to Kafka, as far as no broker is needed to see it."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from threading import Event, Thread

import pytest
import trustme
import uvloop
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError, UnknownMemberIdError
from aiokafka.protocol.admin import ApiVersionRequest, ApiVersionResponse_v0
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest, JoinGroupResponse_v0
from aiokafka.protocol.metadata import MetadataRequest, MetadataResponse_v4

from streams import logins
from streams.kafka import clients
from streams.kafka.clients import UnansweredError
from streams.settings import KafkaSettings
from tests.streams import answering_broker
from tests.streams.answering_broker import HELLO, HOST


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def silent(authority: trustme.CA) -> Iterator[int]:
    """A broker behind TLS that is frozen once it has said what it can do; gives its port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    over = Event()

    def serve(door: socket.socket) -> None:
        came, _ = door.accept()
        with context.wrap_socket(came, server_side=True) as line:
            request = line.recv(4096)
            # Its correlation id, no error, and no requests that it knows.
            answer = request[8:12] + bytes(6)
            line.sendall(len(answer).to_bytes(4, "big") + answer)
            over.wait(60)

    with socket.create_server(("127.0.0.1", 0)) as door:
        thread = Thread(target=serve, args=(door,), daemon=True)
        thread.start()
        yield door.getsockname()[1]
        over.set()
        thread.join()


async def test_a_broker_that_is_frozen_does_not_keep_a_connection_that_is_closed(
    silent: int, authority: trustme.CA
) -> None:
    logins.renew()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    made = await create_conn(
        "127.0.0.1", silent, security_protocol="SSL", ssl_context=context, max_idle_ms=None
    )
    async with asyncio.timeout(15):  # TLS by itself waits for half a minute
        await made.close()


async def test_a_join_waits_for_the_group_and_no_other_request_does() -> None:
    """Whose coordinator answers no heartbeat, and a join when the other members are there."""
    hello = ApiVersionResponse_v0.SCHEMA.encode((0, [(11, 0, 0), (12, 0, 0), (18, 0, 0)]))
    no_members: list[tuple[str, bytes]] = []
    refusal = (UnknownMemberIdError.errno, -1, "", "", "", no_members)
    others_are_there = asyncio.Event()
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while size := await reader.read(4):
            request = await reader.readexactly(int.from_bytes(size, "big"))
            key = int.from_bytes(request[:2], "big")
            if key == HeartbeatRequest.API_KEY:
                continue
            answer = hello
            if key == JoinGroupRequest.API_KEY:
                await others_are_there.wait()
                answer = JoinGroupResponse_v0.SCHEMA.encode(refusal)
            body = request[4:8] + answer
            writer.write(len(body).to_bytes(4, "big") + body)
        writer.close()
        ended.set()

    logins.renew()
    join = JoinGroupRequest("group", 1_000, 60_000, "", "", "consumer", [("range", b"")])
    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        made = await create_conn("127.0.0.1", port, request_timeout_ms=500)
        joining = asyncio.ensure_future(made.send(join))
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await made.send(HeartbeatRequest("group", 1, "member"))
        others_are_there.set()
        answer = await joining
        made.close()
        await ended.wait()
    assert answer.error_code == UnknownMemberIdError.errno


def test_who_asks_on_a_closed_transport_hears_that_the_connection_is_closed() -> None:
    """Uvloop raises RuntimeError there, which aiokafka's producer took for the end of itself."""

    async def ask() -> None:
        logins.renew()
        async with answering_broker.broker({ApiVersionRequest.API_KEY: HELLO}) as address:
            made = await create_conn(HOST, int(address.rpartition(":")[2]))
            made._writer.transport.abort()  # as a reset does
            await asyncio.sleep(0)  # it is closed now, and nobody has read of it
            for _ in range(2):  # the second time aiokafka knows of it
                with pytest.raises(KafkaConnectionError):
                    await made.send(MetadataRequest([]))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(ask())


async def test_a_client_whose_start_is_cancelled_closes_its_first_connection() -> None:
    """It knew of none yet, and whoever collects garbage closed it, with a warning."""
    is_asked, is_left = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while size := await reader.read(4):
            request = await reader.readexactly(int.from_bytes(size, "big"))
            if int.from_bytes(request[:2], "big") == MetadataRequest.API_KEY:
                is_asked.set()  # and answers nothing
                continue
            body = request[4:8] + HELLO
            writer.write(len(body).to_bytes(4, "big") + body)
        writer.close()
        is_left.set()

    async def start(address: str) -> None:
        async with clients.consumer(KafkaSettings(bootstrap_servers=address)):
            pytest.fail("nobody has answered it")

    logins.renew()
    async with await asyncio.start_server(serve, HOST) as server:
        starting = asyncio.create_task(start(f"{HOST}:{server.sockets[0].getsockname()[1]}"))
        await is_asked.wait()
        starting.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await starting
        async with asyncio.timeout(20):
            await is_left.wait()
    # Until here the error keeps what was left.
    del cancelled


async def test_a_kafka_that_names_no_broker_yet_is_not_begun_with() -> None:
    """As one that has just come up; aiokafka asserted afterwards that it knew some."""
    logins.renew()
    names_nobody = MetadataResponse_v4.SCHEMA.encode((0, [], None, -1, []))
    answers = {ApiVersionRequest.API_KEY: HELLO, MetadataRequest.API_KEY: names_nobody}
    async with answering_broker.broker(answers) as address:
        kafka = KafkaSettings(bootstrap_servers=address)
        with pytest.raises(UnansweredError, match="answers, and did not answer all"):
            async with clients.reading(kafka, "mparticle-streams-router"):
                pass
