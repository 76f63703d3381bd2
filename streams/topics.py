"""Every topic, in the order data meets them."""

from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from models.accepted_audience import AcceptedAudience
from models.audience import Audience
from models.audience_membership import AudienceMembership
from models.dead_letter import DeadLetter
from models.event import Event
from models.list_state import ListState
from models.owned_name import OwnedName
from models.privacy_request import PrivacyRequest
from models.rate_demand import RateDemand
from models.user_update import UserUpdate


@dataclass(frozen=True)
class Topic:
    """One topic: its name without prefix, what it holds, and whether Kafka compacts it.

    `kept_ms` is how long its records mean anything, where that is not the operator's to say.
    """

    name: str
    holds: TypeAdapter[Any]
    compacted: bool = False
    kept_ms: int | None = None


RAW = Topic("mparticle-raw", TypeAdapter(bytes))

# Equal partition counts: partition i of all three is one worker's, so that order can be kept
# across them.
USER_UPDATE = Topic("user-update", TypeAdapter(UserUpdate))
EVENTS = Topic("events", TypeAdapter(Event))
AUDIENCE_MEMBERSHIP = Topic("audience-membership", TypeAdapter(AudienceMembership))

AUDIENCES = Topic("audiences", TypeAdapter(Audience), compacted=True)
PRIVACY_REQUESTS = Topic("privacy-requests", TypeAdapter(PrivacyRequest))
DEAD_LETTERS = Topic("dead-letters", TypeAdapter(DeadLetter))

# Audiences by their ids, and whose a name is by the name.
_AT_DESTINATION = TypeAdapter[AcceptedAudience | OwnedName](AcceptedAudience | OwnedName)
# What AB Tasty has: written and read by its sink alone.
AB_TASTY_AUDIENCES = Topic("ab-tasty-audiences", _AT_DESTINATION, compacted=True)
# Keyed by visitor and audience: when AB Tasty last took the membership, in milliseconds.
AB_TASTY_MEMBERS = Topic("ab-tasty-members", TypeAdapter(int), compacted=True)

# What each worker wants of its destination's rate limits, in partition 0: the last seconds count.
RATE_LIMITS = Topic("rate-limits", TypeAdapter(RateDemand), kept_ms=3_600_000)

# Keyed by a list's name. Partition i tells the worker that has partition i of the others what lists
# it is to make.
SAILTHRU_LISTS = Topic("sailthru-lists", TypeAdapter(ListState), compacted=True)
# By what names its lists are called.
SAILTHRU_AUDIENCES = Topic("sailthru-audiences", _AT_DESTINATION, compacted=True)

BY_USER = (USER_UPDATE, EVENTS, AUDIENCE_MEMBERSHIP)
# Partition i of each belongs to the worker that has partition i of the others.
TOGETHER = (*BY_USER, AB_TASTY_MEMBERS, SAILTHRU_LISTS)
ALL = (
    RAW,
    *BY_USER,
    AUDIENCES,
    PRIVACY_REQUESTS,
    DEAD_LETTERS,
    AB_TASTY_AUDIENCES,
    AB_TASTY_MEMBERS,
    SAILTHRU_LISTS,
    SAILTHRU_AUDIENCES,
    RATE_LIMITS,
)

# Raw messages of 5 MB are seen, and a dead letter holds them in base64.
MAX_MESSAGE_BYTES = 10 * 1024 * 1024
# Kafka's own frame and a record's headers come on top, in a request for one such message.
MAX_REQUEST_BYTES = MAX_MESSAGE_BYTES + 1024 * 1024
