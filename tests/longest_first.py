"""The order in which files of tests are given to whoever is free: those that take longest first.

A file that takes a minute and is begun last keeps one process busy while the others have ended.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import PurePath

LONGEST: Sequence[str] = (
    "tests/simulation/test_simulation.py",
    "tests/agents/sailthru/test_fill.py",
    "tests/grafana/live/test_live.py",
    "tests/kafka/test_receiver.py",
    "tests/agents/ab_tasty/test_refresh.py",
    "tests/kafka/test_rights.py",
    "tests/cli/demo/test_demo.py",
    "tests/benchmarks/test_benchmarks.py",
    "tests/chaos/test_chaos.py",
    "tests/kafka/test_lists.py",
    "tests/kafka/test_moved_offsets.py",
    "tests/agents/ab_tasty/test_who_is_in.py",
    "tests/grafana/test_rules.py",
    "tests/sandbox/test_mparticle.py",
    "tests/sandbox/test_kafka.py",
    "tests/kafka/test_changed_groups.py",
    "tests/cli/test_dead_letters.py",
    "tests/kafka/test_trace.py",
    "tests/agents/test_workers.py",
    "tests/streams/delivery/test_demand_exchange.py",
    "tests/models/mparticle/test_reading.py",
    "tests/kafka/test_redrive.py",
    "tests/kafka/test_replay.py",
    "tests/kafka/test_locked_out.py",
    "tests/cli/test_check.py",
    "tests/kafka/test_scaling_in.py",
    "tests/contracts/test_contract.py",
    "tests/examples/test_webhook.py",
    "tests/agents/receiver/test_receiver.py",
    "tests/kafka/test_rights_taken_away.py",
    "tests/kafka/test_leaderless.py",
    "tests/streams/test_cloud_tokens.py",
    "tests/agents/sailthru/test_shared_limit.py",
    "tests/agents/router/test_properties.py",
    "tests/streams/engine/test_startup.py",
    "tests/cli/test_trace.py",
    "tests/kafka/test_leaks.py",
    "tests/kafka/test_rolling.py",
    "tests/kafka/test_secured.py",
    "tests/kafka/test_group.py",
    "tests/cli/test_sandbox.py",
    "tests/kafka/test_deleted.py",
    "tests/cli/test_receiver.py",
    "tests/agents/sailthru/test_list_delivery.py",
    "tests/simulation/test_stories.py",
    "tests/fuzz/test_fuzz.py",
    "tests/agents/sailthru/test_list_names.py",
    "tests/test_privacy.py",
    "tests/agents/sailthru/test_sink.py",
    "tests/streams/test_http.py",
    "tests/kafka/test_takeover.py",
    "tests/agents/sailthru/test_mapping.py",
    "tests/kafka/test_static_membership.py",
    "tests/agents/router/test_snapshots.py",
    "tests/agents/router/test_bounds.py",
)
_RANKS = {name: rank for rank, name in enumerate(LONGEST)}


@cache  # a file has many tests
def rank(path: PurePath, root: PurePath) -> int:
    """By what files are sorted; all others are alike."""
    return _RANKS.get(path.relative_to(root).as_posix(), len(LONGEST))
