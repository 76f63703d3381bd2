"""The contract between the delivery and a destination's code."""

import math
from abc import ABC, abstractmethod
from asyncio import Future
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from aiokafka.structs import ConsumerRecord
from msgspec import Struct

from models.audience import Audience
from models.record import Record
from streams.delivery.rate_limit.limiter import Pacer
from streams.engine.partition import Partition
from streams.outcomes import Delivered, Dropped, Outcome, Rejected
from streams.topics import Topic

Request = TypeVar("Request")


class LaneKey(Struct, frozen=True, gc=False):
    """Names a lane, a queue with one request in flight: what must keep its order shares one."""

    endpoint: str
    subject: Hashable
    """The user, audience or partition whose order the lane keeps."""


@dataclass(frozen=True, slots=True)
class Batch(Generic[Request]):
    """One request, and how many of the waiting records, from the first on, it carries."""

    request: Request
    size: int
    endpoint: str | None = None
    """The endpoint that it is sent to; None for the lane's own."""


@dataclass(frozen=True, slots=True)
class Then(Generic[Request]):
    """A request passed, and the same records need this one too; it has a turn at its own endpoint.

    So nobody waits for one endpoint while they hold a connection or a permit of another's, and how
    each of several requests ends is told of the endpoint that it was sent to.
    """

    tag: ClassVar[str] = Delivered.tag

    request: Request
    endpoint: str


class Placement(Struct, frozen=True, gc=False):
    """The owner of a record's order, and the partition that the record came from."""

    user: str
    partition: int


def placement(record: Record, key: bytes | None, partition: int) -> Placement:
    """Places a record by its key; one without a key, which somebody else wrote, by its id."""
    return Placement(key.decode(errors="replace") if key else record.id, partition)


class Repeat(Protocol):
    """Records that a sink sends again on behalf of one partition, through its lanes."""

    @property
    def is_gone(self) -> bool:
        """Returns whether the partition is no longer this worker's."""

    @property
    def may_send(self) -> bool:
        """Returns whether the partition surely still is this worker's; also after it was frozen."""

    async def wait_until_settled(self, end: int) -> bool:
        """Waits until all before `end`, and all that was fetched by now, has ended.

        False if the partition is gone, or that takes too long.
        """

    async def wait_for_room(self) -> bool:
        """Waits until one more may be queued; False if the partition is gone."""

    def queue(self, lane: LaneKey, source: ConsumerRecord, record: Record) -> None:
        """Puts a record behind what waits in its lane; offsets of `source` must grow."""

    async def wait_until_ended(self) -> bool:
        """Waits until all that was queued has ended; False if the partition is gone."""


class Feed(Protocol):
    """The partitions that this worker has now, each of which a sink may send records for."""

    @property
    def partitions(self) -> Sequence[Partition]:
        """Partitions that are fetched."""

    @property
    def held(self) -> Sequence[Partition]:
        """Partitions that are assigned and not fetched for now."""

    def record_refusal(self, task: str, error: Exception) -> None:
        """Has /ready say that Kafka does not let this worker do `task`, until it is granted."""

    def clear_refusal(self, task: str) -> None:
        """Kafka lets this worker do `task`."""

    def repeat(self, partition: Partition, topic: str) -> Repeat:
        """Begins to send records of a topic of the sink's own, on behalf of a partition."""


class Wire(ABC, Generic[Request]):
    """The part of a sink that touches the network; a dry run has one that sends nothing."""

    @abstractmethod
    def session(self, pacer: Pacer) -> AbstractAsyncContextManager[None]:
        """Holds what `send` needs (connections, tokens) while the worker runs.

        A session of aiohttp's takes `guarded(pacer.may_send)` as its `request_class`, so that each
        request asks once more when it has its connection.
        """

    @abstractmethod
    async def send(self, request: Request) -> Outcome | Then[Request]:
        """Tries once. May be called again with the same records, so it must be safe to repeat.

        It waits for no limit: what is for another endpoint comes `Then`, in a turn of its own, and
        a try of which anything failed begins anew with `fold`. Returns an outcome for everything
        the destination can answer, cut connections and time-outs included. Raises only for our own
        mistakes, and lets FencedError pass: somebody else may own these records by now. Waiting,
        retrying and counting are the caller's.
        """


