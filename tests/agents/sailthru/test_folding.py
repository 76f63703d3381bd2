"""However the waiting records are cut into calls, a user ends the same."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agents.sailthru.calls import UserCall
from agents.sailthru.sink import SailthruSink
from models.record import Record
from streams.delivery.sink import LaneKey
from tests.agents.sailthru.factories import USER, attributes, membership, moved
from tests.agents.sailthru.simulated import settings

EMAILS = [f"{name}@shop.example" for name in "abc"]
LANE = LaneKey("user", USER.user)

changed = st.dictionaries(
    st.sampled_from(["tier", "$City", "City", "age"]), st.integers() | st.none(), max_size=3
)
removed = st.sets(st.sampled_from(["tier", "$City"]), max_size=1)


@dataclass
class Profile:
    """What is kept of a user, and how two become one: those of the one that is changed prevail."""

    vars: dict[str, Any] = field(default_factory=dict)
    lists: dict[str, int] = field(default_factory=dict)

    def absorb(self, other: "Profile") -> None:
        self.vars = other.vars | self.vars
        self.lists = other.lists | self.lists


class Model:
    """Profiles by e-mail, as Sailthru's documentation says that they change."""

    def __init__(self) -> None:
        self.profiles: dict[str, Profile] = {}

    def apply(self, call: UserCall) -> None:
        profile = self.profiles.setdefault(call.id, Profile())
        profile.vars |= call.vars
        profile.lists |= call.lists
        if (new := call.new_email) is not None:
            profile.absorb(self.profiles.pop(new, Profile()))
            self.profiles[new] = self.profiles.pop(call.id)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[list[Record]], str, Profile]:
    """Messages of one user, each with the address at its end; the address and profile in the end.

    A membership may come with an address of before.
    """
    expected, email, seen = Profile(), EMAILS[0], [EMAILS[0]]
    messages = []
    for _ in range(draw(st.integers(1, 6))):
        at_start = email
        email = draw(st.sampled_from(EMAILS))
        message: list[Record] = [
            _told(expected, email, values, draw(removed))
            for values in draw(st.lists(changed, max_size=3))
        ]
        # Anywhere among them: the earlier ones name the new address already.
        if email != at_start:
            seen.append(email)
            message.insert(draw(st.integers(0, len(message))), moved(at_start, email))
        if joins := draw(st.none() | st.booleans()):
            expected.lists["Lapsed buyers"] = int(joins)
            message.append(membership(draw(st.sampled_from(seen)), joined=joins))
        messages.append(message)
    return messages, email, expected


def _told(expected: Profile, email: str, values: dict[str, Any], gone: set[str]) -> Record:
    values = {name: value for name, value in values.items() if name not in gone}
    one_by_one = SailthruSink(settings())
    told = attributes(email, removed=tuple(sorted(gone)), **values)
    call = one_by_one.fold(LANE, [told]).request.call
    assert isinstance(call, UserCall)
    expected.vars |= call.vars
    return told


def deliver(messages: Sequence[Sequence[Record]], luck: Random) -> Model:
    """Sends as the delivery does: messages arrive whole, and any number waits before each call."""
    sink, model = SailthruSink(settings()), Model()
    waiting: list[Record] = []
    arriving = list(messages)
    while arriving or waiting:
        if arriving and (not waiting or luck.random() < 0.5):
            waiting += arriving.pop(0)
            continue
        batch = sink.fold(LANE, waiting)
        call = batch.request.call
        assert isinstance(call, UserCall)
        model.apply(call)
        if luck.random() < 0.25:
            continue  # it took effect, the answer got lost: the same again
        for delivered in waiting[: batch.size]:
            sink.recall(delivered, USER)
        del waiting[: batch.size]
    return model


@given(histories(), st.integers(0, 1000))
def test_folded_calls_end_as_the_records_say_one_by_one(
    history: tuple[list[list[Record]], str, Profile], seed: int
) -> None:
    messages, email, expected = history
    profiles = deliver(messages, Random(seed)).profiles
    assert profiles == ({email: expected} if any(messages) else {})


@given(st.lists(changed.filter(bool), min_size=1, max_size=30))
def test_without_a_change_of_address_everything_waiting_is_one_call(
    values: list[dict[str, Any]],
) -> None:
    waiting: list[Record] = [attributes(**each) for each in values]
    waiting.insert(len(waiting) // 2, membership())
    assert SailthruSink(settings()).fold(LANE, waiting).size == len(waiting)


def test_fold_does_not_look_beyond_the_records_it_may_carry() -> None:
    waiting = [attributes(tier="silver"), moved("user17@shop.example", "b@shop.example")]
    batch = SailthruSink(settings()).fold(
        LANE, [*waiting, attributes("b@shop.example", tier="gold")]
    )
    assert batch.size == 1
