"""What a run says of itself: a JSON line, and the first few violations for a person."""

from collections.abc import Callable

import orjson

from tests.chaos.oracle.pauses import longest_pauses
from tests.chaos.oracle.verdict import Verdict
from tests.chaos.plan import Plan
from tests.chaos.run import Run

_MOST_SHOWN = 5


def line(plan: Plan, run: Run, verdict: Verdict, before: str | None = None) -> str:
    """`before` is the revision beside which ours ran."""
    counts = {name: len(found) for name, found in verdict.violations().items()}
    return orjson.dumps(
        {
            "seed": plan.seed,
            "minutes": round(plan.seconds / 60, 2),
            "partitions": plan.partitions,
            "brokers": plan.brokers,
            "secure": plan.secure,
            "before": before,
            "messages": run.messages,
            "records": verdict.records,
            "judged": verdict.judged,
            "faults": run.faults,
            "ended_by_themselves": run.ended,
            "rebalances": verdict.rebalances,
            "longest_pauses_s": longest_pauses(run.evidence),
            "repeats": verdict.repeats,
            "allowed_repeats": verdict.allowed_repeats,
            **counts,
        }
    ).decode()


def say_violations(run: Run, verdict: Verdict, say: Callable[[str], None]) -> None:
    for tail in run.tails:
        say(tail)
    for name, found in verdict.violations().items():
        for sentence in found[:_MOST_SHOWN]:
            say(f"{name}: {sentence}")
        if len(found) > _MOST_SHOWN:
            say(f"{name}: and {len(found) - _MOST_SHOWN} more")
