"""One fill at a time: Kafka lets nobody else into a group that speaks a protocol of its own."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import InconsistentGroupProtocolError

from agents.sailthru.fill.error import FillError
from streams.kafka import clients
from streams.settings import KafkaSettings
from streams.topics import USER_UPDATE

SUFFIX = "-fill"


def _protocol_of_its_own() -> type[RangePartitionAssignor]:
    return type("OneFill", (RangePartitionAssignor,), {"name": f"fill-{uuid4().hex}"})


class ExclusiveGroup(ConsumerRebalanceListener):  # type: ignore[misc]  # as above
    """The only member of a group beside the worker's, which a worker may join at any time."""

    def __init__(self, member: AIOKafkaConsumer) -> None:
        self._member = member
        self._lost = False

    def check(self) -> None:
        """Raises FillError when another may have filled meanwhile."""
        if self._lost:
            raise FillError(
                "Kafka did not hear of this fill for KAFKA_SESSION_TIMEOUT_S: see that no other is "
                "at work, and run this again; what was not committed is sent again."
            )

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._member.pause(*assigned)

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._lost = self._lost or bool(revoked)


@asynccontextmanager
async def alone(kafka: KafkaSettings, group: str) -> AsyncIterator[ExclusiveGroup]:
    """Raises FillError when another fill is at work."""
    member = clients.new_consumer(
        kafka,
        group_id=group + SUFFIX,
        partition_assignment_strategy=[_protocol_of_its_own()],
        max_poll_interval_ms=clients.NEVER_MS,
        session_timeout_ms=int(kafka.session_timeout_s * 1000),
        heartbeat_interval_ms=int(kafka.session_timeout_s * 100),
    )
    held = ExclusiveGroup(member)
    member.subscribe([kafka.topic(USER_UPDATE.name)], listener=held)
    try:
        async with clients.answering(kafka):
            try:
                await member.start()
            except InconsistentGroupProtocolError as error:
                raise FillError(
                    "Another fill is at work: run one at a time; if it was killed, run this again "
                    "after KAFKA_SESSION_TIMEOUT_S."
                ) from error
        yield held
    finally:
        await member.stop()
