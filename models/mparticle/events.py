"""The events that have a shape of their own and are neither commerce nor changes of the user.

Firehose Java SDK 3.2 (`Event.Type` and its classes); mParticle docs, "JSON Reference".
"""

from typing import Annotated, Any

from pydantic import AliasChoices, Field, PlainValidator

from models.mparticle.base_event import Flagged
from models.mparticle.values import Amount, Detail, Flag, Id, Words


class SessionEnd(Flagged):
    session_length_ms: Amount = Field(
        None, validation_alias=AliasChoices("session_length_ms", "session_duration_ms")
    )


class CustomEvent(Flagged):
    name: Annotated[
        Words,
        Field(min_length=1, validation_alias=AliasChoices("name", "event_name")),
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
    session_number: Amount = None


class PrivacySettingChange(Flagged):
    setting: Detail = None
    is_enabled: Detail = None


class OptOut(Flagged):
    """A user opts out if `is_opted_out`, else in again; a batch may leave out the false."""

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
    """A `push_message_receipt` or `push_message_open`; the payload's form differs per platform."""

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
    """A transition with both vocabularies' fields: as states do not match, each keeps its own."""

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
    time_elapsed: Amount = None
    bytes_in: Amount = None
    bytes_out: Amount = None
    response_code: Detail = None
    data: Detail = None


class Breadcrumb(Flagged):
    label: Detail = None
    session_number: Amount = None


class ProfileEvent(Flagged):
    previous_mpid: Id = None
    current_mpid: Id = None
    profile_event_type: Detail = None
