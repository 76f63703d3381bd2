"""What cannot be read of a partition, or may not be: told with its place and with what to do."""

from collections.abc import Iterable, Mapping

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError, TopicAuthorizationFailedError

from streams.kafka.buffered_records import Fetched
from streams.kafka.clients import UnansweredError
from streams.kafka.rights import Right

log = structlog.get_logger()

AGAIN_SECONDS = 1.0
"""How long after a refusal it is asked again."""


class UnreadableError(UnansweredError):
    """A partition cannot be read on from where it stands; one sentence says what to do."""


def unreadable(fetched: Fetched) -> UnreadableError:
    """Returns what to raise of the first partition that has an error."""
    tp, error = next(iter(fetched.errors.items()))
    at = f"offset {fetched.positions.get(tp, '?')} of {tp.topic}-{tp.partition}"
    match error:
        case TopicAuthorizationFailedError():
            right = Right("Read", "topic", tp.topic)
            return UnreadableError(
                f"Kafka does not let this user read on from {at}: have it granted {right}.",
                is_locked_out=True,
            )
        case OffsetOutOfRangeError():
            return UnreadableError(f"Kafka has deleted {at} before it was read: run this again.")
    behind = fetched.behind.get(tp)
    goes_on = "" if behind is None else f", the next begins at {behind}"
    return UnreadableError(
        f"The batch at {at} cannot be unpacked ({type(error).__name__}){goes_on}: look at it with "
        "another client, and choose what to read so that it is not among it (--since, --until); or "
        "stop the workers and move the group's offset behind it with Kafka's own tool."
    )


class PassingOver:
    """Passes over what cannot be unpacked, and has refusals waited out; tells either."""

    def __init__(self, task: str, lost: str) -> None:
        """Takes clauses: what Kafka does not let a worker do, and what is lost by passing over."""
        self._task = task
        self._lost = lost
        # It is said once of each topic.
        self._said: set[str] = set()

    def pass_over(
        self, consumer: AIOKafkaConsumer, fetched: Fetched, ends: Mapping[TopicPartition, int]
    ) -> Mapping[TopicPartition, str]:
        """Goes on behind the batches that cannot be unpacked, or at its end where none came.

        Returns what has to be asked again after a pause, and why.
        """
        again = {}
        for tp, error in fetched.errors.items():
            if isinstance(error, TopicAuthorizationFailedError) or tp not in ends:
                again[tp] = type(error).__name__
            else:
                self._pass(consumer, fetched, tp, ends[tp])
        self._tell_refused(
            tp.topic
            for tp in again
            if isinstance(fetched.errors[tp], TopicAuthorizationFailedError)
        )
        return again

    def _pass(
        self, consumer: AIOKafkaConsumer, fetched: Fetched, tp: TopicPartition, end: int
    ) -> None:
        first, error = fetched.positions[tp], fetched.errors[tp]
        behind = min(fetched.behind.get(tp, end), end)
        consumer.seek(tp, behind)
        log.error(
            "batch_unreadable",
            topic=tp.topic,
            partition=tp.partition,
            offset=first,
            detail=f"{tp.topic}-{tp.partition}: from offset {first} to before {behind} nothing can "
            f"be unpacked ({type(error).__name__}): {self._lost}",
        )

    def _tell_refused(self, topics: Iterable[str]) -> None:
        if not (unsaid := set(topics) - self._said):
            return
        self._said |= unsaid
        rights = "; ".join(str(Right("Read", "topic", topic)) for topic in sorted(unsaid))
        log.error(
            "kafka_refused",
            reason=TopicAuthorizationFailedError.__name__,
            detail=f"Kafka does not let this worker {self._task}: have its user granted {rights}",
        )
