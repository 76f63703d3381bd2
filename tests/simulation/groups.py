"""Kafka's classic group coordinator: joins, generations, static members, committed offsets.

Behaviour: Apache Kafka, `GroupCoordinator` (classic protocol), KIP-345 for static members and
KIP-394 for the member id that a first join is told.
"""

import asyncio
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

from tests.simulation.loop import SimulatedLoop, Turn

T = TypeVar("T")

NO_ERROR = 0
METADATA_TOO_LARGE = 12
LOADING = 14
NOT_COORDINATOR = 16
ILLEGAL_GENERATION = 22
INVALID_SESSION_TIMEOUT = 26
UNKNOWN_MEMBER = 25
REBALANCING = 27
MEMBER_ID_REQUIRED = 79
FENCED_INSTANCE = 82

_MIN_SESSION_S, _MAX_SESSION_S = 6.0, 1800.0
METADATA_BYTES = 4096


class Joined(NamedTuple):
    error: int
    generation: int = -1
    protocol: str = ""
    leader: str = ""
    member: str = ""
    members: tuple[tuple[str, str | None, bytes], ...] = ()


@dataclass(eq=False)
class Member:
    id: str
    process: str
    instance: str | None
    session_s: float
    rebalance_s: float
    protocols: list[tuple[str, bytes]]
    assignment: bytes = b""
    expires: Turn | None = None
    joining: "asyncio.Future[Joined] | None" = None
    syncing: "asyncio.Future[tuple[int, bytes]] | None" = None


