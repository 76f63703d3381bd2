"""Logging in to Kafka, with what is right at the moment of each connection.

aiokafka gives every connection the user and password that a client was made with, and so a worker
whose password was exchanged could only be started again. It also takes no notice of it when a
broker refuses a token (aiokafka 0.14, `OAuthAuthenticator.step`), and goes on until the broker cuts
it off without a word.
"""

import asyncio
import ssl
from collections.abc import Awaitable
from typing import Any

import aiokafka.conn
from aiokafka.conn import AIOKafkaConnection, CloseReason, OAuthAuthenticator
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    MetadataEmptyBrokerList,
    SaslAuthenticationFailed,
)
from aiokafka.protocol.group import JoinGroupRequest
from aiokafka.protocol.metadata import MetadataRequest

from streams.secret_files import current

_FAREWELL_SECONDS = 1.0
# For the way to the coordinator and back, and for its own delay.
_JOIN_ROOM_SECONDS = 5.0
# Brokers whose last connection from this process did not come about though somebody is there: who
# was it, and why, a look of our own will tell. Written by every thread that has clients.
_closed_doors = set[tuple[str, int]]()


def is_any_door_closed() -> bool:
    """Returns whether a broker has just cut this process off, or refused its login."""
    return bool(_closed_doors)


def forget_closed_doors() -> None:
    """Takes all for open, until a connection fails again."""
    _closed_doors.clear()


class _Bearer(OAuthAuthenticator):  # type: ignore[misc] # published without types
    """Asks a broker that refuses its token for the error, as RFC 7628 (3.2.3) has it."""

    _has_asked = False

    async def step(self, payload: bytes | None) -> tuple[bytes, bool] | None:
        if payload and self._token_sent and not self._has_asked:
            self._has_asked = True
            return b"\x01", True
        answer: tuple[bytes, bool] | None = await super().step(payload)
        return answer


class Connection(AIOKafkaConnection):  # type: ignore[misc] # published without types
    """Renews its login, and passes over an address that takes connections and says nothing."""

    first_answer_s = 3.0
    """For how many seconds a new one waits for its answer; of all, as aiokafka makes them."""
    _request_timeout: float

    def authenticator_plain(self) -> Any:
        self._renew()
        return super().authenticator_plain()

    def authenticator_scram(self) -> Any:
        self._renew()
        return super().authenticator_scram()

    def authenticator_oauth(self) -> Any:
        return _Bearer(sasl_oauth_token_provider=self._sasl_oauth_token_provider)

    async def connect(self) -> Any:
        broker = (self.host, self.port)
        # A broker that takes connections and says nothing is passed over for the next in time, and
        # not after 40 seconds: which one is asked first is chance.
        self._patience = self._request_timeout
        self._request_timeout = min(self._patience, self.first_answer_s)
        try:
            made = await super().connect()
        except Exception as error:
            if _is_somebody_there(error):
                _closed_doors.add(broker)
            if isinstance(error, SaslAuthenticationFailed) and self._sasl_oauth_token_provider:
                self._sasl_oauth_token_provider.discard()
            raise
        _closed_doors.discard(broker)
        return made

    async def _do_version_lookup(self) -> None:
        await super()._do_version_lookup()
        self._request_timeout = self._patience

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """Gives a join the time that the group may take, whatever other requests may.

        Kafka answers it when all members have joined. Given up before, it begins again, and so
        would a rebalance with one member that drains for longer. A connection that is closed
        raises KafkaConnectionError, and metadata without brokers MetadataEmptyBrokerList.
        """
        usual = self._request_timeout
        if isinstance(request, JoinGroupRequest):
            longest = request._rebalance_timeout / 1000 + _JOIN_ROOM_SECONDS  # noqa: SLF001 - guarded by a test
            self._request_timeout = max(usual, longest)
        try:
            answer = super().send(request, expect_response)
        except KafkaError:
            raise  # which is a RuntimeError too
        except RuntimeError as error:
            # uvloop raises it where a transport is closed that asyncio's would write to in silence.
            if not self._writer.transport.is_closing():
                raise
            self.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"Connection at {self.host}:{self.port} closed") from error
        finally:
            self._request_timeout = usual
        return self._metadata(answer) if isinstance(request, MetadataRequest) else answer

    async def _metadata(self, answer: Awaitable[Any]) -> Any:
        """Refuses metadata that names no broker, as one gives that has just come up.

        A client that begins with it asserts that it knows some (aiokafka 0.14, client.py,
        `coordinator_lookup`), and asks the next address where it is refused.
        """
        try:
            metadata = await answer
        except asyncio.CancelledError:
            if self._on_close_cb is None:
                # The first of a client whose start ends here; it closes those alone that it keeps
                # (`AIOKafkaClient.bootstrap`), and they tell it when they close.
                self.close()
            raise
        if not metadata.brokers:
            raise MetadataEmptyBrokerList
        return metadata

    def close(self, reason: Any = None, exc: BaseException | None = None) -> Any:
        """Waits a second at most for the broker's farewell, which TLS does for half a minute."""
        writer = self._writer
        closed = super().close(reason, exc)
        if writer is not None and not closed.done():
            overdue = closed.get_loop().call_later(_FAREWELL_SECONDS, writer.transport.abort)
            closed.add_done_callback(lambda _: overdue.cancel())
        return closed

    def _renew(self) -> None:
        for name in ("_sasl_plain_username", "_sasl_plain_password"):
            setattr(self, name, current(getattr(self, name)))


def _is_somebody_there(error: Exception) -> bool:
    """Returns whether the network was not what kept us out."""
    return isinstance(error, ssl.SSLError) or not isinstance(error, OSError | TimeoutError)


def renew() -> None:
    """Has every connection that aiokafka makes in this process log in so."""
    aiokafka.conn.AIOKafkaConnection = Connection  # guarded by a test
