"""Connections to Kafka, as far as no broker is needed to see it."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from threading import Event, Thread

import pytest
import trustme
from aiokafka.conn import create_conn

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
