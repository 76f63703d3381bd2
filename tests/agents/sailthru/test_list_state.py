"""What workers know of a list from what they are told."""

import pytest
from aiokafka.structs import ConsumerRecord

from agents.sailthru.list_state import REFUSED_SECONDS, ListBook, ListPolicy
from models.list_state import ListState
from streams.outcomes import Delivered, Rejected
from tests.streams.records import RECEIVED_AT_MS, source

NAME = "Lapsed buyers"
NOW = RECEIVED_AT_MS / 1000
WANTED = ListState(state="wanted")
READY = ListState(state="ready")
REFUSED = ListState(state="refused", reason="bad_request", detail="its list: error 99")


def said(state: ListState, offset: int = 0, name: str = NAME, partition: int = 0) -> ConsumerRecord:
    value = state.model_dump_json().encode()
    return source(value, offset, key=name.encode(), partition=partition)


def book(*states: ListState) -> ListBook:
    told = ListBook(lambda: NOW)
    for offset, state in enumerate(states):
        told.tell(said(state, offset))
    return told


@pytest.mark.parametrize(
    ("states", "outcome", "wanted_at"),
    [
        ([], None, None),
        ([WANTED], None, 0),
        ([WANTED, WANTED], None, 0),
        ([WANTED, READY], Delivered(), None),
        ([WANTED, READY, READY], Delivered(), None),
        ([WANTED, READY, WANTED], None, 2),
        ([WANTED, REFUSED], Rejected("bad_request", "its list: error 99"), None),
        ([WANTED, REFUSED, WANTED], None, 2),
        ([WANTED, REFUSED, WANTED, READY], Delivered(), None),
    ],
)
def test_the_last_word_on_a_list_holds_and_the_first_that_wants_it(
    states: list[ListState], outcome: object, wanted_at: int | None
) -> None:
    told = book(*states)
    wanted = told.wanted(NAME)
    assert told.outcome(NAME) == outcome
    assert (wanted.offset if wanted else None) == wanted_at


def test_a_list_that_is_forgotten_is_unknown_until_it_is_told_of_again() -> None:
    told = book(READY)
    told.forget(NAME)
    assert told.outcome(NAME) is None
    told.tell(said(READY, 1))
    assert told.outcome(NAME) == Delivered()


def test_a_refusal_is_tried_again_after_a_while() -> None:
    now = NOW
    told = ListBook(lambda: now)
    told.tell(said(REFUSED))
    now += REFUSED_SECONDS - 1
    assert isinstance(told.outcome(NAME), Rejected)
    now += 1
    assert told.outcome(NAME) is None


def test_wanted_lists_come_in_the_order_of_their_partition() -> None:
    told = ListBook()
    for offset, name in enumerate("abcd"):
        told.tell(said(WANTED, offset, name, partition=offset % 2))
    told.tell(said(READY, 4, "a"))
    for after, expected in ((-1, b"c"), (2, None)):
        found = told.next_wanted(0, after)
        assert (found.key if found else None) == expected


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (NAME.encode(), None),
        (NAME.encode(), b"{"),
        (NAME.encode(), b'{"state": "renamed"}'),
        (b"\xff", b'{"state": "ready"}'),
    ],
)
def test_what_cannot_be_read_changes_nothing(key: bytes, value: bytes | None) -> None:
    told = book(WANTED)
    assert told.tell(source(value, 1, key=key)) is None
    assert told.outcome(NAME) is None
    assert told.wanted(NAME) is not None


def test_no_more_lists_are_known_than_memory_is_for() -> None:
    told = ListBook(policy=ListPolicy(most_names=2))
    for offset, name in enumerate("abc"):
        told.tell(said(WANTED, offset, name))
    told.tell(said(READY, 3, "a"))
    assert told.outcome("a") == Delivered()
    assert told.outcome("b") is None
    refused = told.outcome("c")
    assert isinstance(refused, Rejected)
    assert refused.reason == "too_many_lists"
