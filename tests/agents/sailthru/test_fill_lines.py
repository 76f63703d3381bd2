"""What an update job is given to say, and what is left to calls of their own."""

from typing import Any

import orjson
import pytest

from agents.sailthru.calls import Call, EventCall, ListCall, UserCall
from agents.sailthru.fill.job_file import Most, files, line

EMAIL = "user17@shop.example"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            UserCall(EMAIL, vars={"city": "Boca Raton", "age": 41, "vip": True}),
            {
                "id": EMAIL,
                "key": "email",
                "vars": {"city": "Boca Raton", "age": 41, "vip": True},
            },
        ),
        (UserCall(EMAIL), {"id": EMAIL, "key": "email"}),
    ],
)
def test_a_line_is_what_a_call_would_say(call: UserCall, said: Any) -> None:
    assert said == call.payload()
    text = line(call)
    assert text is not None
    assert b"\n" not in text
    assert orjson.loads(text) == said


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(UserCall(EMAIL, keys={"email": "new@shop.example"}), id="new address"),
        pytest.param(UserCall(EMAIL, keys={"extid": "17"}), id="new extid"),
        pytest.param(UserCall("17", key="extid", vars={"city": "Ulm"}), id="found by extid"),
        pytest.param(UserCall(EMAIL, vars={"city": None}), id="removed attribute"),
        pytest.param(UserCall(EMAIL, lists={"Buyers": 1}), id="membership"),
        pytest.param(UserCall("user17 at shop", vars={"city": "Ulm"}), id="no address"),
        pytest.param(UserCall(EMAIL, vars={"n": 2**70}), id="number of more than 64 bits"),
        pytest.param(UserCall(EMAIL, vars={"half": "\ud83d"}), id="half a character"),
        pytest.param(EventCall(EMAIL, "viewed"), id="event"),
        pytest.param(ListCall("Buyers"), id="list"),
    ],
)
def test_what_a_job_is_not_known_to_do_is_left_to_a_call(call: Call) -> None:
    assert line(call) is None


@pytest.mark.parametrize(
    ("most", "sizes"),
    [
        (Most(users=2, size=1_000), [2, 2, 1]),
        (Most(users=10, size=22), [2, 2, 1]),
        (Most(users=10, size=21), [1, 1, 1, 1, 1]),
        (Most(users=10, size=1), [1, 1, 1, 1, 1]),
        (Most(users=10, size=1_000), [5]),
    ],
)
def test_files_keep_the_order_and_what_a_job_may_hold(most: Most, sizes: list[int]) -> None:
    lines = [(number, b"0123456789") for number in range(5)]
    made = list(files(lines, most))
    assert [len(file) for file in made] == sizes
    assert [each for file in made for each in file] == lines


def test_no_line_is_no_file() -> None:
    assert list(files([], Most())) == []
