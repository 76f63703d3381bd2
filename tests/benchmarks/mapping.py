"""P2, P2m: the mapping alone, from bytes to validated records and back to bytes, in one process.

So many messages together as the router takes. P2 has one message, again and again; P2m what a real
account sends, as the sandbox's generator mixes it, with the memory of users that is the default.
"""

import cProfile
import pstats
import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

import orjson
from faust.types import TP

from agents.router.raw_message import RawMessage
from agents.router.routing import route_together
from agents.router.settings import RouterSettings
from agents.router.snapshots import Snapshots
from models.mparticle.parsing import parse
from sandbox.kafka import Kafka
from sandbox.mparticle import generate
from tests.benchmarks.messages import RECORDS
from tests.benchmarks.results import Result, at_most, ratios
from tests.benchmarks.work import AT, RECEIVED_MS, SETTINGS, outputs_together

Stage: TypeAlias = Callable[[Sequence[bytes]], object]

_MESSAGES = 200
_PASSES = 3
_MOST_PER_LOADS = {1: 6, 3: 9}
# 0.45 of the 27.8 times that it was before records were read straight.
_MOST_OF_MIX_PER_LOADS = 12.5
_MIX = 3_000
_MIX_USERS = 1_000
_MIX_START_MS = 1_767_225_000_000


async def run(_broker: Kafka, rounds: int) -> list[Result]:
    return measure(rounds * 7)


def measure(rounds: int) -> list[Result]:
    """CPU a message; each stage includes those before it, so that differences are the parts."""
    results = _of_mix(max(1, rounds // 7))
    for records, write in RECORDS.items():
        values = [write(number).value for number in range(_MESSAGES)]
        stages: dict[str, Stage] = {
            "orjson.loads": _each(orjson.loads),
            "parse": _each(parse),
            "parse, validate, map": _route,
            "all, with serialise": _outputs,
            "all, with snapshots": _Remembering().outputs,
        }
        spent = _interleaved(stages, values, rounds)
        case = f"{records} record{'s'[: records - 1]} a message"
        over, under = spent["all, with serialise"], spent["orjson.loads"]
        target = at_most(_MOST_PER_LOADS[records])
        results.append(ratios("P2", case, "mapping / orjson.loads", over, under, target))
        results += [Result("P2", case, stage, "us", each) for stage, each in spent.items()]
    return results


def _of_mix(rounds: int) -> list[Result]:
    generated = generate(7, _MIX_USERS, _MIX, _MIX_START_MS)
    values = [message.value for message in generated if _is_json(message.value)]
    stages = {"orjson.loads": _each(orjson.loads), "all, with snapshots": _outputs_anew}
    spent = _interleaved(stages, values, rounds)
    over, under = spent["all, with snapshots"], spent["orjson.loads"]
    case, target = "what an account sends", at_most(_MOST_OF_MIX_PER_LOADS)
    results = [ratios("P2m", case, "mapping / orjson.loads", over, under, target)]
    return results + [Result("P2m", case, stage, "us", each) for stage, each in spent.items()]


def _outputs_anew(values: Sequence[bytes]) -> None:
    """With a memory that knows nobody: who is known has fewer updates."""
    remembering = _Remembering()
    for first in range(0, len(values), _MESSAGES):
        remembering.outputs(values[first : first + _MESSAGES])


def _is_json(value: bytes) -> bool:
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError:
        return False
    return True


def profile(records: int = 1, most: int = 15) -> str:
    """Where the mapping's time goes, by function; the profiler's own cost inflates small ones."""
    values = [RECORDS[records](number).value for number in range(_MESSAGES)]
    with cProfile.Profile() as profiler:
        for _ in range(50):
            _outputs(values)
    stats = pstats.Stats(profiler).get_stats_profile()
    functions = sorted(stats.func_profiles.items(), key=lambda item: -item[1].tottime)[:most]
    total = sum(each.tottime for each in stats.func_profiles.values())
    return "\n".join(f"{each.tottime / total:6.1%}  {name}" for name, each in functions)


def _each(function: Callable[[bytes], object]) -> Stage:
    def stage(values: Sequence[bytes]) -> None:
        for value in values:
            function(value)

    return stage


def _raws(values: Sequence[bytes]) -> list[RawMessage]:
    return [RawMessage(value, AT, RECEIVED_MS, SETTINGS) for value in values]


class _Remembering:
    """The mapping as it is by default, when all users are known and nothing is new of them."""

    def __init__(self) -> None:
        self._settings = RouterSettings()
        self._known = Snapshots(self._settings.snapshot_max_users).of(TP(AT.topic, AT.partition))

    def outputs(self, values: Sequence[bytes]) -> object:
        return outputs_together(
            [
                RawMessage(value, AT, RECEIVED_MS, self._settings, snapshots=self._known)
                for value in values
            ]
        )


def _route(values: Sequence[bytes]) -> object:
    return route_together(_raws(values))


def _outputs(values: Sequence[bytes]) -> object:
    return outputs_together(_raws(values))


def _interleaved(
    stages: dict[str, Stage], values: Sequence[bytes], rounds: int
) -> dict[str, list[float]]:
    """CPU microseconds a message, round by round."""
    spent: dict[str, list[float]] = {name: [] for name in stages}
    for _ in range(rounds):
        for name, work in stages.items():
            spent[name].append(min(_timed(work, values) for _ in range(_PASSES)))
    return spent


def _timed(work: Stage, values: Sequence[bytes]) -> float:
    started = time.process_time_ns()
    work(values)
    return (time.process_time_ns() - started) / 1000 / len(values)
