"""The order in which files of tests are given to whoever is free: those that take longest first.

A file that takes a minute and is begun last keeps one process busy while the others have ended.
"""

from collections.abc import Sequence
from pathlib import PurePath

LONGEST: Sequence[str] = (
    "tests/simulation/test_simulation.py",
    "tests/agents/sailthru/test_fill.py",
    "tests/kafka/test_receiver.py",
    "tests/grafana/live/test_live.py",
    "tests/cli/demo/test_demo.py",
    "tests/kafka/test_rights.py",
    "tests/agents/ab_tasty/test_refresh.py",
    "tests/benchmarks/test_benchmarks.py",
    "tests/sandbox/test_kafka.py",
    "tests/grafana/test_rules.py",
    "tests/chaos/test_chaos.py",
    "tests/models/mparticle/test_reading.py",
    "tests/sandbox/test_mparticle.py",
    "tests/kafka/test_moved_offsets.py",
    "tests/examples/test_webhook.py",
    "tests/streams/delivery/test_demand_exchange.py",
    "tests/cli/test_dead_letters.py",
    "tests/agents/receiver/test_receiver.py",
    "tests/kafka/test_changed_groups.py",
    "tests/agents/ab_tasty/test_who_is_in.py",
    "tests/kafka/test_lists.py",
    "tests/agents/test_workers.py",
    "tests/cli/test_check.py",
    "tests/agents/router/test_properties.py",
    "tests/kafka/test_locked_out.py",
    "tests/kafka/test_redrive.py",
    "tests/streams/test_http.py",
    "tests/test_privacy.py",
    "tests/streams/test_cloud_tokens.py",
    "tests/kafka/test_leaderless.py",
    "tests/kafka/test_trace.py",
    "tests/cli/test_trace.py",
    "tests/agents/router/test_bounds.py",
    "tests/kafka/test_scaling_in.py",
    "tests/streams/test_logs.py",
    "tests/kafka/test_replay.py",
    "tests/agents/sailthru/test_shared_limit.py",
    "tests/contracts/test_contract.py",
    "tests/streams/engine/test_startup.py",
    "tests/sandbox/test_mparticle_world.py",
    "tests/simulation/test_stories.py",
    "tests/agents/router/test_snapshots.py",
    "tests/kafka/test_rights_taken_away.py",
    "tests/kafka/test_secured.py",
    "tests/agents/sailthru/test_list_delivery.py",
    "tests/cli/test_receiver.py",
)
_RANKS = {name: rank for rank, name in enumerate(LONGEST)}


def rank(path: PurePath, root: PurePath) -> int:
    """By what files are sorted; all others are alike."""
    return _RANKS.get(path.relative_to(root).as_posix(), len(LONGEST))
