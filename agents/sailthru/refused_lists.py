"""Tells one list that is refused from a setting by which all are."""

from collections import OrderedDict
from dataclasses import replace

from streams.outcomes import Rejected

# Fewer say nothing of the others.
_FEW = 3
_MOST_REMEMBERED = 1_000


class RefusedLists:
    """Knows of each list that users joined lately whether it was refused.

    A refused list counts itself, as a dead letter. That its members become dead letters too lies in
    its audience, and must not hold those of others; but where most lists are refused it lies in how
    they are named.
    """

    def __init__(self) -> None:
        self._refused: OrderedDict[str, bool] = OrderedDict()

    def passed(self, name: str) -> None:
        self._note(name, is_refused=False)

    def refuse(self, name: str, why: Rejected) -> Rejected:
        """Returns the refusal of a member, with what it says of a deploy or a setting."""
        self._note(name, is_refused=True)
        refused = sum(self._refused.values())
        is_alone = refused < _FEW or 2 * refused <= len(self._refused)
        return replace(why, blames="account") if is_alone else why

    def _note(self, name: str, *, is_refused: bool) -> None:
        self._refused[name] = is_refused
        self._refused.move_to_end(name)
        if len(self._refused) > _MOST_REMEMBERED:
            self._refused.popitem(last=False)
