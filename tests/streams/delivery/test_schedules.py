"""Random users, fates, rebalances and restarts: every record ends once, and in order."""

import asyncio
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.engine.metadata import Progress, decode, encode
from streams.engine.partition import Partition
from tests.streams.delivery.flow import (
    Flow,
    Letters,
    log,
    of_user,
    some_turns,
    without_pauses,
)
from tests.streams.delivery.scripted import ScriptedSink
from tests.streams.properties import SMALL
from tests.streams.records import CLUSTER

DELIVERED = ["passes", "fails once", "fails twice", "all wait once", "hangs"]
DEAD = ["is refused", "breaks the mapping", "has no place"]
USERS = st.sampled_from(["17", "18", "19"])
FATES = st.sampled_from(["passes"] * 3 + DELIVERED + DEAD + ["is not wanted"])


@dataclass(frozen=True)
class Assignment:
    """How far the work gets before the partition is revoked, and whether Kafka took the commit."""

    chunks: int
    turns: int
    deadline: float
    committed: bool


ASSIGNMENTS = st.builds(
    Assignment,
    chunks=st.integers(0, 5),
    turns=st.integers(0, 30),
    deadline=st.sampled_from([0.0, 0.002]),
    committed=st.booleans(),
)
# Each inner list is the life of a process: the next one knows only what was committed.
LIVES = st.lists(st.lists(ASSIGNMENTS, max_size=3), max_size=3)


class Story:
    """One partition and one destination, through the lives of several workers."""

    def __init__(self, fates: list[tuple[str, str]], most: int, chunk: int) -> None:
        self.fates = fates
        self.chunk = chunk
        self.sink = ScriptedSink(most)
        self.letters = Letters()
        self.committed = Progress(0)
        self.repeatable: Counter[int] = Counter()

    @property
    def delivered(self) -> list[int]:
        return [int(id_.rsplit("/", 1)[1]) for id_ in self.sink.delivered]

    async def live(self, assignments: list[Assignment], *, last: bool = False) -> None:
        flow = Flow(destination=self.sink, letters=self.letters)
        async with flow.running():
            for each in assignments:
                await self.go_through(flow, each)
            if last:
                self.sink.released.set()
                partition = await flow.assign(self.committed)
                while await self.accept(flow, partition):
                    await some_turns()
                await flow.settled(partition)
                assert partition.progress == Progress(len(self.fates))
        for offset in {*self.delivered, *(letter.offset for letter in self.letters.written)}:
            self.repeatable[offset] += not self.knows(offset)

    async def go_through(self, flow: Flow, assignment: Assignment) -> None:
        partition = await flow.assign(self.committed)
        for _ in range(assignment.chunks):
            await self.accept(flow, partition)
        for _ in range(assignment.turns):
            await asyncio.sleep(0)
        await flow.revoke(partition, deadline=assignment.deadline)
        if assignment.committed:
            progress = partition.progress
            back = decode(encode(progress, CLUSTER), progress.offset, CLUSTER)
            assert back == progress
            self.committed = progress

    async def accept(self, flow: Flow, partition: Partition) -> bool:
        start = partition.offsets.position
        ahead = self.fates[start : start + self.chunk]
        if ahead:
            await flow.accept(partition, log(*ahead, start=start))
        return bool(ahead)

    def knows(self, offset: int) -> bool:
        """Whether Kafka was told that this offset has ended."""
        return offset < self.committed.offset or any(
            first <= offset < end for first, end in self.committed.ended
        )


@given(
    fates=st.lists(st.tuples(USERS, FATES), max_size=40),
    lives=LIVES,
    most=st.sampled_from([1, 3, 100]),
    chunk=st.sampled_from([1, 4, 40]),
)
@settings(SMALL, max_examples=200)
def test_every_record_ends_in_order_and_is_repeated_only_when_its_end_was_not_committed(
    fates: list[tuple[str, str]], lives: list[list[Assignment]], most: int, chunk: int
) -> None:
    story = Story(fates, most, chunk)

    async def tell() -> None:
        for assignments in lives:
            await story.live(assignments)
        await story.live([], last=True)

    with pytest.MonkeyPatch.context() as patch:
        without_pauses(patch)
        asyncio.run(tell())

    delivered = Counter(story.delivered)
    letters = Counter(letter.offset for letter in story.letters.written)
    for offset, (_, fate) in enumerate(fates):
        times = delivered[offset], letters[offset]
        most_times = 1 + story.repeatable[offset]
        if fate in DELIVERED:
            assert (1, 0) <= times <= (most_times, 0)
        elif fate in DEAD:
            assert times[0] == 0
            assert 1 <= times[1] <= most_times
        else:
            assert times == (0, 0)
    for user in ("17", "18", "19"):
        first_times = list(dict.fromkeys(of_user(user, story.sink.delivered)))
        assert first_times == sorted(first_times)
