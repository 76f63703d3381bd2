"""How the brokers of a run are locked, and what the workers open them with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import trustme

from agents import rights as components
from sandbox.ports import HOST
from streams.settings import KafkaSettings
from tests.chaos.plan import WORKERS
from tests.kafka.acls import allow
from tests.kafka.secured import PASSWORD, key_store, tls_options

# Brokers end logins, as managed ones do, and each time there is a new connection.
_REAUTH_MS = 10_000
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


@dataclass(frozen=True)
class Locks:
    """The protocol of the workers' ways in, brokers' settings, users and their passwords."""

    protocol: str = "PLAINTEXT"
    settings: Mapping[str, object] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict)
    ca_file: Path | None = None

    def opened_by(self, worker: str) -> Mapping[str, str]:
        """What a worker's process is told."""
        if self.ca_file is None:
            return {}
        return {
            "KAFKA_SECURITY_PROTOCOL": self.protocol,
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "KAFKA_SASL_USERNAME": worker,
            "KAFKA_SASL_PASSWORD": self.users[worker],
            "KAFKA_SSL_CAFILE": str(self.ca_file),
        }

    async def let_in(self, kafka: KafkaSettings) -> None:
        """Grants each worker what it needs, and nothing else."""
        for worker in self.users:
            await allow(kafka, worker, components.of(worker).on(kafka))


OPEN = Locks()


def locked(directory: Path, ways: int) -> Locks:
    """TLS by an authority of their own, a user for each worker, logins that end.

    Who comes in past the workers' `ways` sets things up and looks, and so do the brokers.
    """
    authority = trustme.CA()
    ca_file = directory / "authority.pem"
    authority.cert_pem.write_to_path(ca_file)
    store = key_store(authority.issue_cert(HOST), directory / "broker.pem")
    listeners = [f"listener.name.proxied{number}" for number in range(ways)]
    settings = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "connections.max.reauth.ms": _REAUTH_MS,
        **{f"ssl.{option}": value for option, value in tls_options(store, ca_file).items()},
        **{f"{each}.scram-sha-512.sasl.jaas.config": _SCRAM for each in listeners},
    }
    return Locks("SASL_SSL", settings, dict.fromkeys(WORKERS, PASSWORD), ca_file)
