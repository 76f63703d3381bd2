"""Compares what the simulated services hold with what the generator's ledger says they must."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from sandbox.mparticle import NEVER_SENT, VALUELESS, Ledger, Profile

State = Mapping[str, Any]


def differences(
    ledger: Ledger, sailthru: State, ab_tasty: State, others: Iterable[bytes] = ()
) -> list[str]:
    """One sentence a difference; none when all is as it must be.

    `others` are messages that the ledger knows nothing of, such as published samples: people who
    stand in them may be there too.
    """
    foreign = b"\n".join(others).decode(errors="replace").lower()
    return [
        *_profiles(ledger, sailthru, foreign),
        *_lists(ledger, sailthru),
        *_segments(ledger, ab_tasty, foreign),
        *_leaked(sailthru, ab_tasty),
    ]


def repeated_events(sailthru: State) -> int:
    """Returns how many events a profile holds more than once."""
    events = Counter(
        (profile["sid"], event["event"], event["vars"].get("mp_event_id"))
        for profile in sailthru["profiles"]
        for event in profile["events"]
    )
    return sum(count - 1 for (_, _, id_), count in events.items() if id_ is not None)


def _profiles(ledger: Ledger, sailthru: State, foreign: str) -> Iterator[str]:
    found = {profile["keys"].get("email"): profile for profile in sailthru["profiles"]}
    for email, expected in ledger.profiles.items():
        if (profile := found.pop(email, None)) is not None:
            yield from _profile(email, expected, profile)
        elif expected.vars or expected.lists or expected.events:
            yield f"Sailthru has no profile {email}."
    for email in found:
        if email is None or email not in foreign:
            yield f"Sailthru has a profile {email} that nothing should have made."


def _profile(email: str, expected: Profile, profile: State) -> Iterator[str]:
    for name in expected.vars.keys() | profile["vars"].keys():
        here, there = _shown(expected.vars, name), _shown(profile["vars"], name)
        if here != there:
            yield f"{email}: var {name} is {there} and not {here}."
    lists = set(profile["lists"])
    if lists != set(expected.lists):
        yield f"{email}: is on the lists {sorted(lists)} and not {sorted(expected.lists)}."
    events = defaultdict[str, Counter[str | None]](Counter)
    for event in profile["events"]:
        events[event["event"]][event["vars"].get("mp_event_id")] += 1
        if VALUELESS in event["vars"]:
            yield f"{email}: event {event['event']} has {VALUELESS}, which has no value."
    for name in expected.events.keys() | events.keys():
        wanted = Counter[str | None](expected.events.get(name, ()))
        if missing := wanted - events[name]:
            yield f"{email}: {missing.total()} of event {name} missing, such as {_any(missing)}."
        if extra := events[name] - wanted:
            yield f"{email}: {extra.total()} of event {name} too many, such as {_any(extra)}."


def _shown(values: Mapping[str, Any], name: str) -> str:
    """Renders JSON, which tells 1 from true; a removed var is null, one never there is absent."""
    return orjson.dumps(values[name]).decode() if name in values else "absent"


def _any(ids: Counter[str | None]) -> str | None:
    return next(iter(ids))


def _lists(ledger: Ledger, sailthru: State) -> Iterator[str]:
    """An empty list too many may be that of an audience that was disconnected: it stays."""
    counts = Counter(each["list"] for each in sailthru["lists"])
    for name in sorted(set(ledger.audiences.values()) | counts.keys()):
        if counts[name] > 1:
            yield f"Sailthru has the list {name} {counts[name]} times."
        if not counts[name]:
            yield f"Sailthru has no list {name}."


def _segments(ledger: Ledger, ab_tasty: State, foreign: str) -> Iterator[str]:
    segments = ab_tasty["segments"]
    for visitor in ledger.segments.keys() | segments.keys():
        wanted, found = ledger.segments.get(visitor, {}), segments.get(visitor, {})
        if wanted != found and not (not wanted and visitor in foreign):
            yield f"AB Tasty has {found} for visitor {visitor} and not {wanted}."


def _leaked(sailthru: State, ab_tasty: State) -> Iterator[str]:
    for name, state in (("Sailthru", sailthru), ("AB Tasty", ab_tasty)):
        if NEVER_SENT.encode() in orjson.dumps(state, option=orjson.OPT_NON_STR_KEYS):
            yield f"{name} has a token or a flag that is meant for somebody else."
