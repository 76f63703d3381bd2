"""Random users, fates, rebalances, restarts and moves by hand: all ends once, and in order.

The engine's tracker and metadata with the delivery's queues, against a model that knows all that
was sent and all that Kafka was told.
"""

import asyncio
import itertools
from collections import Counter
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.engine.partition import Partition
from streams.kafka.commit_metadata import Progress, decode, encode
from tests.streams.delivery.flow import Flow, Letters, log, of_user, some_turns
from tests.streams.delivery.scripted import ScriptedSink
from tests.streams.properties import SMALL
from tests.streams.records import CLUSTER

DELIVERED = ["passes", "fails once", "fails twice", "all wait once", "hangs"]
DEAD = ["is refused", "breaks the mapping", "has no place"]
USERS = st.sampled_from(["17", "18", "19"])
FATES = st.sampled_from(["passes"] * 3 + DELIVERED + DEAD + ["is not wanted"])


@dataclass(frozen=True)
class Assignment:
    """How far the work gets before the partition is revoked, and what becomes of its offset then.

    `moved` is where a person moves it, if one does; what stood beside it may stay there.
    """

    chunks: int
    turns: int
    deadline: float
    committed: bool
    moved: int | None
    keeps_text: bool


ASSIGNMENTS = st.builds(
    Assignment,
    chunks=st.integers(0, 5),
    turns=st.integers(0, 30),
    deadline=st.sampled_from([0.0, 0.002]),
    committed=st.booleans(),
    moved=st.sampled_from([None, None, 0, 2, 40]),
    keeps_text=st.booleans(),
)
# Each inner list is the life of a process: the next one knows only what was committed.
LIVES = st.lists(st.lists(ASSIGNMENTS, max_size=4), max_size=2)


class Story:
    """One partition and one destination, through the lives of several workers."""

    def __init__(self, fates: list[tuple[str, str]], most: int, chunk: int) -> None:
        self.fates = fates
        self.chunk = chunk
        self.sink = ScriptedSink(most)
        self.letters = Letters()
        self.epochs = itertools.count(1)
        self.stored = 0, encode(Progress(0), CLUSTER)
        offsets = range(len(fates))
        self.least, self.most = Counter(offsets), Counter(offsets)
        """How often each offset must end, and may."""
        self.moves = [(0, 0)]
        """How much had been delivered, and had become dead letters, at the start and each move."""
        self.life_began = 0, 0

    def ended(self, since: tuple[int, int] = (0, 0)) -> list[int]:
        """What was delivered or became a dead letter since so much had been."""
        delivered = [int(id_.rsplit("/", 1)[1]) for id_ in self.sink.delivered]
        letters = [letter.offset for letter in self.letters.written]
        return delivered[since[0] :] + letters[since[1] :]

    @property
    def now(self) -> tuple[int, int]:
        return len(self.sink.delivered), len(self.letters.written)

    def store(self, progress: Progress) -> None:
        self.stored = progress.offset, encode(progress, CLUSTER)
        assert decode(self.stored[1], progress.offset, CLUSTER) == progress

    async def take_over(self, flow: Flow) -> tuple[Progress, Partition]:
        """As the engine does it: what it begins with is committed before anything else."""
        offset, text = self.stored
        start = decode(text, offset, CLUSTER) or Progress(offset, epoch=next(self.epochs))
        self.store(start)
        return start, await flow.assign(start)

    async def live(self, assignments: list[Assignment], *, last: bool = False) -> None:
        self.life_began = self.now
        flow = Flow(destination=self.sink, letters=self.letters)
        async with flow.running():
            for each in assignments:
                await self.go_through(flow, each)
            if last:
                self.sink.released.set()
                _, partition = await self.take_over(flow)
                while await self.accept(flow, partition):
                    await some_turns()
                await flow.settled(partition)
                assert partition.progress == Progress(len(self.fates), epoch=partition.epoch)
        # Only this process knows of these that they have ended.
        offset, text = self.stored
        stored = decode(text, offset, CLUSTER) or Progress(offset)
        ended = set(self.ended(max(self.life_began, self.moves[-1])))
        self.most.update(offset for offset in ended if not knows(stored, offset))

    async def go_through(self, flow: Flow, assignment: Assignment) -> None:
        start, partition = await self.take_over(flow)
        for _ in range(assignment.chunks):
            await self.accept(flow, partition)
        for _ in range(assignment.turns):
            await asyncio.sleep(0)
            self.passes_nothing_unfinished(start, partition)
        await flow.revoke(partition, deadline=assignment.deadline)
        self.passes_nothing_unfinished(start, partition)
        if assignment.committed:
            self.store(partition.progress)
            partition.was_committed(partition.progress)
        if assignment.moved is not None:
            self.move(assignment.moved, keeps_text=assignment.keeps_text)

    def passes_nothing_unfinished(self, start: Progress, partition: Partition) -> None:
        ended = set(self.ended(self.moves[-1]))
        for offset in range(start.offset, partition.offsets.position):
            if knows(partition.progress, offset):
                assert (
                    offset in ended
                    or knows(start, offset)
                    or self.fates[offset][1] == "is not wanted"
                )

    def move(self, to: int, *, keeps_text: bool) -> None:
        """A person wants all from there on once more, and nothing before it."""
        offset, text = self.stored
        to = min(to, len(self.fates))
        if to == offset:
            return
        self.stored = to, text if keeps_text else ""
        self.moves.append(self.now)
        so_far = Counter(self.ended())
        for offset in range(len(self.fates)):
            self.least[offset] = so_far[offset] + (offset >= to)
            self.most[offset] += offset >= to

    async def accept(self, flow: Flow, partition: Partition) -> bool:
        start = partition.offsets.position
        ahead = self.fates[start : start + self.chunk]
        if ahead:
            await flow.accept(partition, log(*ahead, start=start))
        return bool(ahead)


def knows(progress: Progress, offset: int) -> bool:
    """Whether this much progress says that the offset has ended."""
    return offset < progress.offset or any(first <= offset < end for first, end in progress.ended)


@given(
    fates=st.lists(st.tuples(USERS, FATES), max_size=40),
    lives=LIVES,
    most=st.sampled_from([1, 3, 100]),
    chunk=st.sampled_from([1, 4, 40]),
)
@settings(SMALL, max_examples=300)
def test_every_record_ends_in_order_and_is_repeated_only_when_kafka_was_not_told_or_a_person_asks(
    fates: list[tuple[str, str]], lives: list[list[Assignment]], most: int, chunk: int
) -> None:
    story = Story(fates, most, chunk)

    async def tell() -> None:
        for assignments in lives:
            await story.live(assignments)
        await story.live([], last=True)

    asyncio.run(tell())

    delivered = Counter(int(id_.rsplit("/", 1)[1]) for id_ in story.sink.delivered)
    letters = Counter(letter.offset for letter in story.letters.written)
    for offset, (_, fate) in enumerate(fates):
        wanted, unwanted = (letters, delivered) if fate in DEAD else (delivered, letters)
        assert not unwanted[offset]
        if fate == "is not wanted":
            assert not wanted[offset]
        else:
            assert story.least[offset] <= wanted[offset] <= story.most[offset]
    ends = [*(began for began, _ in story.moves[1:]), len(story.sink.delivered)]
    for (begin, _), end in zip(story.moves, ends, strict=True):
        for user in ("17", "18", "19"):
            first_times = list(dict.fromkeys(of_user(user, story.sink.delivered[begin:end])))
            assert first_times == sorted(first_times)
