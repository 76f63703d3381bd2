"""Routes what messages of both vocabularies say of their user besides events."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct
from pydantic import ValidationError

from agents.router.event_contents import attributes_changed
from agents.router.events import NOTHING_CHANGED, Changed
from agents.router.raw_message import RawMessage
from agents.router.route_result import About, Content, without_empty
from agents.router.snapshots import GONE, Gone, Snapshot, State, differs_from_said, digest_of
from models.mparticle.consent import ConsentNotification
from models.mparticle.identity import Named, Spelling, read_identities
from models.mparticle.reading import Said, reader
from models.mparticle.times import milliseconds
from models.mparticle.values import UnreadableError
from models.privacy_request import ConsentChanged
from models.record import Value

_ENVIRONMENTS = frozenset({"production", "development", "unknown"})
# Its only purpose in mParticle's CCPA consent; notifications may leave it out.
_CCPA_PURPOSE = "data_sale_opt_out"
_NOTIFICATION = reader(ConsentNotification)


def identities(
    raw: RawMessage, name: str, written: object, spelling: Spelling | None
) -> list[Named]:
    """Reads a field of identities; one that is broken does not hold up the others."""
    if not written:
        return []

    def refuse(place: int | None, error: UnreadableError) -> None:
        where = name if place is None else f"{name}[{place}]"
        raw.refuse("bad_identity", place, f"{where}: {error}")

    return read_identities(written, spelling, refuse)


def environment(written: str | None) -> str:
    if not written or written in _ENVIRONMENTS:
        return written or "production"
    name = written.lower()
    return name if name in _ENVIRONMENTS else "unknown"


def route_snapshot(
    raw: RawMessage,
    about: About,
    attributes: Mapping[str, Value],
    removed: list[str],
    said: Changed,
    *,
    is_text_only: bool = False,
) -> None:
    """Routes what a message's own attributes say that its events have not `said`.

    The settings say which of all snapshots are routed. SDKs tell changes as events, but neither
    servers nor other sources do, and nobody tells of calculated attributes (mParticle docs, "Rules
    Developer Guide", "Profiles" and "Calculated Attributes").
    """
    index = raw.reserve()
    if raw.settings.snapshots == "never":
        if attributes or removed:
            raw.drop("snapshots_never")
    elif attributes or removed or said.states:
        part, states = [attributes, removed], _states(attributes, removed)
        given = _Attributes(index, part, states, said, is_text_only)
        _route_states(raw, about, given, is_whole=True)


def route_shared(
    raw: RawMessage,
    about: About,
    index: int,
    part: Any,
    attributes: Mapping[str, Value],
    removed: Iterable[str],
) -> None:
    """Routes what is shared of a user's attributes beside the user's audiences."""
    if states := _states(attributes, removed):
        given = _Attributes(index, part, states, NOTHING_CHANGED, is_text_only=True)
        _route_states(raw, about, given, is_whole=False)


class _Attributes(Struct, frozen=True):
    place: int
    part: Any
    states: Mapping[str, State]
    said: Changed
    is_text_only: bool


def _states(attributes: Mapping[str, Value], removed: Iterable[str]) -> Mapping[str, State]:
    return {**dict.fromkeys(removed, GONE), **attributes} if removed else attributes


def _route_states(raw: RawMessage, about: About, given: _Attributes, *, is_whole: bool) -> None:
    known, shared, said = raw.snapshots, about.shared, given.said
    user = about.key
    if known is None or user is None or raw.settings.snapshots != "changed":
        states = differs_from_said(given.states, said.states)
        _emit(raw, about, given, states, is_sure=not is_whole)
        return
    if shared.get("environment") == "development":
        # Destinations leave it out, so that they are told nothing by it.
        user = b"development/" + user
    at_ms, identities = raw.at_most_received(about.at_ms), shared.get("identities", ())
    whole = digest_of(given.states, identities) if is_whole else 0
    is_quiet = is_whole and not said.states and not said.adds_identity
    if is_quiet and known.is_known(user, at_ms, whole):
        raw.drop("snapshots_unchanged")
        return
    snapshot = Snapshot(
        user,
        at_ms,
        identities,
        given.states,
        said.states,
        said.adds_identity,
        whole,
        given.is_text_only,
        raw.is_redriven,
    )
    found = known.compare(snapshot)
    if found.overtaken:
        raw.drop("snapshots_overtaken")
    elif not found.states and given.states:
        raw.drop("snapshots_unchanged")
    is_routed = not found.states or _emit(raw, about, given, found.states, is_sure=found.is_sure)
    raw.remember(user, found.told if is_routed else None)


def _emit(
    raw: RawMessage,
    about: About,
    given: _Attributes,
    states: Mapping[str, State],
    *,
    is_sure: bool,
) -> bool:
    """Says whether there is a record of these states."""
    set_ = {name: state for name, state in states.items() if not isinstance(state, Gone)}
    for content in attributes_changed(set_, states.keys() - set_.keys()):
        return raw.emit(content, about, given.place, given.part, is_sure=is_sure)
    raw.drop("snapshots_unchanged")
    return True


def route_notifications(raw: RawMessage, about: About, notifications: list[Any]) -> None:
    """Routes a message's system notifications; all that are known tell of consent."""
    for index, part in enumerate(notifications, raw.reserve(len(notifications))):
        try:
            notification = _NOTIFICATION.read(part)
        except ValidationError as error:
            raw.refuse_part(error, "bad_notification", index)
        else:
            at_ms = milliseconds(notification.get("new", {}).get("timestamp_unixtime_ms"))
            raw.emit(_consent_changed(notification), about, index, part, at_ms=at_ms)


def _consent_changed(notification: Said) -> Content:
    regulation = notification["type"].partition("_")[0]
    purpose = notification.get("purpose") or (_CCPA_PURPOSE if regulation == "ccpa" else None)
    consents = {"old": notification.get("old"), "new": notification.get("new")}
    fields = without_empty({"regulation": regulation, "purpose": purpose, **consents})
    return Content(ConsentChanged, fields)
