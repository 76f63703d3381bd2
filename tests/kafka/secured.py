"""A broker as a platform team runs it: TLS and logins, and beside it what may be wrong with them.

One broker serves every listener; the sandbox's plain one stays for whoever sets things up.
"""

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from sandbox.kafka import UNKILLED, Kafka
from sandbox.ports import HOST, free_ports
from streams.settings import KafkaSettings

USER, PASSWORD = "mparticle-streams", "not-a-real-password"
LOCK = "not-a-real-lock"
"""Opens the key of the client's certificate."""
_ANOTHER_NAME = "kafka-1.shop.example"
_LOGIN = "org.apache.kafka.common.security"

PROTOCOLS = {
    "SECURED": "SASL_SSL",
    "ENCRYPTED": "SSL",
    "EXPIRED": "SSL",
    "MISNAMED": "SSL",
    "MUTUAL": "SSL",
    "CLEAR": "SASL_PLAINTEXT",
    "BRIEF": "SASL_SSL",
}
"""What each listener speaks. `BRIEF` ends each login after seconds, as `connections.max.reauth.ms`
has it, so that whoever comes back must log in with what is right by then."""
_BRIEF_MS = 3000


@dataclass(frozen=True)
class Secured:
    """A running broker, its authority, and one that signed nothing of it.

    At one of its plain ports it names itself as being at port `nowhere`.
    """

    broker: Kafka
    ca_file: Path
    other_ca_file: Path
    nowhere: int
    certificates: Mapping[str, Path]
    """A client's, each with its key: `ours`, `renewed`, `expired` and `foreign`; of `locked`, the
    key of `ours` alone."""

    def settings(self, listener: str, **changed: Any) -> KafkaSettings:
        """What a worker is given for one of `PROTOCOLS`."""
        protocol = PROTOCOLS[listener]
        login = {
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": USER,
            "sasl_password": PASSWORD,
        }
        given = {
            "bootstrap_servers": f"{HOST}:{self.broker.ports[listener]}",
            "security_protocol": protocol,
            **({"ssl_cafile": self.ca_file} if protocol.endswith("SSL") else {}),
            **(login if protocol.startswith("SASL") else {}),
            **changed,
        }
        # What is None is left to the environment.
        return KafkaSettings(**{name: value for name, value in given.items() if value is not None})


@asynccontextmanager
async def secured(directory: Path, **settings: object) -> AsyncIterator[Secured]:
    """Starts the broker; `settings` come on top of the broker's own."""
    authority, other = trustme.CA(), trustme.CA()
    ca_file, other_ca_file = directory / "authority.pem", directory / "another.pem"
    authority.cert_pem.write_to_path(ca_file)
    other.cert_pem.write_to_path(other_ca_file)
    now = datetime.now(UTC)
    expired = authority.issue_cert(
        HOST, not_before=now - timedelta(days=9), not_after=now - timedelta(days=1)
    )
    good = key_store(authority.issue_cert(HOST), directory / "broker.pem")
    stores = {
        "SECURED": good,
        "ENCRYPTED": good,
        "EXPIRED": key_store(expired, directory / "expired.pem"),
        "MISNAMED": key_store(authority.issue_cert(_ANOTHER_NAME), directory / "misnamed.pem"),
        "MUTUAL": good,
        "BRIEF": good,
    }
    tls = {
        f"listener.name.{name.lower()}.ssl.{option}": value
        for name, store in stores.items()
        for option, value in tls_options(store, ca_file).items()
    }

    def client(by: trustme.CA, ends: datetime = now + timedelta(days=1)) -> trustme.LeafCert:
        before = ends - timedelta(days=9)
        return by.issue_cert(
            "client@shop.example", common_name=USER, not_before=before, not_after=ends
        )

    ours = client(authority)
    certificates = {
        name: key_store(certificate, directory / f"client-{name}.pem")
        for name, certificate in {
            "ours": ours,
            "renewed": client(authority),
            "expired": client(authority, ends=now - timedelta(days=1)),
            "foreign": client(other),
        }.items()
    }
    certificates["locked"] = directory / "client-locked.key"
    certificates["locked"].write_bytes(_key(ours, BestAvailableEncryption(LOCK.encode())))
    nowhere = next(free_ports())
    async with Kafka(
        advertised=[nowhere],
        protocols=PROTOCOLS,
        scram={USER: PASSWORD},
        settings={
            **UNKILLED,
            # Who comes in by the plain listener sets things up, and so does the broker itself.
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN,OAUTHBEARER",
            **_logins("secured"),
            **_logins("clear"),
            **_logins("brief"),
            **{
                f"listener.name.brief.{way}.connections.max.reauth.ms": _BRIEF_MS
                for way in ("scram-sha-512", "plain", "oauthbearer")
            },
            **tls,
            "listener.name.mutual.ssl.client.auth": "required",
            "listener.name.mutual.ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/$1/",
            **settings,
        },
    ) as broker:
        yield Secured(broker, ca_file, other_ca_file, nowhere, certificates)


def tls_options(store: Path, ca_file: Path) -> Mapping[str, object]:
    return {
        "keystore.type": "PEM",
        "keystore.location": store,
        "truststore.type": "PEM",
        "truststore.location": ca_file,
    }


def _logins(listener: str) -> Mapping[str, str]:
    bearer = f"{_LOGIN}.oauthbearer.OAuthBearerLoginModule required"
    plain = f'{_LOGIN}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
    at = f"listener.name.{listener}"
    return {
        f"{at}.scram-sha-512.sasl.jaas.config": f"{_LOGIN}.scram.ScramLoginModule required;",
        f"{at}.plain.sasl.jaas.config": plain,
        # It takes tokens that nobody signed.
        f"{at}.oauthbearer.sasl.jaas.config": f'{bearer} unsecuredLoginStringClaim_sub="broker";',
    }


def token(lives_s: float, subject: str = USER) -> str:
    """One that nobody signed; as if made a minute ago."""
    now = datetime.now(UTC).timestamp()
    claims = {"sub": subject, "iat": now - 60, "exp": now + lives_s}
    return (
        ".".join(
            base64.urlsafe_b64encode(orjson.dumps(part)).decode().rstrip("=")
            for part in ({"alg": "none"}, claims)
        )
        + "."
    )


def key_store(certificate: trustme.LeafCert, path: Path) -> Path:
    """Kafka's PEM key store, and any client's: the key as PKCS 8, then the chain."""
    chain = b"".join(each.bytes() for each in certificate.cert_chain_pems)
    path.write_bytes(_key(certificate, NoEncryption()) + chain)
    return path


def _key(certificate: trustme.LeafCert, locked: KeySerializationEncryption) -> bytes:
    key = load_pem_private_key(certificate.private_key_pem.bytes(), password=None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)


def settings_of(broker: Secured, prefix: str, component: str, directory: Path) -> Mapping[str, str]:
    """Logs a process in as a user of the component's name."""
    secret = directory / f"{component}.token"
    secret.write_text(token(3600, component))
    kafka = broker.settings("SECURED")
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "KAFKA_PREFIX": prefix,
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "OAUTHBEARER",
        "KAFKA_OAUTH_PROVIDER": "file",
        "KAFKA_OAUTH_TOKEN_FILE": str(secret),
        "KAFKA_SSL_CAFILE": str(broker.ca_file),
    }
