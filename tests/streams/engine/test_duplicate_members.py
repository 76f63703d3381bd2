"""When a member that is lost again and again has a twin, and when it has not."""

import pytest
from aiokafka.errors import KafkaError

from streams.engine.duplicate_members import DuplicateMembers

SESSION = 30.0


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("instance_id", "pauses", "in_touch", "ends"),
    [
        ("router-0", [0, 3, 3], True, [False, False, True]),
        ("router-0", [0, 3], True, [False, False]),
        # Once an hour is a person who removes it, or a restart of the brokers.
        ("router-0", [0, 3600, 3600, 3600], True, [False] * 4),
        # After silence Kafka has given it up: it was frozen, or the network was away.
        ("router-0", [0, 3, 3, 3], False, [False] * 4),
        (None, [0, 3, 3, 3], True, [False] * 4),
    ],
)
def test_a_member_that_is_replaced_three_times_in_a_row_has_a_twin(
    instance_id: str | None, pauses: list[float], in_touch: bool, ends: list[bool]
) -> None:
    clock = Clock()
    twins = DuplicateMembers(instance_id, SESSION, clock)
    said = []
    for pause in pauses:
        clock.now += pause
        said.append(twins.lost_membership(in_touch=in_touch))

    assert [each is not None for each in said] == ends
    assert all("KAFKA_GROUP_INSTANCE_ID" in str(each) for each in said if each)


def test_joins_that_kafka_cannot_answer_are_a_twins_too_where_the_member_is_static() -> None:
    unknown, other = KafkaError("UnknownError()"), KafkaError("CoordinatorLoadInProgress()")
    static, dynamic = (
        DuplicateMembers("replica", 6.0, lambda: 0.0),
        DuplicateMembers(None, 6.0, lambda: 0.0),
    )

    assert [static.join_refused(other) for _ in range(5)] == [None] * 5
    assert [dynamic.join_refused(unknown) for _ in range(5)] == [None] * 5
    *before, ended = [static.join_refused(unknown) for _ in range(3)]
    assert before == [None, None]
    assert "another process is in this group as replica too" in str(ended)
