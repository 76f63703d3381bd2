"""A change of a user's membership of an audience: topic `audience-membership`."""

from typing import Annotated, Literal

from pydantic import Field

from models.frames import frame
from models.record import Record, Sparse


class MembershipChanged(Record):
    """A user joined or left an audience."""

    kind: Literal["membership_changed"] = "membership_changed"
    change: Literal["joined", "left"]
    audience_id: str
    audience_name: Sparse[str | None] = None
    audience_settings: Sparse[dict[str, str]] = Field(default_factory=dict)

    superseded_by = "event time"

    @property
    def subject(self) -> str:
        return self.audience_id


MEMBERSHIPS: tuple[type[MembershipChanged], ...] = (frame(MembershipChanged), MembershipChanged)
"""The types that a change of membership may have: `isinstance(record, MEMBERSHIPS)`."""


class AudienceChanged(Record):
    """An audience was connected to us, updated (name or settings), or disconnected."""

    kind: Literal["audience_changed"] = "audience_changed"
    change: Literal["connected", "updated", "disconnected"]
    audience_id: str
    audience_name: Sparse[str | None] = None
    audience_description: Sparse[str | None] = None
    audience_settings: Sparse[dict[str, str]] = Field(default_factory=dict)
    previous_settings: Sparse[dict[str, str]] = Field(default_factory=dict)


OF_AUDIENCES: tuple[type[MembershipChanged | AudienceChanged], ...] = (
    *MEMBERSHIPS,
    AudienceChanged,
)
"""The types of all that is about an audience, to be used as `MEMBERSHIPS`."""

AudienceMembership = Annotated[MembershipChanged | AudienceChanged, Field(discriminator="kind")]
