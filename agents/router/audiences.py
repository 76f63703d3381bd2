"""The Firehose's audience messages: which audiences there are, and who is in them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from agents.router.firehose import meaning_of_text
from agents.router.raw_message import RawMessage
from agents.router.route_result import About, Content, without_empty
from agents.router.user_state import identities, route_shared
from models.audience import Audience
from models.audience_membership import AudienceChanged, MembershipChanged
from models.mparticle.firehose import (
    MembershipRequest,
    ProfileAudience,
    SharedAttribute,
    SubscriptionRequest,
    UserProfile,
)
from models.mparticle.identity import DEVICE, USER, Named, Spelling
from models.mparticle.reading import NO_SHAPE, FrameReader, reader
from models.mparticle.texts import typed
from models.record import Value

_AUDIENCE_CHANGES = {"add": "connected", "update": "updated", "remove": "disconnected"}
_MEMBERSHIP_CHANGES = {"add": "joined", "delete": "left"}
_SUBSCRIPTION = reader(SubscriptionRequest)
_MEMBERSHIPS = FrameReader(MembershipRequest)
_PROFILE = FrameReader(UserProfile)
_AUDIENCE = FrameReader(ProfileAudience)
_SHARED = reader(SharedAttribute)


def route_subscription(message: dict[str, Any], raw: RawMessage) -> Iterator[None]:
    """Routes what a message says of an audience; its records have no user."""
    request = _SUBSCRIPTION.read(message)
    yield
    get, at_ms = request.get, request.get("timestamp_ms")
    account_id = get("account", NO_SHAPE).get("account_id")
    about = About([get("id"), at_ms], at_ms, {"account_id": account_id})
    change = _AUDIENCE_CHANGES[request["action"]]
    # Ids are made of fields that say nothing as well, and of the account, which records share.
    changed = {
        "change": change,
        "audience_id": request["audience_id"],
        "audience_name": get("audience_name"),
        "audience_description": get("audience_description"),
        "audience_settings": get("audience_subscription_settings", {}),
        "previous_settings": get("previous_audience_subscription_settings", {}),
    }
    known = {
        "audience_id": request["audience_id"],
        "name": get("audience_name"),
        "state": "disconnected" if change == "disconnected" else "connected",
    }
    index = raw.reserve()
    part = {**changed, "account_id": account_id}
    raw.emit(Content(AudienceChanged, without_empty(changed)), about, index, part)
    raw.emit(Content(Audience, without_empty(known)), about, index, known)


def route_membership(message: dict[str, Any], raw: RawMessage) -> Iterator[None]:
    """Routes memberships, profile by profile; indexes run over all audiences of all profiles."""
    request = _MEMBERSHIPS.frame(message)
    yield
    for number, part in enumerate(request.user_profiles or ()):
        try:
            profile = _PROFILE.frame(part)
        except ValidationError as error:
            raw.refuse_part(error, "bad_profile", raw.reserve())
        else:
            about = _about(profile, f"user_profiles[{number}]", part, request, raw)
            _route_profile(profile, about, raw)


def _route_profile(profile: Any, about: About, raw: RawMessage) -> None:
    before = raw.reserved
    for audience in _audiences(profile):
        index = raw.reserve()
        try:
            entry = _AUDIENCE.frame(audience)
        except ValidationError as error:
            raw.refuse_part(error, "bad_audience", index)
        else:
            _route_audience(entry, about, index, audience, raw)
    if written := profile.user_attributes:
        attributes = typed(written, meaning_of_text(raw.settings))
        route_shared(raw, about, raw.reserve(), written, attributes, ())
    if raw.reserved == before:
        raw.reserve()
        raw.drop("no_op")


def _audiences(profile: Any) -> Iterable[Any]:
    """Brings the shape of SDK 1.x into that of 2.0, which says with each audience what happened."""
    yield from profile.audiences or ()
    for action, them in (("add", profile.added_audiences), ("delete", profile.removed_audiences)):
        for audience in them or ():
            yield {**audience, "action": action} if isinstance(audience, dict) else audience


def _route_audience(audience: Any, about: About, index: int, part: Any, raw: RawMessage) -> None:
    before = raw.mark()
    if shared := audience.user_attributes:
        attributes, removed = _shared_attributes(shared, index, raw)
        attributes = typed(attributes, meaning_of_text(raw.settings))
        route_shared(raw, about, index, part, attributes, removed)
    if change := _MEMBERSHIP_CHANGES.get(audience.action):
        fields = {"change": change, "audience_id": audience.audience_id}
        if name := audience.audience_name:
            fields["audience_name"] = name
        if settings := audience.audience_subscription_settings:
            fields["audience_settings"] = settings
        raw.emit(Content(MembershipChanged, fields), about, index, part)
    if raw.mark() == before:
        raw.drop("no_change")


def _shared_attributes(
    shared: Iterable[Any], index: int, raw: RawMessage
) -> tuple[Mapping[str, Value], set[str]]:
    """Reads the attributes to set, and the names to remove: of each name the last entry counts.

    Published samples have empty entries, which say nothing.
    """
    attributes: dict[str, Value] = {}
    removed: set[str] = set()
    for written in filter(None, shared):
        try:
            said = _SHARED.read(written)
        except ValidationError as error:
            raw.refuse_part(error, "bad_attribute", index)
            continue
        name = said["key"]
        attributes.pop(name, None)
        removed.discard(name)
        if said["action"] == "delete":
            removed.add(name)
        else:
            attributes[name] = said["list_value"] if "list_value" in said else said.get("value")
    return attributes, removed


def _about(profile: Any, place: str, part: dict[str, Any], request: Any, raw: RawMessage) -> About:
    def read(name: str, written: Any, spelling: Spelling | None) -> list[Named]:
        return identities(raw, f"{place}.{name}", written, spelling) if written else []

    fields = {
        "mpid": profile.mpid,
        "identities": read("user_identities", profile.user_identities, USER),
        "device_identities": read("device_identities", profile.device_identities, DEVICE),
        "partner_identities": read("partner_identities", profile.partner_identities, None),
        "account_id": (request.account or NO_SHAPE).get("account_id"),
    }
    who = [part.get("user_identities"), part.get("device_identities")]
    return About([request.id, request.timestamp_ms, *who], request.timestamp_ms, fields)
