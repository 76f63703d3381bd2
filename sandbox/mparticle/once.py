"""Messages of people who appear in one message only: without a user id yet, or in development."""

from random import Random

from sandbox.mparticle.catalogue import as_var
from sandbox.mparticle.firehose import identity, request
from sandbox.mparticle.ledger import Ledger, Told
from sandbox.mparticle.wire import Body, Message, chance, int64, message, number_or_text, uuid


def nobody(rng: Random, ledger: Ledger, number: int, time_ms: int) -> Message:
    """SDKs say 0 where there is no user id yet: it is nobody's, and many people come with it."""
    email, own = f"guest{number}@shop.example", str(int64(rng))
    tier = rng.choice(("bronze", "silver", "gold"))
    event = _event(rng, own, "Signed up", time_ms)
    body = _batch(rng, number_or_text(rng, 0), email, time_ms, event) | {
        "user_attributes": {"tier": tier}
    }
    ledger.note(email, Told(vars={"tier": as_var(tier)}, events=[("Signed up", own)]))
    return message(body, 0)


def development(rng: Random, ledger: Ledger, number: int, time_ms: int) -> Message:
    """From a developer's device: batches name their environment, the Firehose has a debug flag."""
    ledger.counts.development += 1
    mpid, email = int64(rng), f"developer{number}@shop.example"
    if chance(rng, 0.5):
        event = _event(rng, str(int64(rng)), "Tried out", time_ms)
        batch = _batch(rng, number_or_text(rng, mpid), email, time_ms, event)
        batch["environment"] = rng.choice(("development", "Development"))
        return message(batch | {"user_attributes": {"tier": "try-out account"}}, mpid)
    seen = {"type": "custom_event", "id": uuid(rng), "timestamp_ms": time_ms, "name": "Tried out"}
    body = request(rng, "event_processing_request", time_ms) | {
        "mpid": str(mpid),
        "user_identities": [identity("email", email)],
        "user_attributes": {"tier": "try-out account"},
        "runtime_environment": {"type": "ios", "is_debug": True},
        "events": [seen],
    }
    return message(body, mpid)


def _batch(rng: Random, mpid: int | str, email: str, time_ms: int, event: Body) -> Body:
    return {
        "schema_version": 2,
        "message_id": uuid(rng),
        "message_type": "events",
        "batch_id": str(int64(rng)),
        "environment": "production",
        "timestamp_unixtime_ms": time_ms,
        "mpid": mpid,
        "user_identities": [{"identity_type": "email", "identity": email}],
        "events": [event],
    }


def _event(rng: Random, own: str, name: str, time_ms: int) -> Body:
    data = {"event_id": own, "event_name": name, "custom_event_type": "other"}
    data |= {"source_message_id": uuid(rng)}
    return {"event_type": "custom_event", "data": data | {"timestamp_unixtime_ms": time_ms - 1}}
