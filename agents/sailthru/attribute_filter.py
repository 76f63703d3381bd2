"""Selects the user attributes that become vars."""

from collections.abc import Mapping
from functools import lru_cache

from agents.patterns import Allowed
from agents.sailthru.var_names import is_switch
from models.user_update import AttributesChanged
from streams.outcomes import Dropped


class AttributeFilter:
    """Patterns for the names of user attributes as mParticle has them."""

    def __init__(self, allow: str, deny: str) -> None:
        allowed = Allowed(allow, deny)
        self.keeps_all = allowed.all
        # Few names, in every record.
        self._verdict = lru_cache(maxsize=4096)(allowed.verdict)

    def left_out(self, record: AttributesChanged) -> Mapping[str, str]:
        """The names that are left out, set or removed, and why."""
        if self.keeps_all:
            return {}
        verdicts = ((name, self._verdict(name)) for name in _names(record))
        return {name: f"attribute_{verdict}" for name, verdict in verdicts if verdict}

    def reason_against(self, record: AttributesChanged) -> Dropped | None:
        """Returns why nothing of it is sent; None when something is."""
        left_out = self.left_out(record)
        if len(left_out) < len(_names(record)):
            return None
        return Dropped(next(iter(left_out.values()), "nothing_to_send"))

    def filtered(self, record: AttributesChanged) -> AttributesChanged:
        """Returns the record without the attributes that are left out."""
        if not (left_out := self.left_out(record)):
            return record
        kept = {name: value for name, value in record.attributes.items() if name not in left_out}
        removed = tuple(name for name in record.removed if name not in left_out)
        return record.model_copy(update={"attributes": kept, "removed": removed})


def _names(record: AttributesChanged) -> list[str]:
    """Names of the attributes that could become vars."""
    return [name for name in (*record.attributes, *record.removed) if not is_switch(name)]
