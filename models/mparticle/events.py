"""Every event that mParticle documents, in both vocabularies.

Sources: Firehose Java SDK 3.2 (`Event.Type` and its classes); for event batches mParticle docs,
"JSON Reference". Where the two name one thing differently, a field has the Firehose's name and the
batch's as its alias.
"""

from functools import cache
from typing import Annotated, Any

from pydantic import AliasChoices, ConfigDict, Field, PlainValidator

from models.mparticle.commerce import Impression, ProductAction, PromotionAction, ShoppingCart
from models.mparticle.values import (
    Arriving,
    Attributes,
    AttributeValue,
    Detail,
    Flag,
    Id,
    Millis,
)


class Happened(Arriving):
    """What all events have; the fields that a class adds are its details."""

    event_id: Id = Field(None, validation_alias=AliasChoices("id", "event_id"))
    source_id: Id = Field(None, validation_alias=AliasChoices("source_id", "source_message_id"))
    session_id: Id = None
    at_ms: Millis = Field(
        None, validation_alias=AliasChoices("timestamp_ms", "timestamp_unixtime_ms")
    )
    attributes: Attributes = Field(
        default_factory=dict, validation_alias=AliasChoices("attributes", "custom_attributes")
    )

    def details(self) -> dict[str, Any]:
        """The event's own fields, without those that say nothing."""
        return {
            name: _plain(value)
            for name in _own(type(self))
            if (value := getattr(self, name)) not in _NOTHING
        }


# mParticle's writers leave out what is empty, some of the time.
_NOTHING: tuple[Any, ...] = (None, {}, [])


@cache
def _own(event: type[Happened]) -> list[str]:
    fields = event.model_fields.items()
    return [
        name for name, field in fields if name not in Happened.model_fields and not field.exclude
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, Arriving):
        return value.model_dump(exclude_none=True)
    return [_plain(each) for each in value] if isinstance(value, list) else value


class Flagged(Happened):
    """`custom_flags` steer integrations inside mParticle; raw outputs get them all."""

    custom_flags: Detail = None


class SessionEnd(Flagged):
    session_length_ms: Detail = Field(
        None, validation_alias=AliasChoices("session_length_ms", "session_duration_ms")
    )


class CustomEvent(Flagged):
    name: Annotated[
        str, Field(min_length=1, validation_alias=AliasChoices("name", "event_name"), exclude=True)
    ]
    custom_event_type: Detail = None


class ScreenView(Flagged):
    screen_name: Detail = None
    activity_type: Detail = None


class Error(Flagged):
    """An `error`, or a batch's `crash_report`."""

    message: Detail = None
    is_crash: Detail = None
    stack_trace: Detail = None
    breadcrumbs: Detail = None
    severity: Detail = None
    class_name: Detail = None
    topmost_context: Detail = None
    exception_handled: Detail = None
    pl_crash_report_file_base64: Detail = None
    ios_image_base_address: Detail = None
    ios_image_size: Detail = None
    session_number: Detail = None


class PrivacySettingChange(Flagged):
    setting: Detail = None
    is_enabled: Detail = None


class OptOut(Flagged):
    """Out when `is_opted_out`; a batch may leave the false out."""

    is_opted_out: Flag = False


def _subscription(value: object) -> object:
    return ("subscribe" if value else "unsubscribe") if isinstance(value, bool) else value


class PushSubscription(Flagged):
    """A `push_subscription`, or a batch's `push_registration`, whose `register` is a boolean."""

    action: Annotated[Any, PlainValidator(_subscription)] = Field(
        None, validation_alias=AliasChoices("action", "register")
    )
    token: Detail = Field(None, validation_alias=AliasChoices("token", "registration_token"))


class PushPayload(Flagged):
    """`push_message_receipt` and `push_message_open`; the payload's form differs per platform."""

    payload: Detail = None


class PushMessage(Flagged):
    push_message_type: Detail = None
    push_message_token: Detail = None
    push_message_behavior: Detail = None
    push_notification_payload: Detail = None
    message: Detail = None
    network: Detail = None
    application_state: Detail = None
    action_identifier: Detail = None


class ApplicationStateTransition(Flagged):
    """Both vocabularies' fields; their states do not match one to one, so each keeps its own."""

    application_state: Detail = None
    application_transition_type: Detail = None
    is_first_run: Detail = None
    is_upgrade: Detail = None
    successfully_closed: Detail = None
    push_notification_payload: Detail = None
    launch_referral: Detail = None
    referral_application: Detail = None
    launch_parameters: Detail = None
    source_package: Detail = None


class Attribution(Flagged):
    name: Detail = None
    partner_name: Detail = None
    publisher_name: Detail = None
    campaign_name: Detail = None


class NetworkPerformance(Flagged):
    http_verb: Detail = None
    url: Detail = None
    time_elapsed: Detail = None
    bytes_in: Detail = None
    bytes_out: Detail = None
    response_code: Detail = None
    data: Detail = None


class Breadcrumb(Flagged):
    label: Detail = None
    session_number: Detail = None


class ProfileEvent(Flagged):
    previous_mpid: Id = None
    current_mpid: Id = None
    profile_event_type: Detail = None


class ProductActionEvent(Flagged, ProductAction):
    currency_code: Detail = None


class PromotionActionEvent(Flagged, PromotionAction):
    pass


class ImpressionEvent(Flagged):
    impressions: list[Impression] | None = None


class CommerceEvent(Flagged):
    """A batch's commerce event; normally one of the three parts is there, a sample has all."""

    product_action: ProductAction | None = None
    promotion_action: PromotionAction | None = None
    product_impressions: list[Impression] | None = None
    shopping_cart: ShoppingCart | None = None
    currency_code: Detail = None
    screen_name: Detail = None
    is_non_interactive: Detail = None


class AttributesChange(Happened):
    """The Firehose's `user_attribute_change`: names with new values, names with lost values."""

    added: Attributes = Field(default_factory=dict)
    removed: Attributes = Field(default_factory=dict)


class AttributeChange(Happened):
    """A batch's `user_attribute_change`; `new` is null for a tag too, so `deleted` decides."""

    user_attribute_name: Annotated[str, Field(min_length=1)]
    new: AttributeValue = None
    deleted: Flag = False


class IdentitiesChange(Happened):
    """A `user_identity_change`: lists in the Firehose, single identities or null in batches."""

    added: Detail = Field(None, validation_alias=AliasChoices("added", "new"))
    removed: Detail = Field(None, validation_alias=AliasChoices("removed", "old"))


# What every event may have and records do not hold.
_LEFT_OUT = frozenset(
    {
        "canonical_name",
        "data_connection_type",
        "device_current_state",
        "event_num",
        "event_start_unixtime_ms",
        "event_system_notification_info",
        "is_goal_defined",
        "is_main_thread",
        "lifetime_value_attribute_name",
        "lifetime_value_change",
        "location",
        "message_id",
        "message_type",
        "session_start_unixtime_ms",
        "session_uuid",
        "type",
        "view_controller",
    }
)


class UnknownEvent(Flagged):
    """An event of no published shape: all that it says are its details."""

    model_config = ConfigDict(extra="allow")

    def details(self) -> dict[str, Any]:
        said = self.model_extra or {}
        own = {
            name: value
            for name, value in said.items()
            if name not in _LEFT_OUT and value not in _NOTHING
        }
        return super().details() | own
