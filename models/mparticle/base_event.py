"""The fields that all events of both vocabularies have in common.

Where the two name one thing differently, a field has the Firehose's name and the batch's as its
alias (Firehose Java SDK, `Event`; mParticle docs, "JSON Reference").
"""

from pydantic import AliasChoices, ConfigDict, Field

from models.mparticle.times import Millis
from models.mparticle.values import Amount, Arriving, Detail, EventAttributes, Id


class Happened(Arriving):
    """The base of all events; the fields that a class adds are the event's details."""

    event_id: Id = Field(None, validation_alias=AliasChoices("id", "event_id"))
    source_id: Id = Field(None, validation_alias=AliasChoices("source_id", "source_message_id"))
    session_id: Id = None
    at_ms: Millis = Field(
        None, validation_alias=AliasChoices("timestamp_ms", "timestamp_unixtime_ms")
    )
    attributes: EventAttributes = Field(
        default_factory=dict, validation_alias=AliasChoices("attributes", "custom_attributes")
    )


class Flagged(Happened):
    """An event with `custom_flags`, which steer integrations inside mParticle; raw outputs get all.

    The web SDK says since 2026 on which page, and after how long there (its pull requests 1276 and
    1306, and `active_time_on_site_ms` beside them).
    """

    custom_flags: Detail = None
    page_url: Detail = None
    active_time_on_site_ms: Amount = None
    total_time_on_site_ms: Amount = None


# Fields that every event may have and records do not hold.
LEFT_OUT = frozenset(
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
