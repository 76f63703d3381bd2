"""The demo's verdict can fail: each difference is told, once and in a sentence."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from cli.demo.compare import differences, repeated_events
from sandbox.mparticle import NEVER_SENT, Ledger, Profile, generate, handwritten
from tests.cli.demo import states

LIN, MIA, MPID = "lin@shop.example", "mia@shop.example", "-7701122334455667788"
JOINED = {"Frequent-buyers-2101": "true"}
NOW_MS = 1_767_225_600_000

LEDGER = Ledger(
    profiles={
        LIN: Profile(
            vars={"City": "Lyon", "age": 37, "vip": True, "trial": None},
            lists=["Frequent buyers"],
            left=["Lapsed buyers"],
            events={"viewed_lookbook": ["e-1", "e-2"]},
        ),
        MIA: Profile(),
    },
    segments={MPID: JOINED},
    audiences={"2101": "Frequent buyers", "2102": "Lapsed buyers"},
)

State = dict[str, Any]


def lin(sailthru: State) -> Any:
    return sailthru["profiles"][0]


def event(name: str, event_id: str) -> State:
    return {"event": name, "vars": {"mp_event_id": event_id}}


AT_SAILTHRU: list[tuple[Callable[[State], object], str]] = [
    (lambda s: s["profiles"].pop(0), f"Sailthru has no profile {LIN}."),
    (
        lambda s: s["profiles"].append({**lin(s), "keys": {"email": "who@shop.example"}}),
        "Sailthru has a profile who@shop.example that nothing should have made.",
    ),
    (lambda s: lin(s)["vars"].update(City="Paris"), f'{LIN}: var City is "Paris" and not "Lyon".'),
    (lambda s: lin(s)["vars"].update(age="37"), f'{LIN}: var age is "37" and not 37.'),
    (lambda s: lin(s)["vars"].update(vip=1), f"{LIN}: var vip is 1 and not true."),
    (lambda s: lin(s)["vars"].pop("City"), f'{LIN}: var City is absent and not "Lyon".'),
    (lambda s: lin(s)["vars"].pop("trial"), f"{LIN}: var trial is absent and not null."),
    (lambda s: lin(s)["vars"].update(tier=None), f"{LIN}: var tier is null and not absent."),
    (
        lambda s: lin(s)["lists"].clear(),
        f"{LIN}: is on the lists [] and not ['Frequent buyers'].",
    ),
    (
        lambda s: lin(s)["lists"].update({"Lapsed buyers": 1}),
        f"{LIN}: is on the lists ['Frequent buyers', 'Lapsed buyers'] and not ['Frequent buyers'].",
    ),
    (
        lambda s: lin(s)["events"].pop(),
        f"{LIN}: 1 of event viewed_lookbook missing, such as e-2.",
    ),
    (
        lambda s: lin(s)["events"][0]["vars"].update(gift=True),
        f"{LIN}: event viewed_lookbook has gift, which has no value.",
    ),
    (
        lambda s: lin(s)["events"].append(event("viewed_lookbook", "e-1")),
        f"{LIN}: 1 of event viewed_lookbook too many, such as e-1.",
    ),
    (
        lambda s: lin(s)["events"].append(event("login", "e-3")),
        f"{LIN}: 1 of event login too many, such as e-3.",
    ),
    (
        lambda s: s["profiles"][1]["events"].append(event("viewed_lookbook", "e-1")),
        f"{MIA}: 1 of event viewed_lookbook too many, such as e-1.",
    ),
    (
        lambda s: lin(s)["events"][0]["vars"].update(token=NEVER_SENT),
        "Sailthru has a token or a flag that is meant for somebody else.",
    ),
    (lambda s: s["lists"].pop(0), "Sailthru has no list Frequent buyers."),
    (
        lambda s: s["lists"].append({"list": "Lapsed buyers"}),
        "Sailthru has the list Lapsed buyers 2 times.",
    ),
]
AT_AB_TASTY: list[tuple[Callable[[State], object], str]] = [
    (
        lambda segments: segments.clear(),
        f"AB Tasty has {{}} for visitor {MPID} and not {JOINED}.",
    ),
    (
        lambda segments: segments[MPID].update({"Frequent-buyers-2101": "no"}),
        f"AB Tasty has {{'Frequent-buyers-2101': 'no'}} for visitor {MPID} and not {JOINED}.",
    ),
    (
        lambda segments: segments.update({"42": JOINED}),
        f"AB Tasty has {JOINED} for visitor 42 and not {{}}.",
    ),
]


def everything() -> Ledger:
    """The ledger of generated traffic and of what is written by hand."""
    _, ledger = handwritten(NOW_MS)
    traffic = generate(seed=3, users=30, messages=600, start_ms=NOW_MS)
    list(traffic)
    ledger.merge(traffic.ledger)
    return ledger


def test_equal_is_no_difference() -> None:
    for ledger in (LEDGER, everything()):
        assert differences(ledger, states.sailthru(ledger), states.ab_tasty(ledger)) == []


@pytest.mark.parametrize(("change", "sentence"), AT_SAILTHRU, ids=[s for _, s in AT_SAILTHRU])
def test_difference_at_sailthru_is_one_sentence(
    change: Callable[[State], object], sentence: str
) -> None:
    sailthru = states.sailthru(LEDGER)
    change(sailthru)
    assert differences(LEDGER, sailthru, states.ab_tasty(LEDGER)) == [sentence]


def test_profile_under_another_address_is_one_too_few_and_one_too_many() -> None:
    sailthru = states.sailthru(LEDGER)
    lin(sailthru)["keys"]["email"] = "lin.new@shop.example"
    assert differences(LEDGER, sailthru, states.ab_tasty(LEDGER)) == [
        f"Sailthru has no profile {LIN}.",
        "Sailthru has a profile lin.new@shop.example that nothing should have made.",
    ]


@pytest.mark.parametrize(("change", "sentence"), AT_AB_TASTY, ids=[s for _, s in AT_AB_TASTY])
def test_difference_at_ab_tasty_is_one_sentence(
    change: Callable[[State], object], sentence: str
) -> None:
    ab_tasty = states.ab_tasty(LEDGER)
    change(ab_tasty["segments"])
    assert differences(LEDGER, states.sailthru(LEDGER), ab_tasty) == [sentence]


MUTATIONS: list[tuple[str, Callable[[Ledger, Profile], object]]] = [
    ("another value", lambda _, profile: profile.vars.update(City="nowhere")),
    ("a var more", lambda _, profile: profile.vars.update(never_said=1)),
    ("a list less", lambda _, profile: profile.lists.pop()),
    ("a list more", lambda _, profile: profile.lists.append("never joined")),
    ("an event less", lambda _, profile: next(iter(profile.events.values())).pop()),
    ("an event more", lambda _, profile: profile.events.update(never_happened=["e-0"])),
    ("a profile more", lambda ledger, _: ledger.profiles.update({"x": Profile({"a": 1})})),
    ("a visitor less", lambda ledger, _: ledger.segments.popitem()),
    ("a visitor more", lambda ledger, _: ledger.segments.update({"0": {"never-1": "true"}})),
    ("an audience more", lambda ledger, _: ledger.audiences.update({"0": "never connected"})),
]


@pytest.mark.parametrize(
    "mutate", [mutate for _, mutate in MUTATIONS], ids=[name for name, _ in MUTATIONS]
)
def test_ledger_that_says_anything_else_is_noticed(
    mutate: Callable[[Ledger, Profile], object],
) -> None:
    ledger = everything()
    other = deepcopy(ledger)
    someone = next(p for p in other.profiles.values() if p.vars and p.lists and p.events)
    mutate(other, someone)
    told = differences(other, states.sailthru(ledger), states.ab_tasty(ledger))
    assert len(told) == 1
    assert told[0].endswith(".")


def test_people_in_other_messages_may_be_there() -> None:
    sailthru, ab_tasty = states.sailthru(LEDGER), states.ab_tasty(LEDGER)
    sailthru["profiles"].append({**lin(sailthru), "keys": {"email": "sample@shop.example"}})
    ab_tasty["segments"]["12345"] = {"Sample-1": "true"}
    sample = b'{"mpid": 12345, "email": "Sample@Shop.example"}'
    assert len(differences(LEDGER, sailthru, ab_tasty)) == 2
    assert differences(LEDGER, sailthru, ab_tasty, [sample]) == []


def test_repeated_events_are_counted_by_their_ids() -> None:
    sailthru = states.sailthru(LEDGER)
    assert repeated_events(sailthru) == 0
    lin(sailthru)["events"] += [
        event("viewed_lookbook", "e-1"),
        event("viewed_lookbook", "e-1"),
        event("login", "e-1"),
    ]
    assert repeated_events(sailthru) == 2
