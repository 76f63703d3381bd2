"""Selects the events to send: an account takes 40 a second, and few of them start a flow."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from types import MappingProxyType

from agents.patterns import one_of
from models.event import BATCH_KINDS, COMMERCE_KINDS, KINDS, Event
from streams.outcomes import Dropped

_DENIED = Dropped("event_denied")
_NOT_ALLOWED = Dropped("event_not_allowed")
_NOT_NAMED = Dropped("event_kind_not_named")
_KIND = "kind:"
# The word of event batches -> what records call it.
_IN_BATCHES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {name: (kind,) for name, kind in BATCH_KINDS.items()} | {"commerce_event": COMMERCE_KINDS}
)

# These tell what is none of marketing's business, or a secret: addresses with tokens, push
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

    Kinds go by either vocabulary's word, in any case. Who denies has the last word. Private kinds
    pass where they are allowed by their own names and not by a placeholder.
    """

    def __init__(self, allow: Iterable[str], deny: Iterable[str]) -> None:
        allowed = list(allow)
        self._allow = one_of(_in_our_words(allowed))
        self._deny = one_of(_in_our_words(deny))
        kinds = [kind for glob in allowed if (kind := _kind(glob)) and not {"*", "?"} & set(kind)]
        self._private = PRIVATE_KINDS.difference(*map(_meant, kinds))

    def reason_against(self, event: Event) -> Dropped | None:
        if denied := self.denied(event):
            return denied
        if _usual(event.kind) in self._private:
            return _NOT_NAMED
        return None if any(map(self._allow.fullmatch, _said(event))) else _NOT_ALLOWED

    def denied(self, event: Event) -> Dropped | None:
        said = (*_said(event), f"{_KIND}{_usual(event.kind)}")
        return _DENIED if any(map(self._deny.fullmatch, said)) else None


def reject_unknown_kinds(globs: Iterable[str]) -> None:
    """Raises ValueError for a kind that no event has: most likely a typing error.

    A type that mParticle begins to send may be written without `kind:`, for it is its events' name.
    """
    for kind in (kind for glob in globs if (kind := _kind(glob)) is not None):
        if not kind:
            raise ValueError(f"name a kind after {_KIND}")
        if not _meant(kind):
            there_are = ", ".join(sorted({*KINDS, *_IN_BATCHES}))
            raise ValueError(f"{kind} is no kind of event; there are {there_are}")


def _said(event: Event) -> tuple[str, str]:
    # `name:` keeps an event that is called kind:… from passing for that kind.
    return f"name:{event.name}", f"{_KIND}{event.kind}"


def _usual(kind: str) -> str:
    """A kind however it is spelled: what is private must not leave for its spelling."""
    spelled = kind.strip().lower()
    return BATCH_KINDS.get(spelled, spelled)


def _kind(glob: str) -> str | None:
    """The glob for kinds, of a pattern that is one."""
    is_kind = glob.lower().startswith(_KIND)
    return glob[len(_KIND) :].strip().lower() if is_kind else None


def _in_our_words(globs: Iterable[str]) -> Iterator[str]:
    """`kind:crash_report` as `kind:error` too, and every name as `name:…`."""
    for glob in globs:
        if (kind := _kind(glob)) is None:
            yield f"name:{glob}"
        else:
            yield from (f"{_KIND}{each}" for each in {kind, *_meant(kind)})


def _meant(glob: str) -> set[str]:
    """The published kinds, as records have them, that a glob is for."""
    is_meant = one_of([glob]).fullmatch
    spelled_otherwise = (kinds for name, kinds in _IN_BATCHES.items() if is_meant(name))
    return {*filter(is_meant, KINDS), *chain.from_iterable(spelled_otherwise)}
