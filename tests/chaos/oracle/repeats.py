"""Little is repeated: only what was not yet committed when something befell its sender."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.chaos.disturbance import Disturbance, befallen, disturbed
from tests.chaos.oracle.commits import Commits
from tests.chaos.oracle.items import Destination
from tests.chaos.oracle.losses import committed_at
from tests.chaos.oracle.sightings import Sighting

# Kafka stamps a commit in whole milliseconds, and a commit is that long on its way at least.
_GRAIN = 0.001


@dataclass
class Repeats:
    """How many there were, and how many there might have been; `wrong` has those beyond that."""

    count: int = 0
    allowed: int = 0
    wrong: list[str] = field(default_factory=list)


def repeats(
    destination: Destination,
    seen: Sequence[Sighting],
    commits: Commits,
    disturbances: Sequence[Disturbance],
) -> Repeats:
    """Judges each time that a record took effect again by the time before."""
    found = Repeats()
    by_item = defaultdict[int, list[Sighting]](list)
    for sighting in seen:
        by_item[id(sighting.item)].append(sighting)
    for times in by_item.values():
        committed = committed_at(times[0].item, commits)
        found.allowed += sum(_may_repeat(each, committed, disturbances) for each in times)
        for before, again in pairwise(times):
            found.count += 1
            if (why := _wrong(before, again, committed, disturbances)) is not None:
                found.wrong.append(
                    f"{destination}: {again.item} by {before.request.source} and "
                    f"{again.done - before.done:.3f} s later by {again.request.source}: {why}"
                )
    return found


def _may_repeat(sighting: Sighting, committed: float, disturbances: Sequence[Disturbance]) -> bool:
    """Whether something befell its sender after it was sent and before it was committed."""
    request = sighting.request
    return request.answered is None or befallen(
        disturbances, request.source, request.arrived, committed
    )


def _wrong(
    before: Sighting, again: Sighting, committed: float, disturbances: Sequence[Disturbance]
) -> str | None:
    sent, resent = before.request, again.request
    if committed + _GRAIN < resent.arrived:
        return f"it had been committed {resent.arrived - committed:.3f} s ago"
    if sent.answered is None:
        return None
    if disturbed(disturbances, sent.source, sent.arrived, resent.arrived):
        return None
    return "nothing had befallen its sender"
