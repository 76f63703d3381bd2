"""A worker sends only while it surely is a member of its group."""

import pytest

from streams.engine.group_lease import GroupLease


class Clock:
    def __init__(self) -> None:
        self.now = 500.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("later", "held"), [(0, True), (23.9, True), (24.1, False), (3600, False)])
def test_it_is_held_for_eight_tenths_of_the_session(later: float, held: bool) -> None:
    clock = Clock()
    lease = GroupLease(30.0, clock)
    lease.renew(lease.clock())
    clock.now += later

    assert lease.is_held() is held


def test_it_is_not_held_before_the_first_answer() -> None:
    assert not GroupLease(30.0, Clock()).is_held()


def test_an_answer_counts_from_when_it_was_asked_for() -> None:
    """A frozen process gets its old answer when it wakes up."""
    clock = Clock()
    lease = GroupLease(30.0, clock)
    asked_at = lease.clock()
    clock.now += 60
    lease.renew(asked_at)

    assert not lease.is_held()


def test_kafka_is_in_touch_while_it_takes_commits_or_answers_heartbeats() -> None:
    clock = Clock()
    lease = GroupLease(30.0, clock)
    told = [lease.is_in_touch()]
    lease.renew(clock.now)
    clock.now += 20
    told.append(lease.is_in_touch())
    lease.record_heartbeat(clock.now)
    clock.now += 20
    told.append(lease.is_in_touch())
    clock.now += 5
    told.append(lease.is_in_touch())

    assert told == [False, True, True, False]


def test_a_late_answer_takes_nothing_back() -> None:
    clock = Clock()
    lease = GroupLease(30.0, clock)
    lease.renew(clock.now)
    lease.renew(clock.now - 60)

    assert lease.is_held()


def test_a_member_that_was_just_let_in_is_in_touch_and_not_sure() -> None:
    """A twin may put it out before its first commit, again and again."""
    lease = GroupLease(30.0, Clock())
    lease.record_assignment()

    assert lease.is_in_touch()
    assert not lease.is_held()
