"""Invented messages as a developer's devices would send them, for trying real accounts.

mParticle names the environment in batches (JSON Reference, `environment`) and flags debug builds in
event requests of the Firehose (mparticle-firehose-java-sdk, `RuntimeEnvironment`). What it says of
audiences, their members and data-subject requests is of no environment, and taken for production.
"""

from typing import Any

import orjson

from sandbox.mparticle.wire import Message

_ALWAYS_PRODUCTION = frozenset(
    {
        "audience_subscription_request",
        "audience_membership_change_request",
        "dsr_processing_request",
    }
)


def as_development(message: Message) -> Message | None:
    """Returns the message of a developer's device; None where there can be none."""
    try:
        body = orjson.loads(message.value)
    except orjson.JSONDecodeError:
        return message  # nobody can read it
    if not isinstance(body, dict):
        return message
    kind = body.get("type")
    if "subject_request_id" in body or (isinstance(kind, str) and kind in _ALWAYS_PRODUCTION):
        return None
    return message._replace(value=orjson.dumps({**body, **_marked(body)}))


def _marked(body: dict[str, Any]) -> dict[str, Any]:
    if "type" not in body:
        return {"environment": "development"}
    if body["type"] != "event_processing_request":
        return {}
    runtime = body.get("runtime_environment")
    known = runtime if isinstance(runtime, dict) else {}
    return {"runtime_environment": {**known, "is_debug": True}}
