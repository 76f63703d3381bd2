"""Every group of settings is one class of environment variables, checked at start."""

import socket
import ssl
from typing import Any, Literal, Self

from pydantic import (
    AwareDatetime,
    Field,
    FilePath,
    PositiveFloat,
    PositiveInt,
    PrivateAttr,
    SecretStr,
    model_validator,
)
from pydantic_settings import SettingsConfigDict

from streams import logins, tls
from streams.addresses import Brokers, broker_addresses, is_loopback
from streams.base_settings import Settings, SettingsError
from streams.oauth import Source, Tokens
from streams.secret_files import Mounted, current
from streams.tls import CaFile
from streams.topics import MAX_MESSAGE_BYTES

# For as long partitions that were added, or a topic that was made again, may go unseen; aiokafka's
# own are five minutes.
_METADATA_MAX_AGE_MS = 10_000

GROUP_PREFIX = "mparticle-streams-"
DRY_RUN_SUFFIX = "-dry-run"
"""The end of a worker's name, and so of its group's, while it sends nothing."""


class KafkaSettings(Settings):
    """The settings by which Kafka is reached, and its clients behave."""

    model_config = SettingsConfigDict(env_prefix="KAFKA_")

    bootstrap_servers: Brokers = Field(
        "127.0.0.1:9092",
        description="brokers to ask first, as host:port,host:port",
    )
    prefix: str = Field("", description="put in front of every topic and group name")
    initial_offset: Literal["earliest", "latest"] | AwareDatetime | None = Field(
        None,
        description="where a group without offsets begins on a topic that is not empty: "
        "earliest, latest, or a time such as 2026-01-31T00:00:00Z; without it the worker refuses",
    )
    create_topics: bool = Field(
        False, description="create missing topics at start, for trying things out"
    )
    topic_partitions: PositiveInt = Field(
        4, description="partitions of the topics it creates; rate-limits has one"
    )
    topic_replication_factor: PositiveInt = Field(
        1, description="replicas of the topics it creates"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how to talk to the brokers"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field(
        "PLAIN", description="how to log in, with a SASL protocol"
    )
    sasl_username: str | None = Field(None, description="user name, with a SASL protocol")
    sasl_password: SecretStr | None = Field(None, description="password, with a SASL protocol")
    oauth_provider: Source | None = Field(
        None,
        description="where OAUTHBEARER's tokens come from: oidc, an identity provider that is "
        "asked with client credentials; file, one that the platform writes anew in time; msk_iam, "
        "gcp or azure, the cloud's own library, of the extra msk-iam, gcp or azure",
    )
    ssl_cafile: CaFile | None = Field(
        None, description="certificate authority to trust, where the system's do not do"
    )
    ssl_certfile: FilePath | None = Field(
        None,
        description="certificate of this client in PEM form, with those that lead to its "
        "authority, where brokers ask for one (mutual TLS)",
    )
    ssl_keyfile: FilePath | None = Field(
        None, description="the certificate's key in PEM form, unless it is in the same file"
    )
    ssl_key_password: SecretStr | None = Field(
        None, description="what opens the key, where it is locked"
    )
    client_id: str | None = Field(
        None,
        description="how a client is called in the brokers' logs and quotas; by default "
        "mparticle-streams-WORKER-INSTANCE",
    )
    client_rack: str | None = Field(
        None,
        description="the rack or zone of this replica, by which brokers that may let it read from "
        "the nearest replica of a partition (KIP-392)",
    )
    clear_text: Literal["refuse", "allow"] = Field(
        "refuse",
        description="allow: the password or token may go to another machine in clear, as it does "
        "with SASL_PLAINTEXT and PLAIN or OAUTHBEARER; for networks that you trust",
    )
    group_instance_id: str | None = Field(
        None,
        description="a stable name of this replica (static membership): "
        "a restart within the session time-out moves no partitions",
    )
    leave_group_on_stop: bool = Field(
        False,
        description="a replica with KAFKA_GROUP_INSTANCE_ID leaves its group when it is told to "
        "stop, so that others have its partitions at once: for replicas that come and go, as an "
        "autoscaler's; only a crash then keeps its partitions",
    )
    session_timeout_s: float = Field(
        30,
        gt=0,
        le=1800,
        description="silence after which Kafka gives a worker's partitions to another",
    )
    request_timeout_s: float = Field(
        30,
        ge=2,
        le=300,
        description="how long Kafka may take to answer a request; then the connection is given up, "
        "and the request made again, to whoever leads the partition or the group by then",
    )
    max_partition_fetch_bytes: PositiveInt = Field(
        2 * 1024 * 1024, description="bytes asked of one partition at a time"
    )
    max_message_bytes: PositiveInt = Field(
        MAX_MESSAGE_BYTES,
        description="the topics' max.message.bytes, where Kafka does not let a worker ask for it",
    )
    deleted_records: Literal["hold", "skip"] = Field(
        "hold",
        description="when Kafka has deleted records before they were read: hold the partition and "
        "say so, or skip them, counted",
    )
    isolation_level: Literal["read_committed", "read_uncommitted"] = Field(
        "read_committed",
        description="read_uncommitted also reads records of transactions that were aborted or are "
        "still open",
    )

    _tokens: Tokens | None = PrivateAttr(None)
    """Shared by all clients, copies of the settings included."""

    @model_validator(mode="after")
    def _gives_up_in_time(self) -> Self:
        if "request_timeout_s" in self.model_fields_set:
            self.reject_longer_requests("KAFKA_SESSION_TIMEOUT_S", self.session_timeout_s)
        return self

    @model_validator(mode="after")
    def _login_is_whole(self) -> Self:
        if not self.logs_in:
            return self
        if self.uses_oauth:
            if self.oauth_provider is None:
                raise ValueError("KAFKA_SASL_MECHANISM=OAUTHBEARER needs KAFKA_OAUTH_PROVIDER")
            host, _ = broker_addresses(self.bootstrap_servers)[0]
            self._tokens = Tokens(self.oauth_provider, host)
        elif not (self.sasl_username and self.sasl_password):
            raise ValueError(
                f"KAFKA_SECURITY_PROTOCOL={self.security_protocol} needs "
                "KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"
            )
        return self

    @model_validator(mode="after")
    def _certificate_is_whole(self) -> Self:
        if self.ssl_certfile is None:
            if self.ssl_keyfile is not None:
                raise ValueError("KAFKA_SSL_KEYFILE needs KAFKA_SSL_CERTFILE")
            return self
        if not self.speaks_tls:
            raise ValueError(
                "KAFKA_SSL_CERTFILE needs KAFKA_SECURITY_PROTOCOL to be SSL or SASL_SSL"
            )
        try:
            self.tls_context()
        except OSError as error:
            raise ValueError(f"KAFKA_SSL_CERTFILE: {tls.why_not_loaded(error)}") from None
        return self

    @model_validator(mode="after")
    def _keeps_the_password(self) -> Self:
        tells = self.security_protocol == "SASL_PLAINTEXT" and self.sasl_mechanism in {
            "PLAIN",
            "OAUTHBEARER",
        }
        hosts = [host for host, _ in broker_addresses(self.bootstrap_servers)]
        if tells and self.clear_text == "refuse" and not all(map(is_loopback, hosts)):
            raise ValueError(
                f"KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT with KAFKA_SASL_MECHANISM="
                f"{self.sasl_mechanism} sends the password or token in clear: set one of them to "
                "SASL_SSL or SCRAM-SHA-512, or KAFKA_CLEAR_TEXT to allow if you trust the network"
            )
        return self

    def reject_longer_requests(self, name: str, seconds: float) -> None:
        """Raises ValueError if a request may take longer than what that setting says."""
        if self.request_timeout_s > seconds:
            raise ValueError(
                f"KAFKA_REQUEST_TIMEOUT_S may not be longer than {name}, {seconds:g}: a worker "
                "that waits for a broker that is frozen would be given up before it tries another"
            )

    @property
    def speaks_tls(self) -> bool:
        return self.security_protocol.endswith("SSL")

    @property
    def logs_in(self) -> bool:
        return self.security_protocol.startswith("SASL")

    @property
    def uses_oauth(self) -> bool:
        return self.logs_in and self.sasl_mechanism == "OAUTHBEARER"

    def topic(self, name: str) -> str:
        """The name of a topic on this cluster."""
        return self.prefix + name

    def bare(self, topic: str) -> str:
        """A topic's name without the cluster's prefix, as metrics have it."""
        return topic.removeprefix(self.prefix)

    def group(self, worker: str) -> str:
        """The consumer group of a worker."""
        return f"{self.prefix}{GROUP_PREFIX}{worker}"

    def called(self, name: str) -> Self:
        """The same for a process of that name, unless the operator has given it another."""
        instance = self.group_instance_id or socket.gethostname()
        default = f"mparticle-streams-{name}-{instance}"
        return self.model_copy(update={"client_id": self.client_id or default})

    def consumer_options(self) -> dict[str, Any]:
        """Returns what every consumer of records needs beyond what every client does."""
        options = {**self.client_options(), "isolation_level": self.isolation_level}
        if self.client_rack is not None:
            options["client_rack"] = self.client_rack
        return options

    def client_options(self) -> dict[str, Any]:
        """Returns what every aiokafka client needs to connect.

        Password, token and certificate are those of the moment in which a connection is made.
        """
        logins.renew()
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers,
            "security_protocol": self.security_protocol,
            "client_id": self.client_id or "mparticle-streams",
            "metadata_max_age_ms": _METADATA_MAX_AGE_MS,
            "request_timeout_ms": int(self.request_timeout_s * 1000),
        }
        if self.logs_in:
            options["sasl_mechanism"] = self.sasl_mechanism
            if self.uses_oauth:
                options["sasl_oauth_token_provider"] = self._tokens
            else:
                options["sasl_plain_username"] = self._secret("sasl_username")
                options["sasl_plain_password"] = self._secret("sasl_password")
        if self.speaks_tls:
            options["ssl_context"] = tls.Renewed.by(self.tls_context)
        return options

    def tls_context(self) -> ssl.SSLContext:
        """Makes a context of the files as they are now; raises OSError, as ssl.SSLError is one."""
        context = tls.context(self.ssl_cafile, besides_system=False)
        self.show_certificate(context)
        return context

    def show_certificate(self, context: ssl.SSLContext) -> None:
        """Has a context say who we are, where the settings do; raises OSError."""
        if self.ssl_certfile is not None:
            password = self._secret("ssl_key_password")
            tls.show_certificate(context, self.ssl_certfile, self.ssl_keyfile, current(password))

    def _secret(self, field: str) -> str | None:
        value = getattr(self, field)
        text: str | None = value.get_secret_value() if isinstance(value, SecretStr) else value
        file = self.mounted(field)
        return text if text is None or file is None else Mounted.of(text, file)


