"""Makes the answers to mParticle, by what it sent.

Types, fields and statuses: `mParticle/mparticle-firehose-java-sdk` 3.2.0 (`model/Message.java` and
the classes of the responses) and mParticle docs, "Firehose Java SDK" and "Outbound Integrations".
"""

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import orjson
from aiohttp import web

_FIREHOSE_VERSION = "3.2.0"
_REGISTRATION = "module_registration_request"
_RESPONSES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "event_processing_request": {"type": "event_processing_response"},
        "audience_subscription_request": {"type": "audience_subscription_response"},
        "audience_membership_change_request": {
            "type": "audience_membership_change_response",
            "suspend_subscription": False,
        },
        "dsr_processing_request": {"type": "dsr_processing_response"},
    }
)
# Long enough for a broker to come back, short enough for mParticle's few tries.
_RETRY_AFTER_S = 5


@dataclass(frozen=True)
class Refusal:
    """One way to say no: the outcome that is counted, the status, and what to do about it."""

    outcome: str
    status: HTTPStatus
    says: str


# mParticle sends again what is answered with 408, 429, 500, 502, 503 or 504. What is answered with
# any other error is lost, so these are for what no retry can mend.
UNAUTHORIZED = Refusal(
    "unauthorized",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The header Authorization is not Token and one of RECEIVER_TOKEN.",
)
NO_ROOM = Refusal(
    "no_room", HTTPStatus.SERVICE_UNAVAILABLE, "Too many bytes are under way; send it again."
)
KAFKA_AWAY = Refusal(
    "kafka_unreachable",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Kafka has not taken it in time; send it again.",
)
KAFKA_REFUSES = Refusal(
    "kafka_write_refused", HTTPStatus.SERVICE_UNAVAILABLE, "Kafka did not take it; send it again."
)
CUT_OFF = Refusal("cut_off", HTTPStatus.SERVICE_UNAVAILABLE, "The body did not arrive whole.")
TOO_SLOW = Refusal(
    "too_slow", HTTPStatus.REQUEST_TIMEOUT, "The body did not arrive in time; send it again."
)
TOO_LARGE = Refusal(
    "too_large",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "The message is larger than the topic's max.message.bytes; raise it, and restart the receiver.",
)
ELSEWHERE = Refusal("elsewhere", HTTPStatus.NOT_FOUND, "Posts go to the path of RECEIVER_PATH.")
REFUSALS = (
    UNAUTHORIZED,
    NO_ROOM,
    KAFKA_AWAY,
    KAFKA_REFUSES,
    CUT_OFF,
    TOO_SLOW,
    TOO_LARGE,
    ELSEWHERE,
)


class RefusedError(Exception):
    """A post that is not taken."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.says)
        self.refusal = refusal


def refuse(refusal: Refusal) -> web.Response:
    retried = refusal.status is HTTPStatus.SERVICE_UNAVAILABLE
    headers = {"Retry-After": str(_RETRY_AFTER_S)} if retried else {}
    return web.Response(status=refusal.status, text=refusal.says, headers=headers)


def answer(type_: str | None, id_: str | None, module: Mapping[str, Any] | None) -> web.Response:
    """The answer to a message that Kafka has; without a body where mParticle expects none.

    `module` is what a registration is answered with.
    """
    if type_ == _REGISTRATION:
        return _register(id_, module)
    if type_ is not None and (response := _RESPONSES.get(type_)):
        return _json(id_, response)
    return web.Response(status=HTTPStatus.ACCEPTED)


def _register(id_: str | None, module: Mapping[str, Any] | None) -> web.Response:
    if module is None:
        return web.Response(
            status=HTTPStatus.NOT_IMPLEMENTED,
            text="This receiver is not told what module it is: set RECEIVER_REGISTRATION.",
        )
    return _json(id_, {**module, "type": "module_registration_response"})


def _json(id_: str | None, response: Mapping[str, Any]) -> web.Response:
    envelope = {
        # A response may have the id of its request.
        "id": id_ or str(uuid.uuid4()),
        "timestamp_ms": time.time_ns() // 1_000_000,
        "firehose_version": _FIREHOSE_VERSION,
    }
    return web.Response(
        body=orjson.dumps({**response, **envelope}), content_type="application/json"
    )
