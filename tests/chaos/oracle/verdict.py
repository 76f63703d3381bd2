"""The whole judgement of a run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.demo.compare import differences
from tests.chaos.oracle.deliveries import deliveries
from tests.chaos.oracle.evidence import RAW, Evidence
from tests.chaos.oracle.items import Destination, Item, items, keyed
from tests.chaos.oracle.losses import committed_early, undelivered, unrouted
from tests.chaos.oracle.order import hasty, misrouted, overtaking
from tests.chaos.oracle.repeats import repeats
from tests.chaos.oracle.sightings import sightings

_ROUTER = "mparticle-streams-router"
_GROUPS: Mapping[Destination, str] = {
    "sailthru": "mparticle-streams-sailthru",
    "ab-tasty": "mparticle-streams-ab-tasty",
}


@dataclass
class Verdict:
    """Sentences by promise, none when it was kept; and how much there was to judge."""

    lost: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    overtaken: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    records: int = 0
    judged: int = 0
    """Of all (record, destination), those whose every delivery can be told."""
    repeats: int = 0
    allowed_repeats: int = 0
    rebalances: int = 0

    def violations(self) -> Mapping[str, list[str]]:
        return {
            "lost": self.lost,
            "out_of_order": self.out_of_order,
            "overtaken": self.overtaken,
            "repeated": self.repeated,
            "wrong": self.wrong,
        }


def judge(evidence: Evidence) -> Verdict:
    found = items(evidence)
    verdict = Verdict(
        lost=[*evidence.unsettled, *unrouted(evidence)],
        out_of_order=[*misrouted(evidence)],
        wrong=[*_broken(evidence)],
        records=len(found),
    )
    for destination in _GROUPS:
        _judge_destination(destination, evidence, found, verdict)
    for group in (_ROUTER, *_GROUPS.values()):
        verdict.rebalances += len(evidence.commits[group].generations)
        moved_back = evidence.commits[group].moved_back
        verdict.wrong += [f"{group}: a commit moved {move}" for move in moved_back]
    verdict.wrong += differences(
        evidence.ledger, without_repeats(evidence.sailthru), evidence.ab_tasty
    )
    return verdict


def _judge_destination(
    destination: Destination, evidence: Evidence, found: Mapping[str, Item], verdict: Verdict
) -> None:
    present = _present(evidence)
    known = keyed(found.values(), destination, present)
    told = [each for each in deliveries(evidence.requests, present) if each.key in known]
    seen = sightings(told, known)
    commits = evidence.commits[_GROUPS[destination]]
    connections = evidence.connections[destination]
    again = repeats(destination, seen, commits, evidence.disturbances, connections)
    verdict.judged += len(known)
    verdict.lost += undelivered(destination, found, known, seen, evidence.dead_letters())
    verdict.lost += committed_early(destination, seen, commits)
    verdict.out_of_order += overtaking(seen, evidence.disturbances)
    verdict.overtaken += hasty(evidence, told, known)
    verdict.repeats += again.count
    verdict.allowed_repeats += again.allowed
    verdict.repeated += again.wrong


def _present(evidence: Evidence) -> dict[str, str]:
    profiles = evidence.ledger.profiles
    return {former: email for email, profile in profiles.items() for former in profile.former}


def _broken(evidence: Evidence) -> Iterator[str]:
    """Router dead letters must be as many as the generator broke on purpose."""
    refused = {
        (each["partition"], each["offset"], each.get("index"))
        for each in evidence.dead_letters()
        if each["stage"] == "router"
    }
    counts = evidence.ledger.counts
    if len(refused) != (broken := counts.broken + counts.partly_broken):
        yield f"{len(refused)} parts of {RAW} became dead letters and not {broken}"


def without_repeats(sailthru: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same state with each event of a profile once."""
    profiles = []
    for profile in sailthru["profiles"]:
        events = {(e["event"], e["vars"].get("mp_event_id")): e for e in profile["events"]}
        profiles.append({**profile, "events": list(events.values())})
    return {**sailthru, "profiles": profiles}
