"""What the hand-written cases are put together from."""

from typing import NamedTuple
from uuid import NAMESPACE_OID, uuid5

from sandbox.mparticle.firehose import LEAK_MARKER, identity
from sandbox.mparticle.ledger import Ledger
from sandbox.mparticle.wire import Body, Message

ACCOUNT = {"account_id": 4411, "account_settings": {"apiKey": LEAK_MARKER, "sendSms": False}}


class Case(NamedTuple):
    messages: list[Message]
    ledger: Ledger


def event_id(mpid: int, number: int) -> str:
    """The id that a user's Firehose event of this number has and no other event."""
    return f"{number:08x}-0000-4000-8000-{mpid % 2**48:012x}"


def batch_event_id(mpid: int, number: int) -> int:
    """The same for an event of a batch."""
    return mpid * 1000 + number


def firehose(message_type: str, at: int, **fields: object) -> Body:
    return {
        "type": message_type,
        "id": str(uuid5(NAMESPACE_OID, f"{message_type} {at} {fields}")),
        "timestamp_ms": at,
        "firehose_version": "3.2.0",
        "account": ACCOUNT,
        **fields,
    }


def request(mpid: int, email: str | None, at: int, *events: Body, first: int = 1) -> Body:
    """An event request whose events, numbered from `first`, rise in time unless they say else."""
    stamped = [
        {"id": event_id(mpid, number), "timestamp_ms": at - 100 + number, **event}
        for number, event in enumerate(events, first)
    ]
    known = [identity("email", email)] if email else []
    return firehose(
        "event_processing_request", at, mpid=str(mpid), user_identities=known, events=stamped
    )


def batch(mpid: int, email: str | None, at: int, *events: Body, first: int = 1) -> Body:
    """The same as a batch; each event is flat, its type beside its data."""
    wrapped = []
    for number, event in enumerate(events, first):
        data = {
            "event_id": batch_event_id(mpid, number),
            "timestamp_unixtime_ms": at - 100 + number,
        }
        data |= {name: value for name, value in event.items() if name != "event_type"}
        wrapped.append({"event_type": event["event_type"], "data": data})
    known = {"identity_type": "email", "identity": email, "timestamp_unixtime_ms": at}
    return {
        "schema_version": 2,
        "message_type": "events",
        "environment": "production",
        "timestamp_unixtime_ms": at,
        "mpid": mpid,
        "user_identities": [known] if email else [],
        "events": wrapped,
    }


def attribute_changed(name: str, new: object, **fields: object) -> Body:
    """A batch's change event with the fields it always has."""
    changed = {"user_attribute_name": name, "new": new, "old": None, "deleted": False}
    return {"event_type": "user_attribute_change", **changed, **fields}
