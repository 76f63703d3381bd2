"""Little is repeated: only what was not yet committed when something befell its sender.

And what a process sends right after a freeze, because it had asked before whether it still may:
between that question and the socket no process can notice that it stood still.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.chaos.disturbance import Disturbance, befallen, disturbed, thawed
from tests.chaos.journal import Request
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


@dataclass
class _Late:
    """The requests that came out of each freeze, at most `connections` of one."""

    disturbances: Sequence[Disturbance]
    connections: int
    requests: defaultdict[int, set[int]] = field(default_factory=lambda: defaultdict(set))

    def excuses(self, before: Request, again: Request) -> bool:
        """Whether another process was first while the second one's was frozen."""
        freeze = thawed(self.disturbances, again.source, again.arrived)
        if freeze is None or before.source == again.source or before.arrived < freeze.begin:
            return False
        excused = self.requests[id(freeze)]
        if len(excused) < self.connections:
            excused.add(id(again))
        return id(again) in excused


def repeats(
    destination: Destination,
    seen: Sequence[Sighting],
    commits: Commits,
    disturbances: Sequence[Disturbance],
    connections: int,
) -> Repeats:
    """Judges each time that a record took effect again by the time before.

    A freeze excuses as many late requests as its process has `connections`.
    """
    found = Repeats()
    late = _Late(disturbances, connections)
    by_item = defaultdict[int, list[Sighting]](list)
    for sighting in seen:
        by_item[id(sighting.item)].append(sighting)
    for times in by_item.values():
        committed = committed_at(times[0].item, commits)
        found.allowed += sum(_may_repeat(each, committed, disturbances) for each in times)
        for before, again in pairwise(times):
            found.count += 1
            if (why := _wrong(before, again, committed, disturbances)) is None:
                continue
            if late.excuses(before.request, again.request):
                found.allowed += 1
                continue
            found.wrong.append(
                f"{destination}: {again.item} by {before.request.source} and "
                f"{again.done - before.done:.3f} s later by {again.request.source}: {why}"
            )
    return found


def _may_repeat(sighting: Sighting, committed: float, disturbances: Sequence[Disturbance]) -> bool:
    """Whether something befell its sender after it was sent and before it was committed."""
    request = sighting.request
    return request.answered is None or (
        request.arrived <= committed
        and befallen(disturbances, request.source, request.arrived, committed)
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
