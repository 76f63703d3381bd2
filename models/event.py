"""An event, which a person caused: topic `events`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import Field

from models.record import Record, Sparse

# A kind of event that the Firehose names otherwise has the Firehose's name in records.
BATCH_KINDS: Mapping[str, str] = MappingProxyType(
    {"crash_report": "error", "push_registration": "push_subscription"}
)

# The kinds that a batch's `commerce_event` becomes: one for each part it has, or else itself.
COMMERCE_KINDS = ("product_action", "promotion_action", "impression", "commerce_event")
# Published names of events that have no published shape; nothing is known of what they say.
SHAPELESS_KINDS = ("pre_attribution", "push_reaction", "validation_result", "unknown")
# All that are published, as records have them.
KINDS = frozenset(
    {
        *COMMERCE_KINDS,
        *SHAPELESS_KINDS,
        "application_state_transition",
        "attribution",
        "breadcrumb",
        "custom_event",
        "error",
        "first_run",
        "network_performance",
        "opt_out",
        "privacy_setting_change",
        "profile",
        "push_message",
        "push_message_open",
        "push_message_receipt",
        "push_subscription",
        "screen_view",
        "session_end",
        "session_start",
        "uninstall",
    }
)


class Event(Record):
    """Anything that happened to a user, sessions included.

    `kind` is mParticle's type, one spelling for both vocabularies (`custom_event`, `session_start`,
    `screen_view`, `product_action`, ...); a type we do not know keeps its own.
    `name` is the custom event's own name, a commerce event's action, else the kind.
    `attributes` are the customer's, lists and objects as they came; `details` are the kind's own
    fields (screen name, products).
    `event_id` is mParticle's.
    """

    name: str
    event_id: Sparse[str | None] = None
    session_id: Sparse[str | None] = None
    attributes: Sparse[dict[str, Any]] = Field(default_factory=dict)
    details: Sparse[dict[str, Any]] = Field(default_factory=dict)
