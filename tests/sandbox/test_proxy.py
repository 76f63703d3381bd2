"""The sandbox's network between one client and a server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from sandbox.kafka import Kafka
from sandbox.ports import HOST
from sandbox.proxy import Proxy
from streams.kafka import topic_admin

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def echo(heard: bytearray | None = None) -> AsyncIterator[int]:
    """A server that says what it hears, and hangs up when the other side has said all."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1_000):
            if heard is not None:
                heard.extend(data)
            writer.write(data)
        writer.close()

    async with await asyncio.start_server(answer, HOST) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection(HOST, proxy.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def _all_had_their_turn() -> None:
    """A trip through the same event loop, longer than any through the proxy."""
    async with echo() as port, Proxy(port) as proxy, connected(proxy) as (reader, writer):
        for _ in range(10):
            writer.write(b"there")
            await reader.readexactly(5)


async def test_what_comes_is_passed_on_both_ways_until_one_side_has_said_all() -> None:
    async with echo() as port, Proxy(port) as proxy, connected(proxy) as (reader, writer):
        writer.write(b"all of it" * 100_000)
        writer.write_eof()

        assert await reader.read() == b"all of it" * 100_000


async def test_a_cut_resets_what_is_connected_and_whoever_comes_until_it_is_healed() -> None:
    async with echo() as port, Proxy(port) as proxy:
        async with connected(proxy) as (reader, writer):
            writer.write(b"before")
            assert await reader.readexactly(6) == b"before"
            proxy.cut()
            with pytest.raises(ConnectionResetError):
                await reader.read()
        async with connected(proxy) as (reader, _):
            with pytest.raises(ConnectionResetError):
                await reader.read()
        proxy.heal()
        async with connected(proxy) as (reader, writer):
            writer.write(b"after")
            assert await reader.readexactly(5) == b"after"


async def test_what_is_written_into_a_black_hole_arrives_after_it_is_healed() -> None:
    heard = bytearray()
    async with echo(heard) as port, Proxy(port) as proxy, connected(proxy) as (reader, writer):
        writer.write(b"before")
        assert await reader.readexactly(6) == b"before"
        proxy.black_hole()
        writer.write(b"swallowed")
        async with connected(proxy) as (newcomer, late):
            late.write(b"late")
            await _all_had_their_turn()
            assert heard == b"before"
            proxy.heal()

            assert await reader.readexactly(9) == b"swallowed"
            assert await newcomer.readexactly(4) == b"late"


async def test_without_a_server_a_client_is_reset() -> None:
    async with Proxy() as proxy, connected(proxy) as (reader, _):
        with pytest.raises(ConnectionResetError):
            await reader.read()


@pytest.mark.kafka
async def test_a_client_that_comes_through_a_proxy_stays_behind_it() -> None:
    async with Proxy() as ours, Proxy() as another:
        ports = (ours.port, another.port)
        async with Kafka(advertised=ports) as kafka:
            ours.target, another.target = (kafka.listeners[port] for port in ports)
            bootstrap = f"{HOST}:{ours.port}"
            admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
            await admin.start()
            await admin.create_topics([NewTopic("records", 1, 1)])
            await topic_admin.wait_until_known(admin, ["records"])
            await admin.close()
            async with (
                AIOKafkaProducer(
                    bootstrap_servers=f"{HOST}:{another.port}", enable_idempotence=True
                ) as producer,
                AIOKafkaConsumer("records", bootstrap_servers=bootstrap) as consumer,
            ):
                await consumer.seek_to_beginning()
                ours.cut()
                await producer.send_and_wait("records", b"written by another")
                read = asyncio.ensure_future(anext(consumer))
                # It comes again and again, when the record is there, and has no other way to it.
                for _ in range(2):
                    await ours.turns_one_away()
                assert not read.done()
                ours.heal()
                assert (await read).value == b"written by another"
