"""Which events are sent: an account takes 40 a second, and few of them start a flow."""

import re
from collections.abc import Iterable
from fnmatch import translate

from models.event import Event
from streams.delivery.outcomes import Dropped

_DENIED = Dropped("event_denied")
_NOT_ALLOWED = Dropped("event_not_allowed")


def patterns(text: str) -> list[str]:
    """The globs of a setting, which commas part."""
    return [stripped for each in text.split(",") if (stripped := each.strip())]


class EventFilter:
    """Globs for the names of events as mParticle has them, or after `kind:` for their kinds.

    Who denies has the last word. Where nothing is allowed by name, everything is allowed.
    """

    def __init__(self, allow: Iterable[str], deny: Iterable[str]) -> None:
        self._allow = _one_of(allow)
        self._deny = _one_of(deny)

    def reason_against(self, event: Event) -> Dropped | None:
        # `name:` keeps an event that is called kind:… from passing for that kind.
        said = (f"name:{event.name}", f"kind:{event.kind}")
        if self._deny and any(map(self._deny.fullmatch, said)):
            return _DENIED
        if self._allow and not any(map(self._allow.fullmatch, said)):
            return _NOT_ALLOWED
        return None


def _one_of(globs: Iterable[str]) -> re.Pattern[str] | None:
    prefixed = (glob if glob.startswith("kind:") else f"name:{glob}" for glob in globs)
    joined = "|".join(map(translate, prefixed))
    return re.compile(joined) if joined else None
