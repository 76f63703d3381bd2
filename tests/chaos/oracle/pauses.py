"""How long nothing moved: what an operator sees of a broker that is gone."""

from collections.abc import Mapping
from itertools import pairwise

from tests.chaos.oracle.evidence import RAW, Evidence


def longest_pauses(evidence: Evidence) -> Mapping[str, float]:
    """By group, the most seconds between two commits while messages came, by Kafka's own times."""
    came = [each.at for each in evidence.stored[RAW]]
    found = {}
    for group, commits in evidence.commits.items():
        times = {at for covered in commits.covered.values() for at in covered.values()}
        while_they_came = sorted(at for at in times if min(came) <= at <= max(came))
        pauses = [later - earlier for earlier, later in pairwise(while_they_came)]
        found[group] = round(max(pauses, default=0.0), 1)
    return found
