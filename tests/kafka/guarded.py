"""A broker that asks for a user's name and password, which can be exchanged."""

from sandbox.kafka import Kafka
from sandbox.ports import HOST
from streams.settings import KafkaSettings

_USER = "streams"
_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"


class GuardedKafka(Kafka):
    """Beside its open listener it has one that takes one password alone."""

    def __init__(self) -> None:
        super().__init__(
            protocols={"LOGIN": "SASL_PLAINTEXT"}, settings={"sasl.enabled.mechanisms": "PLAIN"}
        )
        self.takes("the-first-password")

    def takes(self, password: str) -> None:
        """From the next start on."""
        self.password = password
        self._settings["listener.name.login.plain.sasl.jaas.config"] = (
            f'{_MODULE} required user_{_USER}="{password}";'
        )

    @property
    def login(self) -> KafkaSettings:
        return KafkaSettings(
            bootstrap_servers=f"{HOST}:{self.ports['LOGIN']}",
            security_protocol="SASL_PLAINTEXT",
            sasl_username=_USER,
            sasl_password=self.password,
        )
