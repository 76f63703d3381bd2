"""Follows writes that Kafka has not acknowledged, so that /ready can name what they wait for."""

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from aiokafka import TopicPartition

from streams import clocks


class PendingWrite(NamedTuple):
    """The place of a write, the client that makes it, and since when (seconds of the clock)."""

    topic: str
    partition: int | None
    client: Any
    since: float


class PendingWrites:
    """A process's pending writes. Producers wait in silence for leaders, replicas and topics."""

    def __init__(
        self, clock: Callable[[], float] = clocks.monotonic, *, late_after_s: float = 5.0
    ) -> None:
        """Names what waits for longer than `late_after_s` seconds.

        Acknowledgements take milliseconds; a leader's election takes a second or two.
        """
        self._clock = clock
        self._late_after_s = late_after_s
        self.writes: MutableMapping[object, PendingWrite] = {}
        """In the order in which they began."""

    def begin(self, topic: str, partition: int | None, client: Any) -> object:
        """Returns what `end` is to be given."""
        write = object()
        self.writes[write] = PendingWrite(topic, partition, client, self._clock())
        return write

    def end(self, write: object) -> None:
        self.writes.pop(write, None)

    @contextmanager
    def waiting(self, topic: str, partition: int | None, client: Any) -> Iterator[None]:
        """While a topic, or more partitions of it, are waited for."""
        write = self.begin(topic, partition, client)
        try:
            yield
        finally:
            self.end(write)

    def follow(self, producer: Any) -> None:
        """Has all that a producer is given to write counted."""
        for name in ("send", "send_batch"):
            setattr(producer, name, self._followed(getattr(producer, name), producer.client, name))

    def _followed(
        self, send: Callable[..., Awaitable[Any]], client: Any, name: str
    ) -> Callable[..., Awaitable[Any]]:
        async def sending(first: Any, *given: Any, **named: Any) -> Any:
            topic = first if name == "send" else given[0]
            write = self.begin(topic, named.get("partition"), client)
            try:
                written = await send(first, *given, **named)
            except BaseException:
                self.end(write)
                raise
            written.add_done_callback(lambda _: self.end(write))
            return written

        return sending

    @property
    def said(self) -> str | None:
        """A sentence on what waits for longer than it should; None where nothing does."""
        late: dict[tuple[str, int | None], PendingWrite] = {}
        for write in self.writes.values():
            if self._clock() - write.since < self._late_after_s:
                break
            late.setdefault((write.topic, write.partition), write)
        return "; ".join(map(self._sentence, late.values())) or None

    def _sentence(self, write: PendingWrite) -> str:
        where = write.topic if write.partition is None else f"{write.topic}-{write.partition}"
        seconds = f"{self._clock() - write.since:.0f} s"
        return f"Kafka has taken nothing of {where} for {seconds}: {_why(write)}"


def _why(write: PendingWrite) -> str:
    cluster = write.client.cluster
    partitions = cluster.partitions_for_topic(write.topic)
    if not partitions:
        return "there is no such topic; create it (mparticle-streams topics prints how)"
    if write.partition is None:
        return "look at its leaders and replicas"
    if write.partition not in partitions:
        return f"it has {len(partitions)} partitions; give it as many as the topics beside it have"
    leader = cluster.leader_for_partition(TopicPartition(write.topic, write.partition))
    if leader is None or leader < 0:
        return "it has no leader; look at the brokers that hold it"
    return (
        f"broker {leader} leads it; look whether that answers, and whether as many replicas are in "
        "sync as min.insync.replicas asks for"
    )


PENDING = PendingWrites()
"""The process's one registry of pending writes: producers are made in many places."""