class WorkerSettings(Settings):
    """The settings of every worker process: its port, its logs, and the bounds of what it holds."""

    model_config = SettingsConfigDict(env_prefix="WORKER_")

    host: str = Field("127.0.0.1", description="address to serve /metrics, /live and /ready on")
    port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="port for that; by default each worker has its own, from 6065 on, and in a dry "
        "run another",
    )
    dry_run: bool = Field(
        False,
        description="a destination's worker builds and counts all requests and sends none, in a "
        "consumer group of its own with -dry-run at its end; the router takes no notice",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="the least that is logged"
    )
    log_format: Literal["console", "json"] = Field("json", description="how a line looks")
    shutdown_timeout_s: PositiveFloat = Field(
        20, description="how long requests in flight may take to end at a rebalance or a stop"
    )
    stall_timeout_s: PositiveFloat = Field(
        300, description="a worker that has work, no excuse and no progress for so long ends"
    )
    max_in_flight_records: PositiveInt = Field(
        100_000,
        description="records under way in a worker, above an even share of which a partition is "
        "paused",
    )
    max_in_flight_bytes: PositiveInt = Field(
        256 * 1024 * 1024,
        description="bytes under way in a worker, above an even share of which a partition is "
        "paused",
    )
    max_uncommitted_offsets: PositiveInt = Field(
        1_000_000,
        description="offsets that a partition may go on beyond its first record that has not ended",
    )
    dedup_max_ids: PositiveInt = Field(
        1_000_000,
        description="records that a worker remembers, of all its partitions together: one that "
        "comes again while it is among them is delivered once",
    )
    max_rejected_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="share of the last 1,000 records that may become dead letters as a wrong "
        "deploy or setting makes them (refused, not mapped, not readable) before the worker holds "
        "and asks for a person; 1 switches the guard off",
    )

    @classmethod
    def load_beside(cls, kafka: KafkaSettings) -> Self:
        """Loads as `load` does, for a process that talks to Kafka by those settings."""
        worker = cls.load()
        if "request_timeout_s" in kafka.model_fields_set:
            try:
                kafka.reject_longer_requests("WORKER_STALL_TIMEOUT_S", worker.stall_timeout_s)
            except ValueError as error:
                raise SettingsError(f"{error}.") from None
        return worker
