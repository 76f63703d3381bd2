"""Messages that reach no destination: handshakes, probes, erasures, and what nobody can read."""

from collections import Counter

from sandbox.mparticle.handwritten.case import Case, batch, firehose
from sandbox.mparticle.ledger import Counts, Ledger
from sandbox.mparticle.protocol import RESPONSE_TYPES
from sandbox.mparticle.wire import Body, Message, message

UNREADABLE = (
    b"",
    b" ",
    b"null",
    b"17",
    b'"event_processing_request"',
    b"{}",
    b"not JSON",
    b'{"type":"event_processing_request","events":[',
    b'{"type":"event_processing_request","events":5}',
    b'{"type":"event_processing_request","mpid":"1","source_id":"\xff","events":[]}',
    b'{"type":"audience_membership_change_request","user_profiles":5}',
    b'{"type":"audience_subscription_request","audience_name":"no id","action":"add"}',
    b'{"type":"moon_landing_request","id":"1"}',
    b'{"type":5,"id":"1"}',
    b'{"schema_version":2,"mpid":1,"events":{"0":{}}}',
)


def dropped(base: int) -> Case:
    """Normal traffic that asks for nothing."""
    probes: list[Body] = [
        firehose("event_processing_request", base),
        firehose("event_processing_request", base, events=[]),
        firehose("event_processing_request", base, events=None),
        firehose("audience_membership_change_request", base),
        firehose("audience_membership_change_request", base, user_profiles=None),
        firehose("audience_membership_change_request", base, user_profiles=[]),
        batch(401, "idle@shop.example", base) | {"user_attributes": {}},
    ]
    responses = [firehose(name, base) for name in RESPONSE_TYPES]
    registrations = [firehose("module_registration_request", base)]
    counts = Counts(
        dropped=Counter(
            no_op=len(probes), response=len(responses), module_registration=len(registrations)
        )
    )
    messages = [message(body) for body in (*probes, *responses, *registrations)]
    return Case(messages, Ledger(counts=counts))


def erasures(base: int) -> Case:
    """Both published forms: one lacks account and all ids of its own."""
    subject = {"email": {"value": "erase.me@shop.example", "encoding": "raw"}}
    fields: Body = {
        "subject_request_id": "8c5e1a34-2222-4333-8444-555566667777",
        "subject_request_type": "erasure",
        "subject_identities": subject,
        "api_version": "3.0",
        "regulation": "gdpr",
    }
    whole = firehose(
        "dsr_processing_request", base, submitted_time="2026-01-09T08:00:00Z", **fields
    )
    bare = {"type": "dsr_processing_request", "submitted_time": base / 1000, **fields}
    counts = Counts(privacy_requests=2)
    return Case([message(whole), message(bare)], Ledger(counts=counts))


def unreadable(_: int) -> Case:
    counts = Counts(broken=len(UNREADABLE))
    return Case([Message(None, value) for value in UNREADABLE], Ledger(counts=counts))
