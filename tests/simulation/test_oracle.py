"""The oracle believes no more of what happened than the records say."""

import pytest

from streams.topics import EVENTS, USER_UPDATE, Topic
from tests.simulation.evidence import Plan, Written
from tests.simulation.oracle import judge
from tests.simulation.service import Effect
from tests.simulation.story import Story


@pytest.mark.parametrize("first", [EVENTS, USER_UPDATE], ids=["an event", "an update"])
def test_the_copy_of_what_was_deleted_unread_may_come_after_what_followed_it(first: Topic) -> None:
    """It was written twice, and the first is gone: the second is in its place by the log."""
    story = Story(1, Plan())
    evidence = story.evidence
    evidence.all_ended = True
    for offset, (name, of) in enumerate([("deleted", first.name), ("next", EVENTS.name)]):
        evidence.written.append(Written(of, 0, offset, "100", name, 1.0, is_refused=False))
    evidence.service.effects += [
        Effect(at_s, "w1", "100", "event", name, None)
        for at_s, name in [(2.0, "next"), (3.0, "deleted")]
    ]
    assert len(judge(evidence)) == 1
    evidence.excused.add("deleted")
    assert judge(evidence) == []
    story.loop.close()
