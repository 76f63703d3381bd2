"""A broker that asks for a user's name and password, which it may exchange."""

from sandbox.kafka import Kafka
from sandbox.ports import HOST, free_ports
from streams.settings import KafkaSettings

_USER = "streams"
_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"


class GuardedKafka(Kafka):
    """Beside the open listener it has one that takes the present password; `start` changes it."""

    def __init__(self) -> None:
        super().__init__()
        self.password = "the-first-password"
        self._login_port = next(free_ports())

    @property
    def login(self) -> KafkaSettings:
        return KafkaSettings(
            bootstrap_servers=f"{HOST}:{self._login_port}",
            security_protocol="SASL_PLAINTEXT",
            sasl_username=_USER,
            sasl_password=self.password,
        )

    def _listening(self, controller: int) -> dict[str, object]:
        told = super()._listening(controller)
        here = f",LOGIN://{HOST}:{self._login_port}"
        return {
            **told,
            "listeners": f"{told['listeners']}{here}",
            "advertised.listeners": f"{told['advertised.listeners']}{here}",
            "listener.security.protocol.map": f"{told['listener.security.protocol.map']},"
            "LOGIN:SASL_PLAINTEXT",
            "listener.name.login.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.login.plain.sasl.jaas.config": f"{_MODULE} required "
            f'user_{_USER}="{self.password}";',
        }
