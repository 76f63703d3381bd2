"""Connections to Kafka, as far as no broker is needed to see it."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from threading import Event, Thread

import pytest
import trustme
from aiokafka.conn import create_conn
from aiokafka.errors import UnknownMemberIdError
from aiokafka.protocol.admin import ApiVersionResponse_v0
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest, JoinGroupResponse_v0

from streams import logins


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
