"""The generator's traffic, with a number in every message that can carry one, at a steady rate.

The number is an attribute, set before anything else that the message tells of its user. It makes
each update one of a kind, so that an oracle can say of every request what it carried.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError

from sandbox.mparticle import Ledger, Message, Shares, Traffic, duration_ms, generate
from tests.chaos.plan import Plan

TAG = "chaos"
_BATCH = "events"
# Nobody's key: several people may come with it.
_NOBODY = b"0"
# Fewer users whom Sailthru cannot know: of what is not sent nothing can be judged.
_UNKNOWN = 0.2
# More of the messages whose memberships come once only: their repeats can be told for sure.
_SHARES = Shares(membership=0.12, crowd=0.02, legacy_membership=0.01, repeat=0.02)


@dataclass
class Tagged(Iterator[Message]):
    """Messages of `source` with their numbers; the ledger knows of them in the end."""

    source: Traffic
    last: dict[str, int] = field(default_factory=dict)
    """E-mail address -> its last number."""
    _emails: dict[bytes, str] = field(default_factory=dict)
    _sent: dict[Message, Message] = field(default_factory=dict)

    def __next__(self) -> Message:
        message = next(self.source)
        if message.key is None or (body := _changing(message.value)) is None:
            return message
        if message not in self._sent:
            self._sent[message] = self._numbered(message.key, body)
        return self._sent[message]  # what is sent again is the same to the last byte

    def _numbered(self, key: bytes, body: dict[str, Any]) -> Message:
        number = len(self._sent) + 1
        if (email := _email(body)) is not None:
            user = email.encode() if key == _NOBODY else key
            self.last.pop(self._emails.get(user, ""), None)
            self._emails[user] = email
            self.last[email] = number
        body["events"].insert(0, _tag(body, number))
        return Message(key, orjson.dumps(body))

    def ledger(self) -> Ledger:
        """To be asked when all messages are there."""
        for email, number in self.last.items():
            self.source.ledger.profiles[email].vars[TAG] = str(number)
        return self.source.ledger


def tagged(plan: Plan, now_ms: int) -> Tagged:
    start_ms = now_ms - duration_ms(plan.messages)
    messages = generate(
        plan.seed, plan.users, plan.messages, start_ms, shares=_SHARES, unknown=_UNKNOWN
    )
    return Tagged(messages)


async def publish(
    bootstrap: str,
    topic: str,
    messages: Iterator[Message],
    rate: float,
    largest: int,
    stop_s: float = 5.0,
) -> int:
    """Writes `rate` messages a second, and makes up for an absence of the broker.

    Returns how many there were, once Kafka has them all.
    """
    clock = asyncio.get_running_loop().time
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, max_request_size=largest
    )
    await producer.start()
    try:
        start, count = clock(), 0
        for message in messages:
            await asyncio.sleep(start + count / rate - clock())
            await _queue(producer, topic, message)
            count += 1
        await producer.flush()
    finally:
        # It would wait for ever for a broker that does not come back, and hide why it does not.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(stop_s):
                await producer.stop()
    return count


async def _queue(producer: AIOKafkaProducer, topic: str, message: Message) -> None:
    while True:
        # Its queue is full for as long as the broker is away, and it waits 40 s at most for room.
        with contextlib.suppress(KafkaTimeoutError):
            await producer.send(topic, message.value, key=message.key)
            return


def is_development(body: Any) -> bool:
    """Whether a message is for no destination, whatever it tells."""
    if not isinstance(body, dict):
        return False
    debug = (body.get("runtime_environment") or {}).get("is_debug", False)
    return bool(debug or str(body.get("environment")).lower() == "development")


def _changing(value: bytes) -> dict[str, Any] | None:
    """The body of a message whose events may tell of changes."""
    try:
        body = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(body, dict) or not isinstance(body.get("events"), list) or not body["events"]:
        return None
    if is_development(body):
        return None
    if body.get("type") == "event_processing_request":
        return body
    from_server = (body.get("source_info") or {}).get("channel") == "server_to_server"
    return None if from_server or body.get("message_type") != _BATCH else body


def _tag(body: dict[str, Any], number: int) -> dict[str, Any]:
    if body.get("message_type") == _BATCH:
        at = min(int(event["data"]["timestamp_unixtime_ms"]) for event in body["events"]) - 1
        data: dict[str, Any] = {"user_attribute_name": TAG, "new": str(number), "old": None}
        data |= {"deleted": False, "event_id": number, "timestamp_unixtime_ms": at}
        return {"event_type": "user_attribute_change", "data": data}
    at = min(event["timestamp_ms"] for event in body["events"]) - 1
    tag = {"type": "user_attribute_change", "id": f"chaos-{number}", "timestamp_ms": at}
    return {**tag, "added": {TAG: str(number)}}


def _email(body: dict[str, Any]) -> str | None:
    written = body.get("user_identities") or []
    if isinstance(written, dict):
        found = written.get("email")
    else:
        told = {each.get("type", each.get("identity_type")): each for each in written}
        email = told.get("email", {})
        found = email.get("value", email.get("identity"))
        found = found if email.get("encoding", "raw") == "raw" else None
    return found.lower() if found and "@" in found else None
