"""Keeps asking whether the brokers let this process in."""

import asyncio

from streams import logins
from streams.kafka.diagnosis import examine
from streams.oauth import OauthSettings
from streams.settings import KafkaSettings

# A look is a login that is tried: brokers that are asked too often think of an attack.
_POLL_SECONDS = 3.0
_RESTART = "Its environment is read at the start alone: mend it, and start this again."


class Access:
    """Looks when a connection has failed, and remembers what must be mended.

    Connections that are up stay up when a secret is exchanged, so that a process may be locked out
    of one broker and not of another, and for long of none. A secret in a file is read again for
    each connection, so that all goes on by itself once it is right.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self.locked_out: str | None = None
        """Sentences that say why a broker does not let us in; None as far as all do."""

    async def keep(self) -> None:
        """Looks until cancelled."""
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            await self.look()

    async def look(self) -> None:
        if not (self._is_guarded and logins.is_any_door_closed()):
            self.locked_out = None
            return
        logins.forget_closed_doors()
        found = await examine(self._kafka)
        self.locked_out = f"{found.said}{self._hint()}" if found.is_locked_out else None

    @property
    def _is_guarded(self) -> bool:
        """Tells whether a log-in or a certificate can be wrong; heartbeats tell all else."""
        return self._kafka.logs_in or self._kafka.speaks_tls

    def _hint(self) -> str:
        kafka = self._kafka
        if kafka.uses_oauth:
            is_in_environment = kafka.oauth_provider == "oidc" and not OauthSettings.mounted(
                "client_secret"
            )
        else:
            is_in_environment = kafka.logs_in and not kafka.mounted("sasl_password")
        return f" {_RESTART}" if is_in_environment else ""
