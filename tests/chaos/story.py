"""A run of one user, as short as can be: what an oracle must find nothing wrong with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import orjson

from sandbox.mparticle import Ledger, Profile
from tests.chaos.disturbance import Disturbance
from tests.chaos.journal import Request
from tests.chaos.oracle.commits import Commits
from tests.chaos.oracle.evidence import BY_USER, DEAD_LETTERS, OTHERS, RAW, Evidence, Stored
from tests.chaos.oracle.verdict import judge
from tests.chaos.traffic import TAG

EMAIL = "user17@shop.example"
_MESSAGES = 2
GROUPS = ("router", "sailthru", "ab-tasty")


def stored(topic: str, offset: int, body: Mapping[str, Any]) -> Stored:
    return Stored(topic, 0, offset, 1_000.0 + offset, b"17", orjson.dumps(body))


def record(kind: str, message: int, index: int, **fields: Any) -> dict[str, Any]:
    """As the router writes it: a part of a raw message."""
    raw = {"topic": RAW, "partition": 0, "offset": message, "index": index}
    identities = [{"type": "email", "value": EMAIL}]
    shared = {"kind": kind, "id": f"{kind}-{message}", "mpid": "17", "occurred_at_ms": message}
    return {**shared, "raw": raw, "identities": identities, **fields}


def call(endpoint: str, arrived: float, source: str = "sailthru-1#1", **said: Any) -> Request:
    """One that took effect at once, and was answered."""
    json = orjson.dumps({"id": EMAIL, **said}).decode()
    body = urlencode({"json": json}).encode()
    return Request(endpoint, source, body, arrived, arrived + 0.1, arrived + 0.2)


def event_call(event_id: str, arrived: float, source: str = "sailthru-1#1") -> Request:
    said = {"mp_event_id": event_id}
    return call("POST event", arrived, source, event="search", vars=said)


@dataclass
class Story:
    """Two messages, each with an update and an event; four requests; a commit after each.

    A test changes what it is about. Requests arrive at 2000 (update 1), 2001 (event 1), 2002
    (update 2) and 2003 (event 2), in unix seconds; each is committed half a second later.
    """

    raw: list[Stored] = field(default_factory=list)
    updates: list[Stored] = field(default_factory=list)
    events: list[Stored] = field(default_factory=list)
    dead_letters: list[Stored] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    disturbances: list[Disturbance] = field(default_factory=list)
    commits: dict[str, Commits] = field(default_factory=dict)
    connections: dict[str, int] = field(default_factory=lambda: {"sailthru": 1, "ab-tasty": 1})
    ledger: Ledger = field(default_factory=Ledger)
    vars: dict[str, Any] = field(default_factory=lambda: {TAG: str(_MESSAGES)})
    arrived: list[str] = field(default_factory=lambda: ["event-0", "event-1"])

    def __post_init__(self) -> None:
        self.commits = {f"mparticle-streams-{worker}": Commits() for worker in GROUPS}
        for number in range(_MESSAGES):
            tag, id_, at = str(number + 1), f"event-{number}", 2_000.0 + 2 * number
            parts = [{"type": "user_attribute_change"}, {"type": "custom_event"}]
            body = {"type": "event_processing_request", "events": parts}
            self.raw.append(stored(RAW, number, body))
            update = record("attributes_changed", number, 0, attributes={TAG: tag})
            self.updates.append(stored("user-update", number, update))
            event = record("custom_event", number, 1, name="search", event_id=id_)
            self.events.append(stored("events", number, event))
            self.requests.append(call("POST user", at, vars={TAG: tag}))
            self.requests.append(event_call(id_, at + 1))
            self.commit("user-update", at + 0.5, number + 1)
            self.commit("events", at + 1.5, number + 1)
        ends = {"search": ["event-0", "event-1"]}
        self.ledger.profiles[EMAIL] = Profile(vars={TAG: str(_MESSAGES)}, events=ends)

    def commit(self, topic: str, at: float, offset: int) -> None:
        self.commits["mparticle-streams-sailthru"].note((topic, 0), at, offset, "")

    def forget_last_commit(self) -> None:
        """That of the last event."""
        del self.commits["mparticle-streams-sailthru"].covered["events", 0][1]

    def evidence(self) -> Evidence:
        happened = [{"event": "search", "vars": {"mp_event_id": id_}} for id_ in self.arrived]
        profile = {"sid": "1", "keys": {"email": EMAIL}, "vars": self.vars, "lists": {}}
        written = {topic: list[Stored]() for topic in (*BY_USER, *OTHERS)}
        written |= {RAW: self.raw, "user-update": self.updates, "events": self.events}
        return Evidence(
            stored={**written, DEAD_LETTERS: self.dead_letters},
            commits=self.commits,
            requests=sorted(self.requests, key=lambda each: each.arrived),
            disturbances=self.disturbances,
            connections=self.connections,
            ledger=self.ledger,
            sailthru={"profiles": [{**profile, "events": happened}], "lists": []},
            ab_tasty={"segments": {}},
        )

    def violations(self) -> dict[str, int]:
        """How many of what."""
        verdict = judge(self.evidence())
        return {name: len(told) for name, told in verdict.violations().items() if told}
