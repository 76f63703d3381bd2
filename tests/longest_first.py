"""The order in which files of tests are given to whoever is free: those that take longest first.

A file that takes a minute and is begun last keeps one process busy while the others have ended.
"""

from collections.abc import Sequence
from pathlib import PurePath

LONGEST: Sequence[str] = (
    "tests/simulation/test_simulation.py",
    "tests/agents/sailthru/test_fill.py",
    "tests/grafana/live/test_live.py",
    "tests/kafka/test_receiver.py",
    "tests/cli/demo/test_demo.py",
    "tests/chaos/test_chaos.py",
    "tests/benchmarks/test_benchmarks.py",
    "tests/agents/ab_tasty/test_refresh.py",
    "tests/kafka/test_rights.py",
    "tests/kafka/test_moved_offsets.py",
    "tests/sandbox/test_kafka.py",
    "tests/kafka/test_lists.py",
    "tests/kafka/test_static_membership.py",
    "tests/kafka/test_trace.py",
    "tests/examples/test_webhook.py",
    "tests/kafka/test_changed_groups.py",
    "tests/kafka/test_scaling_in.py",
    "tests/kafka/test_redrive.py",
    "tests/agents/ab_tasty/test_who_is_in.py",
    "tests/agents/test_workers.py",
    "tests/kafka/test_replay.py",
    "tests/kafka/test_rights_taken_away.py",
    "tests/kafka/test_locked_out.py",
    "tests/kafka/test_leaks.py",
    "tests/kafka/test_leaderless.py",
    "tests/grafana/test_rules.py",
    "tests/streams/delivery/test_demand_exchange.py",
    "tests/cli/test_dead_letters.py",
    "tests/agents/receiver/test_receiver.py",
    "tests/cli/test_check.py",
    "tests/streams/engine/test_startup.py",
    "tests/kafka/test_takeover.py",
    "tests/kafka/test_kills.py",
    "tests/test_privacy.py",
)
_RANKS = {name: rank for rank, name in enumerate(LONGEST)}


def rank(path: PurePath, root: PurePath) -> int:
    """By what files are sorted; all others are alike."""
    return _RANKS.get(path.relative_to(root).as_posix(), len(LONGEST))
