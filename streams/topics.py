"""The topics that belong to no destination, in the order data meets them."""

from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from models.audience import Audience
from models.audience_membership import AudienceMembership
from models.dead_letter import DeadLetter
from models.event import Event
from models.privacy_request import PrivacyRequest
from models.rate_demand import RateDemand
from models.user_update import UserUpdate


@dataclass(frozen=True)
class Topic:
    """One topic: its name without prefix, what it holds, and whether Kafka compacts it.

    `kept_ms` is how long its records mean anything, and `partitions` how many it needs, where that
    is not the operator's to say. Of topics that are `together`, partition i belongs to the worker
    that has partition i of the others: they need equal partition counts.
    """

    name: str
    holds: TypeAdapter[Any]
    compacted: bool = False
    kept_ms: int | None = None
    together: bool = False
    partitions: int | None = None


RAW = Topic("mparticle-raw", TypeAdapter(bytes))

# One worker's, so that order can be kept across them.
USER_UPDATE = Topic("user-update", TypeAdapter(UserUpdate), together=True)
EVENTS = Topic("events", TypeAdapter(Event), together=True)
AUDIENCE_MEMBERSHIP = Topic("audience-membership", TypeAdapter(AudienceMembership), together=True)

AUDIENCES = Topic("audiences", TypeAdapter(Audience), compacted=True)
PRIVACY_REQUESTS = Topic("privacy-requests", TypeAdapter(PrivacyRequest))
DEAD_LETTERS = Topic("dead-letters", TypeAdapter(DeadLetter))

# Each worker's demand on its destination's rate limits, in one order: the last seconds count.
RATE_LIMITS = Topic("rate-limits", TypeAdapter(RateDemand), kept_ms=3_600_000, partitions=1)

BY_USER = (USER_UPDATE, EVENTS, AUDIENCE_MEMBERSHIP)
ALL = (RAW, *BY_USER, AUDIENCES, PRIVACY_REQUESTS, DEAD_LETTERS, RATE_LIMITS)

# Raw messages of 5 MB are seen, and a dead letter holds them in base64.
MAX_MESSAGE_BYTES = 10 * 1024 * 1024
# Kafka's own frame and a record's headers come on top, in a request for one such message.
MAX_REQUEST_BYTES = MAX_MESSAGE_BYTES + 1024 * 1024
