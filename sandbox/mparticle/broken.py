"""Messages that nobody can read as a whole: each must become exactly one dead letter."""

from collections.abc import Callable
from random import Random

import orjson

from sandbox.mparticle.firehose import request
from sandbox.mparticle.wire import Body, Message, int64, uuid


def broken(rng: Random, time_ms: int) -> Message:
    """Of nobody in particular, so that it disturbs no user's order; some have a key."""
    key = rng.choice((None, str(int64(rng)).encode()))
    return Message(key, rng.choice(_WAYS)(rng, time_ms))


def _request(rng: Random, time_ms: int) -> Body:
    event = {"type": "custom_event", "id": uuid(rng), "timestamp_ms": time_ms, "name": "lost_event"}
    body = request(rng, "event_processing_request", time_ms)
    return body | {"mpid": str(int64(rng)), "events": [event]}


def _not_json(rng: Random, time_ms: int) -> bytes:
    return orjson.dumps(_request(rng, time_ms)).replace(b'"events":[', b'"events":[[')


def _invalid_utf8(rng: Random, time_ms: int) -> bytes:
    return orjson.dumps(_request(rng, time_ms)).replace(b"lost_event", b"lost\xff\xc0event")


def _truncated(rng: Random, time_ms: int) -> bytes:
    whole = orjson.dumps(_request(rng, time_ms))
    return whole[: rng.randint(1, len(whole) - 1)]


def _unknown_type(rng: Random, time_ms: int) -> bytes:
    wrong = rng.choice(("quantum_request", "EVENT PROCESSING", 5))
    return orjson.dumps(request(rng, "?", time_ms) | {"type": wrong})


def _no_known_shape(rng: Random, _: int) -> bytes:
    return rng.choice((b"17", b'"text"', b"true", b"null", b"", b"  ", b"{}", b'{"hello":1}'))


def _wrong_events(rng: Random, time_ms: int) -> bytes:
    wrong: object = rng.choice((5, "none", {"0": {}}))
    batch = {"schema_version": 2, "mpid": int64(rng), "events": wrong}
    return orjson.dumps(rng.choice((_request(rng, time_ms) | {"events": wrong}, batch)))


def _wrong_profiles(rng: Random, time_ms: int) -> bytes:
    body = request(rng, "audience_membership_change_request", time_ms)
    return orjson.dumps(body | {"user_profiles": rng.choice((5, "all"))})


def _no_audience_id(rng: Random, time_ms: int) -> bytes:
    body = request(rng, "audience_subscription_request", time_ms)
    return orjson.dumps(body | {"audience_name": "Nameless", "action": "add"})


_WAYS: tuple[Callable[[Random, int], bytes], ...] = (
    _not_json,
    _invalid_utf8,
    _truncated,
    _unknown_type,
    _no_known_shape,
    _wrong_events,
    _wrong_profiles,
    _no_audience_id,
)


def broken_firehose_event(rng: Random, time_ms: int) -> Body:
    """An event without a type, or with attributes that are not a map."""
    event: Body = {"id": uuid(rng), "timestamp_ms": time_ms, "name": "lost_event"}
    return rng.choice((event, event | {"type": "custom_event", "attributes": 5}))


def broken_batch_event(rng: Random, time_ms: int) -> Body:
    """The same in a batch."""
    data: Body = {"event_id": int64(rng), "timestamp_unixtime_ms": time_ms, "event_name": "lost"}
    wrong = data | {"custom_attributes": "none"}
    return rng.choice(({"data": data}, {"event_type": "custom_event", "data": wrong}))
