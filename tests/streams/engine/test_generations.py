"""A commit belongs to the generation of the group in which a worker asks for it."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import CommitFailedError

from tests.streams.engine.unstarted import router_app


@pytest.mark.parametrize(
    ("later", "is_sent"),
    [(4, True), (-1, False), (5, False)],
    ids=["a member still", "put out", "joined anew"],
)
async def test_a_commit_is_sent_in_the_generation_in_which_it_was_asked_for_or_not_at_all(
    later: int, is_sent: bool
) -> None:
    """A coordinator may first have to be found, and aiokafka takes the generation of then."""
    sent = []

    async def send(assignment: object, offsets: object) -> None:
        sent.append(offsets)

    coordinator: Any = SimpleNamespace(generation=4, _do_commit_offsets=send)

    async def commit(offsets: object) -> None:
        coordinator.generation = later
        await coordinator._do_commit_offsets(None, offsets)

    consumer: Any = router_app().consumer
    thread = consumer._thread
    thread._consumer = SimpleNamespace(_coordinator=coordinator, commit=commit)
    thread._commit_in_one_generation(coordinator)
    try:
        await thread._commit_as_member({"offsets": 1})
    except CommitFailedError:
        assert not is_sent

    assert sent == ([{"offsets": 1}] if is_sent else [])
