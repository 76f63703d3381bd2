"""Event batches, as mParticle's Kafka, webhook and storage outputs write them.

mParticle docs, "JSON Reference" and `static/schema`; its schemas require nothing of a batch, nor do
we.
"""

from typing import Annotated, Any

from pydantic import Field

from models.mparticle.times import Millis
from models.mparticle.values import (
    IF_READABLE,
    Arriving,
    Attributes,
    Detail,
    Flag,
    Id,
    Kind,
    Mpid,
    Stamp,
)

BATCH_FIELDS = frozenset(
    (
        *("events", "user_attributes", "deleted_user_attributes", "system_notifications"),
        *("user_identities", "partner_identities", "consent_state", "device_info"),
        *("mp_deviceid", "batch_id", "source_request_id"),
    )
)
"""The fields by which a batch is known: what has one of them at its top, and no type, is one.

A batch need not have events, as one that only tells of its user, and its writer may leave out what
is empty.
"""


class SourceInfo(Arriving):
    """The source of a batch; a replay id marks data that is sent again."""

    channel: str | None = None
    replay_request_id: Detail = None
    replay_job_id: Detail = None
    is_historical: Flag = False


class EventBatch(Arriving):
    """Events of one user; without events a profile update."""

    events: list[Any] | None = None
    mpid: Mpid = None
    mp_deviceid: Stamp | None = None
    environment: str | None = None
    unique_id: Annotated[Stamp | None, IF_READABLE] = None
    timestamp_unixtime_ms: Millis = None
    batch_id: Id = None
    message_id: Id = None
    source_request_id: Id = None
    source_info: SourceInfo | None = None
    device_info: dict[str, Any] | None = None
    user_identities: Any = None
    partner_identities: Any = None
    user_attributes: Attributes = Field(default_factory=dict)
    deleted_user_attributes: Annotated[list[str], Field(fail_fast=True)] | None = None
    system_notifications: list[Any] | None = None


class BatchEvent(Arriving):
    event_type: Kind
    data: dict[str, Any] | None = None
