"""The messages of mParticle's Firehose (Firehose Java SDK 3.2, below `com.mparticle.sdk.model`).

The SDK calls more fields required than its own published samples have; required here is only what
nothing can be done without.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from models.mparticle.times import Millis
from models.mparticle.values import (
    IF_READABLE,
    Arriving,
    Attributes,
    AttributeValue,
    Flag,
    Id,
    Mpid,
    Name,
    RequiredId,
    Stamp,
    Texts,
    Words,
)


class Account(Arriving):
    """A customer's account: its id only, for `account_settings` hold secrets and are not read."""

    account_id: Id = None


class FirehoseMessage(Arriving):
    """The base of all ten messages."""

    id: Id = None
    timestamp_ms: Millis = None


class PlatformFields(Arriving):
    """The place at mParticle that a message comes from, told to modules that may know it."""

    mp_account_id: Id = None
    workspace_id: Id = None


class RuntimeEnvironment(Arriving):
    is_debug: Flag = False
    identities: Any = None


class EventRequest(FirehoseMessage):
    """Events of one user on one device; without events also a profile update, or a probe."""

    mpid: Mpid = None
    source_channel: str | None = None
    device_application_stamp: Stamp | None = None
    account: Annotated[Account | None, IF_READABLE] = None
    platform_fields: Annotated[PlatformFields | None, IF_READABLE] = None
    runtime_environment: RuntimeEnvironment | None = None
    user_identities: Any = None
    partner_identities: Any = None
    user_attributes: Attributes = Field(default_factory=dict)
    user_attribute_lists: Attributes = Field(default_factory=dict)
    events: list[Any] | None = None
    system_notifications: list[Any] | None = None


class SubscriptionRequest(FirehoseMessage):
    """An audience was connected, changed or disconnected."""

    account: Account | None = None
    audience_id: RequiredId
    audience_name: Name = None
    audience_description: str | None = None
    audience_subscription_settings: Texts = Field(default_factory=dict)
    previous_audience_subscription_settings: Texts = Field(default_factory=dict)
    action: Literal["add", "update", "remove"]


class MembershipRequest(FirehoseMessage):
    """Users who entered or left audiences; a probe has none."""

    account: Annotated[Account | None, IF_READABLE] = None
    user_profiles: list[Any] | None = None


class UserProfile(Arriving):
    """A user, and the audiences that they entered and left.

    The SDK has `audiences` since 2.0, `added_audiences` and `removed_audiences` before, and
    `user_attributes` until 1.5.
    """

    mpid: Mpid = None
    user_identities: Any = None
    device_identities: Any = None
    partner_identities: Any = None
    user_attributes: Attributes = Field(default_factory=dict)
    audiences: list[Any] | None = None
    added_audiences: list[Any] | None = None
    removed_audiences: list[Any] | None = None


class ProfileAudience(Arriving):
    audience_id: RequiredId
    audience_name: Name = None
    audience_subscription_settings: Texts = Field(default_factory=dict)
    action: Literal["add", "delete", "attribute_update"]
    user_attributes: list[Any] | None = None


class SharedAttribute(Arriving):
    """An attribute that is shared with an audience: a scalar, a list, or, with neither, a tag."""

    key: Words = Field(min_length=1)
    action: Literal["upsert", "delete"]
    value: AttributeValue = None
    list_value: AttributeValue = None


class SubjectRequest(FirehoseMessage):
    """A data-subject request; `submitted_time` is ISO 8601 or epoch seconds."""

    account: Annotated[Account | None, IF_READABLE] = None
    subject_request_id: Id = None
    subject_request_type: Words | None = None
    submitted_time: str | None = None
    regulation: Words | None = None
    subject_identities: Any = None
    extensions: Any = None
