"""Finds out why Kafka cannot be reached, where aiokafka only says that it could not bootstrap."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaError,
    MetadataEmptyBrokerList,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.admin import SaslHandShakeRequest
from aiokafka.protocol.metadata import MetadataRequest

from streams import tls
from streams.addresses import broker_addresses
from streams.kafka.tls_probe import probe
from streams.oauth import TokenError, Tokens
from streams.settings import KafkaSettings

# For all of it: the caller has waited for Kafka already.
_SECONDS = 5.0
_CONNECT_SECONDS = 1.0
_ANSWER_SECONDS = 2.0
_CUT_OFF = (
    "Kafka at {at} breaks connections off without a word, as a broker that starts does, or a load "
    "balancer without a broker behind it: look at them, or set KAFKA_BOOTSTRAP_SERVERS."
)
_SLOW = (
    "Kafka at {at} answers, and did not answer all that was asked of it in time: its brokers "
    "start, or have too much to do, or one that leads what was asked for is away. Look at them, "
    "and try again."
)
_UNSTEADY = (
    "Kafka at {at} answers at times and breaks connections off at others: look at the brokers and "
    "at what stands between."
)

# The most that is quoted of a broker's own words.
_MAX_WORDS = 200
# No word is so long; a token, or what is made of a password, is.
_LONG = re.compile(r"\S{60}")

_TO_DO: dict[tls.Fault, str] = {
    "untrusted": "set KAFKA_SSL_CAFILE to the certificate of the authority that signs for it",
    "expired": "have whoever runs Kafka renew it",
    "not_yet_valid": "set this machine's clock, or have whoever runs Kafka mend it",
    "wrong_name": "set KAFKA_BOOTSTRAP_SERVERS to a name that it is for",
    "no_tls": "set KAFKA_SECURITY_PROTOCOL to PLAINTEXT or SASL_PLAINTEXT, or "
    "KAFKA_BOOTSTRAP_SERVERS to a port that does",
    "too_old": "have whoever runs Kafka switch on TLS 1.2 or newer",
    "client_certificate": "set KAFKA_SSL_CERTFILE and KAFKA_SSL_KEYFILE, or "
    "KAFKA_BOOTSTRAP_SERVERS to a port that asks for none",
    "our_certificate": "set KAFKA_SSL_CERTFILE to one that has not ended, by an authority that "
    "the brokers trust",
}


class Diagnosis(NamedTuple):
    """A sentence on what is wrong, which says what to set.

    `is_locked_out`: a broker, or whoever gives out tokens for it, is there and does not let us in.
    """

    said: str
    is_locked_out: bool = False


class _WrongError(Exception):
    """A fault that a person must mend, as a sentence, and the broker's own words on it."""

    is_locked_out = False

    def __init__(self, sentence: str, words: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.words = words

    def __str__(self) -> str:
        return f'{self.sentence} It says: "{self.words}".' if self.words else self.sentence


class _LockedOutError(_WrongError):
    is_locked_out = True


class _CutOffError(_WrongError):
    """Connections are taken, and nothing is said on them; that may pass by itself."""


class _AwayError(Exception):
    """Nobody is there to ask."""


async def diagnose(kafka: KafkaSettings) -> str:
    """Asks the brokers once more, and says in a sentence what is wrong and what to set."""
    return (await examine(kafka)).said


async def examine(kafka: KafkaSettings) -> Diagnosis:
    """Does so, and says of what kind it is.

    The first broker that is there, and yet not to be talked to, decides.
    """
    away = Diagnosis(
        f"Kafka does not answer at {kafka.bootstrap_servers}: start it, or set "
        "KAFKA_BOOTSTRAP_SERVERS."
    )
    try:
        async with asyncio.timeout(_SECONDS):
            if (wrong := await _ask(kafka)) is None:
                return away
            # A real fault shows each time; a connection that breaks looks like many a fault.
            again = await _ask(kafka)
    except TimeoutError:
        return away  # it is as if nobody were there
    # Some brokers number their refusals, so that their words differ each time.
    if again is None or wrong.sentence != again.sentence:
        return Diagnosis(_UNSTEADY.format(at=kafka.bootstrap_servers))
    return Diagnosis(str(wrong), wrong.is_locked_out)


async def _ask(kafka: KafkaSettings) -> _WrongError | None:
    """Returns what a person must mend or wait for; None where nobody is there to ask."""
    cut_off = None
    for host, port in broker_addresses(kafka.bootstrap_servers):
        try:
            await _look(kafka, host, port)
        except _AwayError:
            continue
        except _CutOffError as error:
            cut_off = cut_off or error
        except _WrongError as error:
            return error
        else:
            # All that can be looked at is well, and yet somebody has waited in vain.
            return _WrongError(_SLOW.format(at=f"{host}:{port}"))
    return cut_off


async def _look(kafka: KafkaSettings, host: str, port: int) -> None:
    """Goes the way that every client goes: to one broker, and on to those that it names."""
    async with _connected(kafka, host, port) as connection:
        try:
            metadata = await connection.send(MetadataRequest([]))
        except MetadataEmptyBrokerList:
            return  # it has just come up
        except (KafkaError, OSError) as error:
            # Brokers cut off at the first question whoever has not logged in; so may the network.
            if not await _asks_for_login(kafka, host, port):
                raise _AwayError from error
            raise _LockedOutError(
                f"Kafka at {host}:{port} asks for a login: set KAFKA_SECURITY_PROTOCOL to "
                f"{'SASL_SSL' if kafka.security_protocol == 'SSL' else 'SASL_PLAINTEXT'}, with "
                "KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD."
            ) from error
    for _, named, at, *_ in metadata.brokers:
        try:
            async with _connected(kafka, named, at):
                pass
        except _AwayError:
            raise _WrongError(
                f"Kafka answers at {host}:{port}, but names a broker {named}:{at} that cannot be "
                "reached from here: have its advertised.listeners or the network mended."
            ) from None


async def _asks_for_login(kafka: KafkaSettings, host: str, port: int) -> bool:
    async with _connected(kafka, host, port) as connection:
        try:
            answer = await connection.send(SaslHandShakeRequest("PLAIN"))
        except (KafkaError, OSError):
            return False
    return bool(answer.error_code != IllegalSaslStateError.errno)


@asynccontextmanager
async def _connected(
    kafka: KafkaSettings, host: str, port: int
) -> AsyncIterator[AIOKafkaConnection]:
    await _there(host, port)
    options = kafka.client_options()
    for name in ("bootstrap_servers", "metadata_max_age_ms"):
        del options[name]  # of clients, and not of a connection
    if "sasl_oauth_token_provider" in options:
        await _has_token(options["sasl_oauth_token_provider"])
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            connection = await create_conn(host, port, **options)
    except TimeoutError as error:
        raise _AwayError from error
    except (KafkaError, OSError, EOFError) as error:
        raise await _why(kafka, host, port, error) from error
    try:
        yield connection
    finally:
        connection.close()


async def _has_token(tokens: Tokens) -> None:
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            await tokens.token()
    except TokenError as error:
        # As text the error has the name of its class in front.
        raise _LockedOutError(str(error.args[0])) from error
    except TimeoutError as error:
        raise _LockedOutError(
            "There is no token for Kafka: KAFKA_OAUTH_TOKEN_URL does not answer in time."
        ) from error


async def _there(host: str, port: int) -> None:
    """Raises _AwayError where nothing listens, or no such host is known."""
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except socket.gaierror as error:
        raise _WrongError(
            f"The name {host} is not known here: set KAFKA_BOOTSTRAP_SERVERS, or mend the DNS."
        ) from error
    except OSError as error:
        raise _AwayError from error
    writer.transport.abort()


async def _why(kafka: KafkaSettings, host: str, port: int, error: Exception) -> _WrongError:
    where = f"Kafka at {host}:{port}"
    if (said := _of_login(kafka, error)) is not None:
        return _LockedOutError(f"{where} {said}.", _words(kafka, error))
    word = None
    trouble = tls.explain(error)
    if trouble is None:
        word = await probe(kafka, host, port)
        trouble = word.trouble if kafka.speaks_tls else None
    if trouble is not None:
        todo = _TO_DO[trouble.fault]
        return _LockedOutError(f"{where} cannot be talked to: {trouble.said}; {todo}.")
    if word is not None and word.speaks_tls and not kafka.speaks_tls:
        protocol = "SASL_SSL" if kafka.logs_in else "SSL"
        return _LockedOutError(f"{where} speaks TLS: set KAFKA_SECURITY_PROTOCOL to {protocol}.")
    if word is not None and not word.has_spoken:
        return _CutOffError(_CUT_OFF.format(at=f"{host}:{port}"))
    return _LockedOutError(
        f"{where} does not answer as Kafka does ({type(error).__name__}): set "
        "KAFKA_BOOTSTRAP_SERVERS and KAFKA_SECURITY_PROTOCOL to what it speaks."
    )


def _of_login(kafka: KafkaSettings, error: Exception) -> str | None:
    match error:
        case UnsupportedSaslMechanismError():
            return f"takes no {kafka.sasl_mechanism}: set KAFKA_SASL_MECHANISM"
        case SaslAuthenticationFailed() | AuthenticationFailedError():
            return _refused(kafka)
        case IllegalSaslStateError():
            protocol = "SSL" if kafka.security_protocol == "SASL_SSL" else "PLAINTEXT"
            return f"takes no login: set KAFKA_SECURITY_PROTOCOL to {protocol}"
    return None


def _refused(kafka: KafkaSettings) -> str:
    if kafka.uses_oauth:
        return (
            "refuses the token: have one made for this cluster and this client that has not "
            f"ended (KAFKA_OAUTH_PROVIDER={kafka.oauth_provider}, KAFKA_OAUTH_…)"
        )
    return (
        f"refuses the login by {kafka.sasl_mechanism}: set KAFKA_SASL_USERNAME, "
        "KAFKA_SASL_PASSWORD and KAFKA_SASL_MECHANISM to what it knows"
    )


def _words(kafka: KafkaSettings, error: Exception) -> str:
    """A broker's own reason, which for some of them is all that tells; none that quotes a secret.

    Others than Apache Kafka answer too, so it is bounded, and on one line.
    """
    if not isinstance(error, SaslAuthenticationFailed) or not error.args:
        return ""
    words = " ".join("".join(filter(str.isprintable, str(error.args[0]))).split())[
        :_MAX_WORDS
    ].strip()
    password = kafka.sasl_password
    quotes = password is not None and password.get_secret_value() in words
    return "" if quotes or _LONG.search(words) else words