@dataclass
class Group:
    """Its state is one of Empty, Preparing, Completing, Stable."""

    name: str
    loop: SimulatedLoop
    initial_delay_s: float = 0.0
    metadata_bytes: int = METADATA_BYTES
    state: str = "Empty"
    generation: int = 0
    protocol: str = ""
    leader: str | None = None
    members: dict[str, Member] = field(default_factory=dict)
    offsets: dict[tuple[str, int], tuple[int, str]] = field(default_factory=dict)
    rebalances: int = 0
    odd_commits: list[str] = field(default_factory=list)
    """Those of nobody, and those that took an offset back."""
    _made: int = 0
    _joined: set[str] = field(default_factory=set)
    _deadline: Turn | None = None
    _promised: set[str] = field(default_factory=set)

    # -- membership

    def has(self, process: str) -> bool:
        """Whether Kafka takes a process for a member now."""
        return any(each.process == process for each in self.members.values())

    async def join(self, request: Mapping[str, Any], client: str, process: str) -> Joined:
        """Returns when all members have joined, or are given up on."""
        id_, instance = request["member_id"], request["group_instance_id"]
        asked = Member(
            id_,
            process,
            instance,
            request["session_timeout"] / 1000,
            request["rebalance_timeout"] / 1000,
            [
                (each["protocol_name"], each["protocol_metadata"])
                for each in request["group_protocols"]
            ],
        )
        self._joined.add(process)
        if not _MIN_SESSION_S <= asked.session_s <= _MAX_SESSION_S:
            return Joined(INVALID_SESSION_TIMEOUT, member=id_)
        if not id_ and instance is None:
            self._promised.add(new := self._new_id(client))
            return Joined(MEMBER_ID_REQUIRED, member=new)
        if instance is not None:
            known = self._static(instance)
            if id_ and (known is None or known.id != id_):
                return Joined(FENCED_INSTANCE if known else UNKNOWN_MEMBER, member=id_)
            if not id_:
                asked.id = self._new_id(client)
                if known is not None:
                    return await self._replace(known, asked)
                self._promised.add(asked.id)
        return await self._admit(asked)

    async def _admit(self, asked: Member) -> Joined:
        member = self.members.get(asked.id)
        if member is None:
            if asked.id not in self._promised:
                return Joined(UNKNOWN_MEMBER, member=asked.id)
            self._promised.discard(asked.id)
            member = self.members[asked.id] = asked
        elif (
            self.state == "Stable"
            and member.protocols == asked.protocols
            and member.id != self.leader
            and member.assignment
        ):
            # A follower that missed the answer to its last join.
            return self._answer(member)
        member.protocols = asked.protocols
        return await self._wait_for_all(member)

    async def _replace(self, old: Member, member: Member) -> Joined:
        """A static member that comes again under a new id: whoever had the old one is fenced."""
        del self.members[old.id]
        _cancel(old.expires)
        _settle(old.joining, Joined(FENCED_INSTANCE, member=old.id))
        _settle(old.syncing, (FENCED_INSTANCE, b""))
        member.assignment = old.assignment
        self.members[member.id] = member
        if self.leader == old.id:
            self.leader = member.id
        if self.state == "Stable" and member.protocols == old.protocols:
            self._renew(member)
            # It is told of no one else, so that it assigns nothing anew.
            return self._answer(member, as_follower=True)
        return await self._wait_for_all(member)

    async def _wait_for_all(self, member: Member) -> Joined:
        joined: asyncio.Future[Joined] = self.loop.create_future()
        member.joining = joined
        _cancel(member.expires)
        member.expires = None
        if self.state != "Preparing":
            self._prepare()
        self._complete_if_all_are_there()
        return await joined

    def _prepare(self) -> None:
        was_empty = self.state == "Empty"
        self.state = "Preparing"
        self.rebalances += 1
        for member in self.members.values():
            _settle(member.syncing, (REBALANCING, b""))
            member.syncing = None
        _cancel(self._deadline)
        longest = max((member.rebalance_s for member in self.members.values()), default=0.0)
        wait = self.initial_delay_s if was_empty else longest
        self._deadline = self.loop.call_later(wait, self._complete)

    def _complete_if_all_are_there(self) -> None:
        if (
            self.state == "Preparing"
            and not self.initial_delay_s
            and all(member.joining is not None for member in self.members.values())
        ):
            self._complete()

    def _complete(self) -> None:
        if self.state != "Preparing":
            return
        _cancel(self._deadline)
        for member in [each for each in self.members.values() if each.joining is None]:
            if member.instance is None:
                self._drop(member)
        if not self.members:
            self.state = "Empty"
            return
        self.generation += 1
        joined = [each for each in self.members.values() if each.joining is not None]
        if not joined:
            self.state = "Preparing"
            self._deadline = self.loop.call_later(1.0, self._complete)
            return
        if self.leader not in self.members or self.members[self.leader].joining is None:
            self.leader = joined[0].id
        self.protocol = joined[0].protocols[0][0]
        self.state = "Completing"
        for member in joined:
            answer = self._answer(member)
            future, member.joining = member.joining, None
            assert future is not None
            future.set_result(answer)
            self._renew(member)

    def _answer(self, member: Member, *, as_follower: bool = False) -> Joined:
        told: tuple[tuple[str, str | None, bytes], ...] = ()
        if member.id == self.leader and not as_follower:
            told = tuple(
                (each.id, each.instance, dict(each.protocols)[self.protocol])
                for each in self.members.values()
            )
        leader = self.leader or ""
        if as_follower and leader == member.id:
            leader = "somebody else"
        return Joined(NO_ERROR, self.generation, self.protocol, leader, member.id, told)

    async def sync(self, request: Mapping[str, Any]) -> tuple[int, bytes]:
        member = self.members.get(request["member_id"])
        if member is None:
            fenced = self._is_fenced(request)
            return (FENCED_INSTANCE if fenced else UNKNOWN_MEMBER), b""
        if request["generation_id"] != self.generation:
            return ILLEGAL_GENERATION, b""
        if self.state == "Preparing":
            return REBALANCING, b""
        self._renew(member)
        if self.state == "Stable":
            return NO_ERROR, member.assignment
        if member.id == self.leader:
            given = {
                each["member_id"]: each["member_metadata"] for each in request["group_assignment"]
            }
            self.state = "Stable"
            for each in self.members.values():
                each.assignment = given.get(each.id, b"")
                _settle(each.syncing, (NO_ERROR, each.assignment))
                each.syncing = None
            return NO_ERROR, member.assignment
        synced: asyncio.Future[tuple[int, bytes]] = self.loop.create_future()
        member.syncing = synced
        return await synced

    def heartbeat(self, id_: str, generation: int) -> int:
        member = self.members.get(id_)
        if member is None:
            return UNKNOWN_MEMBER
        if generation != self.generation:
            return ILLEGAL_GENERATION
        self._renew(member)
        return REBALANCING if self.state == "Preparing" else NO_ERROR

    def leave(self, id_: str) -> int:
        member = self.members.get(id_)
        if member is None:
            return UNKNOWN_MEMBER
        self._remove(member)
        return NO_ERROR

    def _static(self, instance: str) -> Member | None:
        return next((each for each in self.members.values() if each.instance == instance), None)

    def _is_fenced(self, request: Mapping[str, Any]) -> bool:
        instance = request.get("group_instance_id")
        return instance is not None and self._static(instance) is not None

    def _renew(self, member: Member) -> None:
        _cancel(member.expires)
        member.expires = self.loop.call_later(member.session_s, self._remove, member)

    def _remove(self, member: Member) -> None:
        self._drop(member)
        if self.state in ("Stable", "Completing"):
            if self.members:
                self._prepare()
            else:
                self.state = "Empty"
        elif self.state == "Preparing":
            if self.members:
                self._complete_if_all_are_there()
            else:
                self.state = "Empty"

    def _drop(self, member: Member) -> None:
        self.members.pop(member.id, None)
        _cancel(member.expires)
        _settle(member.joining, Joined(UNKNOWN_MEMBER, member=member.id))
        _settle(member.syncing, (UNKNOWN_MEMBER, b""))

    def _new_id(self, client: str) -> str:
        self._made += 1
        return f"{client}-{self._made}"

    # -- offsets

    def look_at_commit(self, request: Mapping[str, Any], process: str) -> None:
        """Whatever it is answered: nobody asks it who is no member, nor of what is another's."""
        generation, id_ = request["consumer_group_generation_id"], request["consumer_id"]
        if generation < 0 and process in self._joined:  # a first start commits before it joins
            self.odd_commits.append(f"{process} committed to {self.name} and was no member")
        member = self.members.get(id_)
        if member is None or generation != self.generation or self.state != "Stable":
            return
        given = _given(member.assignment)
        for topic in request["topics"]:
            for each in topic["partitions"]:
                if (tp := (topic["topic"], each["partition"])) not in given:
                    self.odd_commits.append(f"{process} committed {tp}, which it was not given")

    def commit(self, request: Mapping[str, Any]) -> int | dict[tuple[str, int], int]:
        """An error for all, or one for each partition."""
        generation, id_ = request["consumer_group_generation_id"], request["consumer_id"]
        if generation < 0:
            if self.members:
                return UNKNOWN_MEMBER
        elif (member := self.members.get(id_)) is None:
            return UNKNOWN_MEMBER
        elif generation != self.generation:
            return ILLEGAL_GENERATION
        elif self.state == "Completing":
            return REBALANCING
        else:
            self._renew(member)
        errors = {}
        for topic in request["topics"]:
            for each in topic["partitions"]:
                tp = topic["topic"], each["partition"]
                text = each["metadata"] or ""
                errors[tp] = NO_ERROR
                if len(text.encode()) > self.metadata_bytes:
                    errors[tp] = METADATA_TOO_LARGE
                else:
                    self._set_offset(tp, each["offset"], text)
        return errors

    def _set_offset(self, tp: tuple[str, int], offset: int, text: str) -> None:
        before, _ = self.offsets.get(tp, (0, ""))
        if offset < before:
            self.odd_commits.append(f"{self.name} went back from {before} to {offset} of {tp}")
        self.offsets[tp] = offset, text

    def restart(self) -> None:
        """As after a coordinator's restart: members are read from its log, and joins are gone."""
        for member in list(self.members.values()):
            _settle(member.joining, Joined(NOT_COORDINATOR, member=member.id))
            _settle(member.syncing, (NOT_COORDINATOR, b""))
            member.joining = member.syncing = None
            self._renew(member)
        if self.state != "Empty" and self.members:
            self.state = "Stable" if self.state == "Stable" else "Preparing"
            if self.state == "Preparing":
                self._prepare()


@functools.lru_cache(maxsize=256)
def _given(assignment: bytes) -> frozenset[tuple[str, int]]:
    """The partitions that a leader gave to a member."""
    if not assignment:
        return frozenset()
    given = ConsumerProtocolMemberAssignment.decode(assignment)
    return frozenset((tp.topic, tp.partition) for tp in given.partitions())


def _cancel(timer: Turn | None) -> None:
    if timer is not None:
        timer.cancel()


def _settle(waiting: "asyncio.Future[T] | None", answer: T) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(answer)
