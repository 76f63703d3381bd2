"""Judges what a story left: by the promises, and by nothing of how they are kept."""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import orjson

from streams.topics import DEAD_LETTERS, EVENTS, USER_UPDATE
from tests.simulation.evidence import GROUP, Evidence, Fault, Written
from tests.simulation.service import TIMEOUT_S, Effect
from tests.simulation.worker import Worker

# docs/architecture/delivery.md: an event waits so long at most for an update of the same user.
_BARRIER_S = 30.0
# What a kill may have repeated had ended this long before it at most: commits run back to back,
# and one that meets a slow broker takes its time.
_UNCOMMITTED_S = 3.0
# A request whose answer was lost is sent again.
_REQUEST_S = TIMEOUT_S + 2.0
# Drain, a last commit, and what Faust and aiokafka take to leave.
_STOP_S = 30.0
# As long as a start looks for Kafka.
_AWAY_S = 12.0

Effects = Mapping[str, Sequence[Effect]]
"""Id -> when it took effect."""

# A first start asks of every partition where it begins.
_KEEPING_AWAY = frozenset(
    {"broker", "cut", "elects", "flaky", "leaderless", "moves", "refused", "slow"}
)
_NO_KAFKA = (
    *("does not answer", "did not answer all", "cannot be reached", "breaks connections"),
    *("ConnectionError", "NodeNotReadyError", "Kafka answers nothing of"),
)
_UNEQUAL = "does not start: Give these topics equal partition counts"
_REFUSED = "does not start: Kafka does not let this worker read and commit"
_TOO_LITTLE = "does not start: Kafka grants this user too little"
_REPEATING = frozenset(
    {"broker", "cut", "elects", "flaky", "freeze", "kill", "leaderless", "lost_answers", "moves",
     "refused", "rights"}
)  # fmt: skip
# By these the group begins again where it was long before.
_REWINDING = frozenset({"forgotten", "moved", "truncated"})
# A person who moves an offset takes with it what is told beside it: what ended beyond.
_MOVING_ON = frozenset({"corrupt"})


def judge(evidence: Evidence) -> list[str]:
    """All that breaks a promise, a sentence each."""
    effects = defaultdict[str, list[Effect]](list)
    for effect in evidence.service.effects:
        effects[effect.id].append(effect)
    late = [] if evidence.all_ended else ["not all had ended ten minutes after the last fault"]
    return [
        *late,
        *_find_lost(evidence, effects),
        *_find_uncounted(evidence, effects),
        *_find_taken_back(evidence, effects),
        *_find_out_of_order(evidence, effects),
        *_find_overtaken(evidence, effects),
        *_find_wrong_ends(evidence),
        *_find_repeated(evidence, effects),
        *evidence.service.sent_by_strangers,
        *_find_odd_commits(evidence),
        *evidence.unnoticed,
        *_find_ended_by_themselves(evidence),
        *_find_slow_stops(evidence),
        *(f"{name} was not ready in the end: {why}" for name, why in evidence.not_ready.items()),
    ]


def _find_lost(evidence: Evidence, effects: Effects) -> Iterator[str]:
    """Every record took effect or is a dead letter, as it was to; no commit is ahead of the log."""
    letters = {
        letter["record_id"]
        for partition in evidence.kafka.topics[DEAD_LETTERS.name]
        for stored in partition.records()
        for letter in [orjson.loads(stored.value or b"")]
    }
    for each in evidence.written:
        is_there = each.id in (letters if each.is_refused else effects)
        if each.is_refused and not is_there and each.id not in evidence.excused:
            yield f"{each} was refused and is no dead letter"
        if not each.is_refused and each.id in letters:
            yield f"{each} is a dead letter and was not refused"
        if not each.is_refused and not is_there and each.id not in evidence.excused:
            yield f"{each} was lost"
    for (topic, number), (offset, _) in evidence.kafka.group(GROUP).offsets.items():
        if offset > evidence.kafka.topics[topic][number].end:
            yield f"{topic} {number} was committed beyond its end"


def _find_uncounted(evidence: Evidence, effects: Effects) -> Iterator[str]:
    """What Kafka deleted before it was read is counted."""
    if {fault.kind for fault in evidence.faults} & _REWINDING:
        return  # what else was passed over cannot be told from it
    lost = [
        each
        for each in evidence.written
        if each.id in evidence.deleted and not each.is_refused and each.id not in effects
    ]
    if len(lost) > evidence.counted:
        yield f"{len(lost)} were deleted unread, {evidence.counted:.0f} were counted: {lost[0]}"


def _find_taken_back(evidence: Evidence, effects: Effects) -> Iterator[str]:
    """Nothing took effect that was taken back before anybody was to see it."""
    for id_ in sorted(evidence.aborted & effects.keys()):
        yield f"{id_} took effect, and its transaction was aborted"


