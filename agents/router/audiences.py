"""The Firehose's audience messages: which audiences there are, and who is in them."""

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from agents.router.firehose import meaning_of_text
from agents.router.raw_message import RawMessage
from agents.router.routed import About, Content, told
from agents.router.user import identities, route_shared
from models.audience import Audience
from models.audience_membership import AudienceChanged, MembershipChanged
from models.mparticle.firehose import (
    Account,
    MembershipRequest,
    ProfileAudience,
    SharedAttribute,
    SubscriptionRequest,
    UserProfile,
)
from models.mparticle.identity import DEVICE, USER, Named, Spelling
from models.mparticle.texts import typed
from models.record import Value

_AUDIENCE_CHANGES = {"add": "connected", "update": "updated", "remove": "disconnected"}
_MEMBERSHIP_CHANGES = {"add": "joined", "delete": "left"}


def route_subscription(message: dict[str, Any], raw: RawMessage) -> None:
    """An audience has no user: its records are about the audience itself."""
    request = SubscriptionRequest.model_validate(message)
    account_id = (request.account or Account()).account_id
    shared = told({"account_id": account_id})
    about = About([request.id, request.timestamp_ms], request.timestamp_ms, shared)
    change = _AUDIENCE_CHANGES[request.action]
    changed = {
        "change": change,
        "account_id": account_id,
        "audience_id": request.audience_id,
        "audience_name": request.audience_name,
        "audience_description": request.audience_description,
        "audience_settings": request.audience_subscription_settings,
        "previous_settings": request.previous_audience_subscription_settings,
    }
    known = {
        "audience_id": request.audience_id,
        "name": request.audience_name,
        "state": "disconnected" if change == "disconnected" else "connected",
    }
    index = raw.take()
    raw.emit(Content(AudienceChanged, changed), about, index, changed)
    raw.emit(Content(Audience, known), about, index, known)


def route_membership(message: dict[str, Any], raw: RawMessage) -> None:
    """Indexes run over all audiences of all profiles."""
    request = MembershipRequest.model_validate(message)
    for number, part in enumerate(request.user_profiles or ()):
        try:
            profile = UserProfile.model_validate(part)
        except ValidationError as error:
            raw.refuse_part(error, "bad_profile", raw.take())
        else:
            about = _about(profile, f"user_profiles[{number}]", part, request, raw)
            _route_profile(profile, about, raw)


def _route_profile(profile: UserProfile, about: About, raw: RawMessage) -> None:
    before = raw.taken
    for audience in _audiences(profile):
        index = raw.take()
        try:
            entry = ProfileAudience.model_validate(audience)
        except ValidationError as error:
            raw.refuse_part(error, "bad_audience", index)
        else:
            _route_audience(entry, about, index, audience, raw)
    attributes = typed(profile.user_attributes, meaning_of_text(raw.settings))
    if attributes:
        route_shared(raw, about, raw.take(), profile.user_attributes, attributes, ())
    if raw.taken == before:
        raw.take()
        raw.drop("no_op")


def _audiences(profile: UserProfile) -> Iterable[Any]:
    """Brings the shape of SDK 1.x into that of 2.0, which says with each audience what happened."""
    yield from profile.audiences or ()
    for action, audiences in (
        ("add", profile.added_audiences),
        ("delete", profile.removed_audiences),
    ):
        for audience in audiences or ():
            yield {**audience, "action": action} if isinstance(audience, dict) else audience


def _route_audience(
    audience: ProfileAudience, about: About, index: int, part: Any, raw: RawMessage
) -> None:
    before = raw.mark()
    shared, removed = _shared_attributes(audience, index, raw)
    attributes = typed(shared, meaning_of_text(raw.settings))
    route_shared(raw, about, index, part, attributes, removed)
    if change := _MEMBERSHIP_CHANGES.get(audience.action):
        fields = {
            "change": change,
            "audience_id": audience.audience_id,
            "audience_name": audience.audience_name,
            "audience_settings": audience.audience_subscription_settings,
        }
        raw.emit(Content(MembershipChanged, fields), about, index, part)
    if raw.mark() == before:
        raw.drop("no_change")


def _shared_attributes(
    audience: ProfileAudience, index: int, raw: RawMessage
) -> tuple[dict[str, Value], set[str]]:
    """The last word on a name holds; published samples have empty entries, which say nothing."""
    attributes: dict[str, Value] = {}
    removed: set[str] = set()
    for written in filter(None, audience.user_attributes or ()):
        try:
            shared = SharedAttribute.model_validate(written)
        except ValidationError as error:
            raw.refuse_part(error, "bad_attribute", index)
            continue
        attributes.pop(shared.key, None)
        removed.discard(shared.key)
        if shared.action == "delete":
            removed.add(shared.key)
        else:
            listed = shared.list_value
            attributes[shared.key] = shared.value if listed is None else listed
    return attributes, removed


def _about(
    profile: UserProfile,
    place: str,
    part: dict[str, Any],
    request: MembershipRequest,
    raw: RawMessage,
) -> About:
    def read(name: str, spelling: Spelling | None) -> list[Named]:
        return identities(raw, f"{place}.{name}", getattr(profile, name), spelling)

    shared = {
        "mpid": profile.mpid,
        "identities": read("user_identities", USER),
        "device_identities": read("device_identities", DEVICE),
        "partner_identities": read("partner_identities", None),
        "account_id": (request.account or Account()).account_id,
    }
    who = [part.get("user_identities"), part.get("device_identities")]
    return About([request.id, request.timestamp_ms, *who], request.timestamp_ms, told(shared))
