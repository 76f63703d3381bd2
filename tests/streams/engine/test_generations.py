"""A commit belongs to the generation of the group in which a worker asks for it."""

from types import SimpleNamespace

import pytest
from faust.types import TP

from streams.kafka.commit_metadata import Progress
from streams.topics import RAW
from tests.streams.engine.unstarted import coordinator_of, thread_of


@pytest.mark.parametrize(
    ("asked", "later", "is_sent"),
    [(4, 4, True), (4, -1, False), (4, 5, False), (-1, -1, False), (-1, 5, False)],
    ids=["a member still", "put out", "joined anew", "nobody", "nobody, and joined"],
)
async def test_a_commit_is_sent_in_the_generation_in_which_it_was_asked_for_or_not_at_all(
    asked: int, later: int, is_sent: bool
) -> None:
    """A coordinator may first have to be found, and aiokafka takes the generation of then."""
    sent = []

    async def send(assignment: object, offsets: object) -> None:
        sent.append(offsets)

    coordinator = coordinator_of(generation=asked, _do_commit_offsets=send)

    async def commit(offsets: object) -> None:
        coordinator.generation = later
        await coordinator._do_commit_offsets(None, offsets)

    thread = thread_of(SimpleNamespace(_coordinator=coordinator, commit=commit))
    thread.supervise(coordinator)

    assert await thread.commit_progress({TP(RAW.name, 0): Progress(3)}) is is_sent
    assert len(sent) == is_sent
