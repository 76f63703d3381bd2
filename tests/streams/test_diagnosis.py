"""What is said of a Kafka that cannot be reached, where no real one is needed to see it."""

import asyncio

from streams.diagnosis import diagnose
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
