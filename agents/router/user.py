"""What messages of both vocabularies say of their user besides events."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from agents.router.events import attributes_changed
from agents.router.raw_message import RawMessage
from agents.router.routed import About, Content
from models.mparticle.consent import Consent, ConsentNotification
from models.mparticle.identity import Named, Spelling, read_identities
from models.mparticle.values import UnreadableError, milliseconds
from models.privacy_request import ConsentChanged
from models.record import Value

_ENVIRONMENTS = frozenset({"production", "development", "unknown"})
# Its only purpose in mParticle's CCPA consent; notifications may leave it out.
_CCPA_PURPOSE = "data_sale_opt_out"


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
    name = (written or "production").lower()
    return name if name in _ENVIRONMENTS else "unknown"


def route_snapshot(
    raw: RawMessage,
    about: About,
    attributes: Mapping[str, Value],
    removed: list[str],
    *,
    has_events: bool,
    channel: str | None,
) -> None:
    """Routes the attributes that a message has besides its events, where the settings say so.

    Changes come as events from SDKs, but never from servers, nor in messages without events
    (mParticle docs, "Rules Developer Guide" and "Profiles").
    """
    index = raw.take()
    wanted = _wanted(raw.settings.snapshots, has_events=has_events, channel=channel)
    if not wanted and has_events:
        return
    for content in attributes_changed(attributes, removed):
        if wanted:
            raw.emit(content, about, index, [attributes, removed])
        else:
            raw.drop("snapshot")


def _wanted(snapshots: str, *, has_events: bool, channel: str | None) -> bool:
    if snapshots in ("never", "always"):
        return snapshots == "always"
    from_server = (channel or "").lower() == "server_to_server"
    return not has_events or (snapshots == "server_to_server" and from_server)


def route_notifications(raw: RawMessage, about: About, notifications: list[Any]) -> None:
    """Routes a message's system notifications; all that are known tell of consent."""
    for index, part in enumerate(notifications, raw.take(len(notifications))):
        try:
            notification = ConsentNotification.model_validate(part)
        except ValidationError as error:
            raw.refuse_part(error, "bad_notification", index)
        else:
            content = _consent_changed(notification)
            new = notification.new
            at_ms = milliseconds(new.timestamp_unixtime_ms) if new else None
            raw.emit(content, about, index, part, at_ms=at_ms)


def _consent_changed(notification: ConsentNotification) -> Content:
    regulation = notification.type.partition("_")[0]
    fields = {
        "regulation": regulation,
        "purpose": notification.purpose or (_CCPA_PURPOSE if regulation == "ccpa" else None),
        "old": _consent(notification.old),
        "new": _consent(notification.new),
    }
    return Content(ConsentChanged, fields)


def _consent(consent: Consent | None) -> dict[str, Any] | None:
    return consent.model_dump(exclude_none=True) or None if consent else None
