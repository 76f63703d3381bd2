"""Firehose messages that are about no user's events: probes, handshakes, answers, erasures."""

from random import Random

from sandbox.mparticle.firehose import envelope, identity, request
from sandbox.mparticle.wire import Body, Message, chance, int64, message, uuid

RESPONSE_TYPES = (
    "module_registration_response",
    "event_processing_response",
    "audience_subscription_response",
    "audience_membership_change_response",
    "dsr_processing_response",
)


def probe(rng: Random, time_ms: int) -> Message:
    """A request that asks for nothing; attributes would make it a profile update."""
    empty_events = request(rng, "event_processing_request", time_ms) | {"events": []}
    no_events = request(rng, "event_processing_request", time_ms)
    no_profiles = request(rng, "audience_membership_change_request", time_ms)
    return message(rng.choice((empty_events, no_events, no_profiles)))


def registration(rng: Random, time_ms: int) -> Message:
    return message(envelope(rng, "module_registration_request", time_ms))


def response(rng: Random, time_ms: int) -> Message:
    return message(envelope(rng, rng.choice(RESPONSE_TYPES), time_ms))


def privacy_request(rng: Random, number: int, time_ms: int) -> Message:
    """An erasure of somebody who appears nowhere else; published samples have both time formats."""
    value = identity("email", f"erased{number}@shop.example")
    subject: object = {"email": {"value": value["value"], "encoding": value["encoding"]}}
    extensions: Body = {}
    if chance(rng, 0.3):  # OpenDSR's own form
        subject = [
            {
                "identity_type": "email",
                "identity_value": value["value"],
                "identity_format": value["encoding"],
            }
        ]
        extensions = {"extensions": {"opendsr.mparticle.com": {"mpids": [int64(rng), int64(rng)]}}}
    body = request(rng, "dsr_processing_request", time_ms) | {
        "subject_request_id": uuid(rng),
        "subject_request_type": "erasure",
        "submitted_time": rng.choice(("2026-01-09T08:00:00Z", time_ms / 1000)),
        "subject_identities": subject,
        "api_version": "3.0",
        "regulation": rng.choice(("gdpr", "ccpa")),
    }
    return message(body | extensions)


def privacy_records(body: Body) -> int:
    """How many records of what people ask about their data a user's message becomes."""
    kinds = ("opt_out", "privacy_setting_change")
    said = [each for each in body.get("events") or () if isinstance(each, dict)]
    opt_outs = [each for each in said if each.get("event_type", each.get("type")) in kinds]
    return len(opt_outs) + len(body.get("system_notifications") or ())