class Sink(Wire[Request]):
    """One destination: these seven members, and of the capabilities below those that it needs.

    All but `session` and `send` is pure and fast. The delivery asks `place` once for each record,
    `fold` right before each `send`; both may be wrong about a record and raise, which costs that
    record and nothing else.
    """

    rate_limit_share: float = 1.0
    """The part of its limits that all our workers together may use."""
    admitted_in_a_turn: int = 50
    """The most records that one turn of the event loop admits, of all partitions together.

    A request takes several turns, so few where many requests are in flight; more where a request is
    to find much waiting.
    """
    admitted_ahead: float = math.inf
    """The most records of one partition that wait in lanes, beside those of one more turn.

    The others wait as they were fetched. What was parsed long before it is sent is in no cache any
    more when it is; a sink whose lanes are partitions needs only what its next requests take. Where
    lanes are users, one that waits would hold up the others.
    """
    most_records: int = 10_000
    """The most records that `fold` is shown: no request carries more."""
    behind: Mapping[str, str] = MappingProxyType({})
    """Reason of a drop or a dead letter -> the one or two settings an operator would change."""

    @property
    @abstractmethod
    def destination(self) -> str:
        """Its name, as in `worker NAME`, its consumer group and its metrics."""

    @property
    @abstractmethod
    def topics(self) -> tuple[Topic, ...]:
        """The topics that it reads."""

    @property
    @abstractmethod
    def limits(self) -> Mapping[str, int | None]:
        """Endpoint -> published requests a minute, or None where none is published."""

    def reader(self, topic: Topic) -> Callable[[bytes], Record]:
        """Returns what reads a record of a topic; it raises pydantic's ValidationError.

        A sink that knows how to deal with frames may have some read as such.
        """
        read: Callable[[bytes], Record] = topic.holds.validator.validate_json
        return read

    @abstractmethod
    def place(self, record: Record, at: Placement, now_ms: int) -> LaneKey | Dropped | Rejected:
        """Says in which lane a record waits, or why it does not."""

    @abstractmethod
    def fold(self, lane: LaneKey, waiting: Sequence[Record]) -> Batch[Request]:
        """Folds the longest run of waiting records, from the first on, into one request.

        Called at the last moment before `send`, with one record at least.
        """


class Prepares(ABC):
    """Capability: something must be done first, by whatever worker, so that a record may be sent.

    Only for a sink that reads `user-update`.
    """

    @abstractmethod
    def preparation(self, record: Record) -> Future[Any] | None:
        """Returns what a record waits for, None when it may go.

        Asked right before `fold`. The record's lane waits for it without a connection and as long
        as it lasts; no other lane does.
        """


class Resends(ABC):
    """Capability: sends records of its own accord, because the destination would forget them."""

    @abstractmethod
    async def resend(self, feed: Feed) -> None:
        """Runs beside all else while the worker runs.

        May return at once; raises only for our own mistakes.
        """

    @abstractmethod
    async def on_dead_letter(self, record: Record, partition: int) -> None:
        """Is told of a record that becomes a dead letter after it had waited in a lane."""


class Learns(ABC):
    """Capability: knows more of a record than the record says."""

    recalls: Collection[bytes] = ()
    """The kinds of record, as in their header, that `recall` wants to see."""

    @abstractmethod
    def learn(self, audience: Audience) -> None:
        """Takes what is known of an audience: all of them at start, then each that changes."""

    @abstractmethod
    def recall(self, record: Record, at: Placement) -> None:
        """Learns from a record that ended before this worker took over its partition."""


class Explains(ABC, Generic[Request]):
    """Capability: shows its requests, for `explain` and for a dry run."""

    @abstractmethod
    def describe(self, request: Request) -> Mapping[str, Any]:
        """Shows `{"method", "url", "body"}` of a request, body decoded and secrets left out.

        And `renamed`, where the destination's names are not those of the records.
        """

    def preparations(self, requests: Sequence[Request]) -> Sequence[Mapping[str, Any]]:
        """Shows the set-up calls that come before these requests, like `describe`."""
        del requests  # most destinations need none
        return ()


@dataclass(frozen=True, slots=True)
class Outlet:
    """A sink as a process runs it: under which name, over which wire, with what it is capable of.

    Capabilities are looked up here, once.
    """

    name: str
    """The name in its group, its metrics and its dead letters."""
    sink: Sink[Any]
    wire: Wire[Any]
    prepares: Prepares | None = None
    resends: Resends | None = None
    learns: Learns | None = None

    @classmethod
    def of(cls, sink: Sink[Any]) -> Self:
        """A sink that sends."""
        return cls(
            sink.destination,
            sink,
            sink,
            sink if isinstance(sink, Prepares) else None,
            sink if isinstance(sink, Resends) else None,
            sink if isinstance(sink, Learns) else None,
        )

    def learn(self, audience: Audience) -> None:
        if self.learns is not None:
            self.learns.learn(audience)
