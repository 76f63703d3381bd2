"""What adds an identity says which one it takes the place of, also where another event told so."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.router.identity_pairs import paired
from agents.router.route_result import Content
from models.event import Event
from models.user_update import IdentitiesChanged

SEEN = Content(Event, {"name": "seen"})


def named(*told: str) -> list[dict[str, str]]:
    """Identities, written type:value."""
    return [
        {"type": type_, "value": value, "encoding": "raw"}
        for type_, value in (each.split(":") for each in told)
    ]


def change(removed: str = "", added: str = "") -> Content:
    fields = {"added": named(*added.split()), "removed": named(*removed.split())}
    return Content(IdentitiesChanged, fields)


def removed(told: Sequence[Content]) -> list[list[str]]:
    return [
        [f"{each['type']}:{each['value']}" for each in content.fields["removed"]]
        for content in told
        if content.of is IdentitiesChanged
    ]


@pytest.mark.parametrize(
    ("told", "gone"),
    [
        ([change("email:a", "email:b")], [["email:a"]]),
        ([change("email:a"), change("", "email:b")], [["email:a"], ["email:a"]]),
        ([change("", "email:b"), SEEN, change("email:a")], [["email:a"], ["email:a"]]),
        ([change("email:a"), change("", "other:b")], [["email:a"], []]),
        ([change("", "email:a"), change("email:a")], [[], ["email:a"]]),
        (
            [change("email:a"), change("", "email:b"), change("email:b", "email:c")],
            [["email:a"], ["email:a"], ["email:b"]],
        ),
        (
            [change("email:a other:x"), change("", "email:b"), change("", "other:y")],
            [["email:a", "other:x"], ["email:a"], ["other:x"]],
        ),
        (
            [change("email:a"), change("", "email:b"), change("", "email:c")],
            [["email:a"], ["email:a"], []],
        ),
        (
            [change("other:x", "email:b"), change("email:a")],
            [["other:x", "email:a"], ["email:a"]],
        ),
    ],
)
def test_two_events_of_one_change_are_paired(told: list[Content], gone: list[list[str]]) -> None:
    assert removed(paired(told)) == gone


identity = st.sampled_from(["email:a", "email:b", "other:x", "other:y"])
side = st.sets(identity, max_size=2).map(" ".join)
contents = st.lists(st.one_of(st.just(SEEN), st.builds(change, side, side)), max_size=6)


@given(contents)
def test_nothing_is_lost_moved_or_invented(told: list[Content]) -> None:
    completed = paired(told)
    assert [each.of for each in completed] == [each.of for each in told]
    given_: Counter[Any] = Counter(each for gone in removed(told) for each in gone)
    for before, after in zip(told, completed, strict=True):
        if before.of is IdentitiesChanged:
            assert after.fields["added"] == before.fields["added"]
            kept = before.fields["removed"]
            assert after.fields["removed"][: len(kept)] == kept
    more = Counter(each for gone in removed(completed) for each in gone) - given_
    assert not more - given_
