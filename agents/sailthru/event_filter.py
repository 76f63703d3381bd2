"""Which events are sent: an account takes 40 a second, and few of them start a flow."""

from collections.abc import Iterable

from agents.patterns import one_of
from models.event import BATCH_KINDS, Event
from streams.delivery.outcomes import Dropped

_DENIED = Dropped("event_denied")
_NOT_ALLOWED = Dropped("event_not_allowed")
_NOT_NAMED = Dropped("event_kind_not_named")
_KIND = "kind:"

# What these tell is none of marketing's business, or a secret: addresses with tokens in them, push
# tokens and what was pushed, stack traces, who refused to be measured, who else uses a device
# (Firehose Java SDK, `eventprocessing/`; mParticle docs, "JSON Reference").
PRIVATE_KINDS = frozenset(
    {
        "breadcrumb",
        "error",
        "network_performance",
        "opt_out",
        "privacy_setting_change",
        "profile",
        "push_message",
        "push_message_open",
        "push_message_receipt",
        "push_subscription",
    }
)


class EventFilter:
    """Globs for the names of events as mParticle has them, or after `kind:` for their kinds.

    Who denies has the last word. Private kinds pass where they are allowed by their own names and
    not by a placeholder.
    """

    def __init__(self, allow: Iterable[str], deny: Iterable[str]) -> None:
        allowed = [_in_our_words(glob) for glob in allow]
        self._allow = one_of(allowed)
        self._deny = one_of(map(_in_our_words, deny))
        self._private = PRIVATE_KINDS - {glob.removeprefix(_KIND) for glob in allowed}

    def reason_against(self, event: Event) -> Dropped | None:
        if denied := self.denied(event):
            return denied
        if event.kind in self._private:
            return _NOT_NAMED
        return None if any(map(self._allow.fullmatch, _said(event))) else _NOT_ALLOWED

    def denied(self, event: Event) -> Dropped | None:
        return _DENIED if any(map(self._deny.fullmatch, _said(event))) else None


def _said(event: Event) -> tuple[str, str]:
    # `name:` keeps an event that is called kind:… from passing for that kind.
    return f"name:{event.name}", f"{_KIND}{event.kind}"


def _in_our_words(glob: str) -> str:
    """`kind:crash_report` as `kind:error`, and every name as `name:…`."""
    if not glob.startswith(_KIND):
        return f"name:{glob}"
    kind = glob.removeprefix(_KIND)
    return f"{_KIND}{BATCH_KINDS.get(kind, kind)}"
