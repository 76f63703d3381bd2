"""Keeps what Kafka refuses this worker, where a person must see to the reason."""

from typing import Literal

import structlog
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    InconsistentGroupProtocolError,
    InvalidCommitOffsetSizeError,
    InvalidGroupIdError,
    InvalidSessionTimeoutError,
    KafkaError,
    OffsetMetadataTooLargeError,
    TopicAuthorizationFailedError,
)

from streams.kafka.rights import Right
from streams.kafka.unreadable import UnreadableError

log = structlog.get_logger()


class MissingTopicsError(KafkaError):  # type: ignore[misc] # published without types
    """A topic that the group reads is gone; it was there when the worker started."""


_WHAT_TO_DO: dict[type[BaseException], str] = {
    InvalidSessionTimeoutError: "set KAFKA_SESSION_TIMEOUT_S to what the brokers allow "
    "(group.min.session.timeout.ms to group.max.session.timeout.ms)",
    InvalidGroupIdError: "set KAFKA_PREFIX to what may be part of a group's name",
    InconsistentGroupProtocolError: "end the other program that is in this group, or set "
    "KAFKA_PREFIX",
    GroupAuthorizationFailedError: "let this user read the group",
    TopicAuthorizationFailedError: "let this user read the topics",
    OffsetMetadataTooLargeError: "raise the brokers' offset.metadata.max.bytes to its "
    "default, 4096",
    MissingTopicsError: "create what is missing (mparticle-streams topics prints how)",
    InvalidCommitOffsetSizeError: "raise the brokers' message.max.bytes to its default, 1048588",
}
# No other time will do: the process cannot change its own settings.
_FINAL = (InvalidSessionTimeoutError, InvalidGroupIdError)


class GroupError(Exception):
    """The worker cannot be in its group; the message is one sentence that says what to do."""


class Refusals:
    """The last word on joining and on committing; told once, and on /ready while it stands."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    @property
    def said(self) -> str:
        """A sentence; empty while nothing is refused."""
        return "; ".join(self._said.values())

    def record_refusal(self, what: str, error: Exception) -> GroupError | None:
        """Notes that Kafka refuses to let it `what`; returns what it must end with, if it must."""
        said = sentence(what, error)
        if self._said.get(what) != said:
            self._said[what] = said
            log.error("kafka_refused", reason=type(error).__name__, detail=said)
        return GroupError(f"{said}.") if isinstance(error, _FINAL) else None

    def clear(self, what: str) -> None:
        self._said.pop(what, None)

    def record(self, what: str, sentence: str | None) -> None:
        """The same of what is found out by looking; None where it is as it should be."""
        if sentence is None:
            self.clear(what)
        elif self._said.get(what) != sentence:
            self._said[what] = sentence
            log.error("kafka_refused", reason=what, detail=sentence)


def sentence(what: str, error: Exception) -> str:
    """Says what Kafka does not let a worker do, and what a person can do about it."""
    # An error that aiokafka does not know by name it hands on as the text of another.
    is_known = type(error) in _WHAT_TO_DO and not isinstance(error, MissingTopicsError)
    why = type(error).__name__ if is_known else str(error)[:200]
    what_to_do = _WHAT_TO_DO.get(type(error), "look at the brokers' log")
    match error:
        case UnreadableError():
            return f"Kafka does not let this worker {what}: {str(error).rstrip('.')}"
        case GroupAuthorizationFailedError(args=(str(group), *_)):
            what_to_do = to_grant("group", group)
        case TopicAuthorizationFailedError(args=(set(topics), *_)):
            what_to_do = "; ".join(to_grant("topic", topic) for topic in sorted(topics))
    return f"Kafka does not let this worker {what} ({why}): {what_to_do}"


def to_grant(kind: Literal["topic", "group"], name: str) -> str:
    """A clause that says which right to give back to a worker that had it when it started."""
    return f"have its user granted {Right('Read', kind, name)}"
