"""What is said of a Kafka that cannot be reached, where no real one is needed to see it."""

import asyncio

from aiokafka.protocol.admin import ApiVersionRequest, ApiVersionResponse_v0

from streams.kafka.diagnosis import diagnose
from streams.settings import KafkaSettings

HOST = "127.0.0.1"


async def test_a_connection_that_breaks_once_is_no_wrong_setting() -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(1):
            server.close()
        writer.close()

    server = await asyncio.start_server(break_off, HOST)
    address = f"{HOST}:{server.sockets[0].getsockname()[1]}"
    said = await diagnose(KafkaSettings(bootstrap_servers=address))

    assert said == (
        f"Kafka at {address} answers at times and breaks connections off at others: look at the "
        "brokers and at what stands between."
    )


async def test_a_connection_that_breaks_at_the_first_question_is_no_login_that_lacks() -> None:
    """A broker that answers to hellos, and to nothing else."""

    async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                size = int.from_bytes(await reader.readexactly(4), "big")
                request = await reader.readexactly(size)
            except asyncio.IncompleteReadError:
                break
            if int.from_bytes(request[:2], "big") != ApiVersionRequest.API_KEY:
                break
            versions = [(3, 0, 4), (17, 1, 1), (18, 0, 0)]
            body = request[4:8] + ApiVersionResponse_v0.SCHEMA.encode((0, versions))
            writer.write(len(body).to_bytes(4, "big") + body)
        writer.close()

    async with await asyncio.start_server(hello, HOST) as server:
        address = f"{HOST}:{server.sockets[0].getsockname()[1]}"
        said = await diagnose(KafkaSettings(bootstrap_servers=address))

    assert "login" not in said
    assert address in said
