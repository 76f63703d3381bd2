"""Probes an address where no broker could be used: whether it speaks TLS or answers at all."""

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
# A server that speaks only TLS answers with this alert to what it does not understand.
_ALERT: Final = b"\x15"


class TlsProbe(NamedTuple):
    """The answer of the other side before it broke off or fell silent.

    `speaks_tls` is None where nothing tells, as of one that breaks off each time, whatever it is
    told: a broker that starts, or a load balancer without a broker behind it.
    """

    speaks_tls: bool | None
    has_spoken: bool
    trouble: tls.Trouble | None = None


async def probe(kafka: KafkaSettings, host: str, port: int) -> TlsProbe:
    """Says hello by TLS, taking any certificate, and where that comes to nothing in clear.

    A Kafka that speaks no TLS breaks off at its hello as one does that is about to end.
    """
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    with contextlib.suppress(OSError):
        kafka.show_certificate(unverified)
    try:
        word = await _ask(host, port, unverified)
    except OSError as error:  # a TimeoutError too
        trouble = tls.explain(error)
    else:
        return TlsProbe(speaks_tls=True, has_spoken=bool(word))
    if trouble is not None:
        return TlsProbe(trouble.fault != "no_tls", has_spoken=True, trouble=trouble)
    with contextlib.suppress(OSError):
        if (word := await _ask(host, port)) and word != _ALERT:
            return TlsProbe(speaks_tls=False, has_spoken=True, trouble=tls.NO_TLS)
    return TlsProbe(speaks_tls=None, has_spoken=False)


async def _ask(host: str, port: int, context: ssl.SSLContext | None = None) -> bytes:
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
