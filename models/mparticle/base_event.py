"""What all events of both vocabularies have in common.

Where the two name one thing differently, a field has the Firehose's name and the batch's as its
alias (Firehose Java SDK, `Event`; mParticle docs, "JSON Reference").
"""

from functools import cache
from typing import Any

from pydantic import AliasChoices, ConfigDict, Field

from models.mparticle.times import Millis
from models.mparticle.values import Amount, Arriving, Detail, EventAttributes, Id, plain


class Happened(Arriving):
    """What all events have; the fields that a class adds are its details."""

    event_id: Id = Field(None, validation_alias=AliasChoices("id", "event_id"))
    source_id: Id = Field(None, validation_alias=AliasChoices("source_id", "source_message_id"))
    session_id: Id = None
    at_ms: Millis = Field(
        None, validation_alias=AliasChoices("timestamp_ms", "timestamp_unixtime_ms")
    )
    attributes: EventAttributes = Field(
        default_factory=dict, validation_alias=AliasChoices("attributes", "custom_attributes")
    )

    def details(self) -> dict[str, Any]:
        """The event's own fields, without those that say nothing."""
        said = self.__dict__
        return {
            name: value if type(value) is str else plain(value)
            for name in _own(type(self))
            if (value := said[name]) is not None and value not in _EMPTY
        }


# mParticle's writers leave out what is empty, some of the time.
_EMPTY: tuple[Any, ...] = ({}, [])


@cache
def _own(event: type[Happened]) -> list[str]:
    fields = event.model_fields.items()
    return [
        name for name, field in fields if name not in Happened.model_fields and not field.exclude
    ]


class Flagged(Happened):
    """`custom_flags` steer integrations inside mParticle; raw outputs get them all.

    The web SDK says since 2026 on which page, and after how long there (its pull requests 1276 and
    1306, and `active_time_on_site_ms` beside them).
    """

    custom_flags: Detail = None
    page_url: Detail = None
    active_time_on_site_ms: Amount = None
    total_time_on_site_ms: Amount = None


# What every event may have and records do not hold.
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

    def details(self) -> dict[str, Any]:
        said = self.model_extra or {}
        own = {
            name: plain(value)
            for name, value in said.items()
            if name not in LEFT_OUT and value is not None and value not in _EMPTY
        }
        return super().details() | own
