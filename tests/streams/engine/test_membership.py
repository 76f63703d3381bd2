"""A worker sends only while it surely is a member of its group."""

import pytest

from streams.engine.group_lease import Membership


class Clock:
    def __init__(self) -> None:
        self.now = 500.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("later", "sure"), [(0, True), (23.9, True), (24.1, False), (3600, False)])
def test_it_is_sure_for_eight_tenths_of_the_session(later: float, sure: bool) -> None:
    clock = Clock()
    membership = Membership(30.0, clock)
    membership.confirmed(membership.now())
    clock.now += later

    assert membership.sure() is sure


def test_it_is_not_sure_before_the_first_answer() -> None:
    assert not Membership(30.0, Clock()).sure()


def test_an_answer_counts_from_when_it_was_asked_for() -> None:
    """A frozen process gets its old answer when it wakes up."""
    clock = Clock()
    membership = Membership(30.0, clock)
    asked_at = membership.now()
    clock.now += 60
    membership.confirmed(asked_at)

    assert not membership.sure()


def test_kafka_is_in_touch_while_it_takes_commits_or_answers_heartbeats() -> None:
    clock = Clock()
    membership = Membership(30.0, clock)
    told = [membership.in_touch()]
    membership.confirmed(clock.now)
    clock.now += 20
    told.append(membership.in_touch())
    membership.answered(clock.now)
    clock.now += 20
    told.append(membership.in_touch())
    clock.now += 5
    told.append(membership.in_touch())

    assert told == [False, True, True, False]


def test_a_late_answer_takes_nothing_back() -> None:
    clock = Clock()
    membership = Membership(30.0, clock)
    membership.confirmed(clock.now)
    membership.confirmed(clock.now - 60)

    assert membership.sure()


def test_a_member_that_was_just_let_in_is_in_touch_and_not_sure() -> None:
    """A twin may put it out before its first commit, again and again."""
    membership = Membership(30.0, Clock())
    membership.let_in()

    assert membership.in_touch()
    assert not membership.sure()
