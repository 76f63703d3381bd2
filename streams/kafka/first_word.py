"""What stands behind an address, by the first that it says to a client of Kafka."""

import asyncio
import contextlib
import ssl
from typing import Final, NamedTuple

from streams import tls
from streams.settings import KafkaSettings

# A request for what it can do (ApiVersions, version 0), which Kafka answers before any login: its
# key, version and correlation id, and no client id.
_HELLO: Final = b"\x00\x12\x00\x00\x00\x00\x00\x01\xff\xff"
# For a connection with its handshake, and then for a word.
_CONNECT_SECONDS: Final = 1.0
_WORD_SECONDS: Final = 1.0
# Whoever speaks TLS alone answers with its alert to whatever it does not understand.
_ALERT: Final = b"\x15"


class FirstWord(NamedTuple):
    """What somebody said before they broke off or fell silent.

    `speaks_tls` is None where nothing tells, as of one that breaks off each time, whatever it is
    told: a broker that starts, or a load balancer without a broker behind it.
    """

    speaks_tls: bool | None
    has_spoken: bool
    trouble: tls.Trouble | None = None


async def listen(kafka: KafkaSettings, host: str, port: int) -> FirstWord:
    """Says hello by TLS, taking any certificate, and where that comes to nothing in clear.

    A Kafka that speaks no TLS breaks off at its hello as one does that is about to end.
    """
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    with contextlib.suppress(OSError):
        kafka.show_certificate(unverified)
    try:
        word = await _first_byte(host, port, unverified)
    except OSError as error:  # a TimeoutError too
        trouble = tls.explain(error)
    else:
        return FirstWord(speaks_tls=True, has_spoken=bool(word))
    if trouble is not None:
        return FirstWord(trouble.fault != "no_tls", has_spoken=True, trouble=trouble)
    with contextlib.suppress(OSError):
        if (word := await _first_byte(host, port)) and word != _ALERT:
            return FirstWord(speaks_tls=False, has_spoken=True, trouble=tls.NO_TLS)
    return FirstWord(speaks_tls=None, has_spoken=False)


async def _first_byte(host: str, port: int, context: ssl.SSLContext | None = None) -> bytes:
    """Empty where they break off or say nothing; raises OSError where no connection comes about.

    Whose certificate is not there, or not taken, learns of it after the handshake: as an error too.
    """
    async with asyncio.timeout(_CONNECT_SECONDS):
        reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        writer.write(len(_HELLO).to_bytes(4, "big") + _HELLO)
        async with asyncio.timeout(_WORD_SECONDS):
            return await reader.read(1)
    except ssl.SSLError:
        raise
    except OSError:  # a TimeoutError too
        return b""
    finally:
        writer.transport.abort()
