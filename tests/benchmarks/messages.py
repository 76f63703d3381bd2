"""Raw messages of about 1 KB, as mParticle's Kafka output writes them: event batches of one user.

Nothing but the number decides what is in one, so the same number is the same message.
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, TypeAlias

import orjson

from sandbox.mparticle import Message
from sandbox.mparticle.wire import int64, uuid

Event: TypeAlias = tuple[str, Mapping[str, Any]]

_USERS = 1_000
_TIME_MS = 1_767_225_600_000


def one_record(number: int) -> Message:
    """A custom event of a known user: one record on `events`."""
    rng = Random(number)
    bought = {
        "event_name": "Order Completed",
        "custom_event_type": "transaction",
        "custom_attributes": {
            "order_id": str(rng.randrange(10**9)),
            "total": 149.9,
            "items": 3,
            "express": True,
            "coupon": None,
        },
    }
    device = {
        "platform": "iOS",
        "os_version": "18.2",
        "device_model": "iPhone16,1",
        "screen_height": 2556,
        "locale_country": "US",
        "ios_advertising_id": str(uuid(rng)),
    }
    return _batch(rng, number, [("custom_event", bought)], device_info=device)


def three_records(number: int) -> Message:
    """An update and two events: one record on `user-update`, two on `events`."""
    rng = Random(number)
    changed = {"user_attribute_name": "$City", "new": "Boca Raton", "old": None, "deleted": False}
    seen = {"screen_name": "Checkout"}
    bought = {"event_name": "Order Completed", "custom_event_type": "transaction"}
    events: Sequence[Event] = [
        ("user_attribute_change", changed),
        ("screen_view", seen),
        ("custom_event", bought),
    ]
    return _batch(rng, number, events)


RECORDS = {1: one_record, 3: three_records}
"""Records a message becomes -> what writes such messages."""


def _batch(rng: Random, number: int, events: Sequence[Event], **more: Any) -> Message:
    user = rng.randrange(_USERS)
    mpid = Random(f"user {user}").getrandbits(64) - 2**63
    at = _TIME_MS + number
    session = int64(rng)
    body = {
        "schema_version": 2,
        "mpid": str(mpid),
        "message_id": uuid(rng),
        "batch_id": int64(rng),
        "environment": "production",
        "timestamp_unixtime_ms": at,
        "source_info": {"channel": "native", "partner": None},
        "user_identities": [
            {"identity_type": "email", "identity": f"user{user}@shop.example"},
            {"identity_type": "customer_id", "identity": f"c-{user}"},
        ],
        "events": [
            {
                "event_type": kind,
                "data": {
                    "event_id": int64(rng),
                    "session_id": session,
                    "timestamp_unixtime_ms": at - len(events) + place,
                    **data,
                },
            }
            for place, (kind, data) in enumerate(events)
        ],
        "user_attributes": {"$FirstName": "Brian", "$City": "Boca Raton", "tier": "gold"},
        **more,
    }
    return Message(str(mpid).encode(), orjson.dumps(body))