def _find_out_of_order(evidence: Evidence, effects: Effects) -> Iterator[str]:
    """First effects of a user and topic come in the order of the log."""
    reached: dict[tuple[str, str], tuple[float, Written]] = {}
    for each in evidence.written:
        if each.id not in effects or each.id in evidence.excused:
            continue  # what was deleted unread may come by a copy that was written later
        first = effects[each.id][0].at_s
        user = each.user, each.topic
        if user in reached and first < reached[user][0]:
            yield f"{each} took effect before {reached[user][1]}"
        if user not in reached or first > reached[user][0]:
            reached[user] = first, each


def _find_overtaken(evidence: Evidence, effects: Effects) -> Iterator[str]:
    """No event takes effect before an update of its user that was written before it."""
    # Nothing stands still while users are imported: no event ever has a reason to go first.
    longest_s = math.inf if evidence.plan.theme == "imports" else _BARRIER_S
    updates: dict[str, Written] = {}
    for each in evidence.written:
        if each.id not in effects or each.id in evidence.excused:
            continue  # as above
        if each.topic == USER_UPDATE.name:
            updates[each.user] = each
        elif each.topic == EVENTS.name and (update := updates.get(each.user)) is not None:
            first = effects[each.id][0].at_s
            if first < effects[update.id][0].at_s and first - each.at_s < longest_s:
                yield f"{each} overtook {update}"


def _find_wrong_ends(evidence: Evidence) -> Iterator[str]:
    """The last word on a user is the last update's, however often older ones were repeated."""
    last = {each.user: each for each in evidence.service.effects if each.said is not None}
    newest = {
        each.user: each
        for each in evidence.written
        if each.topic == USER_UPDATE.name
        and not each.is_refused
        and each.id not in evidence.excused
    }
    for user, each in newest.items():
        says = evidence.service.says
        right = {says.get(id_, id_) for id_ in {each.id} | evidence.excused}
        if user in last and last[user].said not in right:
            yield f"{user} ends with {last[user].id} in place of {each}"


def _find_repeated(evidence: Evidence, effects: Effects) -> Iterator[str]:
    if evidence.plan.drain_s < TIMEOUT_S:
        return  # whoever gives partitions back leaves requests behind that are under way
    for id_, times in effects.items():
        for before, again in itertools.pairwise(times):
            if not any(_explains(fault, before, again) for fault in evidence.faults):
                yield (
                    f"{id_} was repeated: {before.process} at {before.at_s:.3f} s, "
                    f"{again.process} at {again.at_s:.3f} s"
                )


def _find_odd_commits(evidence: Evidence) -> Iterator[str]:
    """Members alone commit, and nobody takes back what another has committed."""
    if {fault.kind for fault in evidence.faults} & _REWINDING:
        return  # a person took it back
    for role in evidence.plan.roles:
        yield from evidence.kafka.group(role.group).odd_commits


def _explains(fault: Fault, before: Effect, again: Effect) -> bool:
    """Whether a fault can have kept the first effect from being acknowledged or committed."""
    margin = _UNCOMMITTED_S + _REQUEST_S
    if fault.kind in _REWINDING | _MOVING_ON:
        return before.at_s - _REQUEST_S <= fault.ended <= again.at_s + margin
    return (
        fault.kind in _REPEATING
        and fault.began - margin <= before.at_s <= fault.ended + _REQUEST_S
        and again.at_s >= fault.began - margin
    )


def _find_ended_by_themselves(evidence: Evidence) -> Iterator[str]:
    for worker in evidence.workers:
        # What a killed one says was said when it was buried.
        if worker.name in evidence.killed:
            continue
        if worker.ended_with and not _was_kafka_away(worker, evidence.faults):
            yield (
                f"{worker.name} ended by itself at {worker.stopped_at:.1f} s: {worker.ended_with}"
            )


def _was_kafka_away(worker: Worker, faults: Sequence[Fault]) -> bool:
    """A worker that finds no Kafka when it starts ends, and says so; it is started again."""
    said, at_s = worker.ended_with or "", worker.stopped_at or 0.0
    return any(
        fault.began <= at_s <= fault.ended + _AWAY_S
        for fault in faults
        if (fault.kind == "grows" and said.startswith(_UNEQUAL))
        or (fault.kind in {"refused", "rights"} and said.startswith(_REFUSED))
        or (fault.kind == "rights" and said.startswith(_TOO_LITTLE))
        or (
            (fault.kind in _KEEPING_AWAY or fault[:2] == ("freeze", worker.name))
            and any(each in said for each in _NO_KAFKA)
        )
    )


def _find_slow_stops(evidence: Evidence) -> Iterator[str]:
    for worker in evidence.workers:
        asked, stopped = worker.stop_asked_at, worker.stopped_at
        if asked is None or worker.name in evidence.killed:
            continue
        end = evidence.seconds if stopped is None else stopped
        frozen = sum(
            max(0.0, min(end, fault.ended) - max(fault.began, asked))
            for fault in evidence.faults
            if fault[:2] == ("freeze", worker.name)
        )
        if end - asked - frozen > _STOP_S:
            yield f"{worker.name} took {end - asked:.0f} s to stop"
