"""Records as the router writes them, for tests that make them as models."""

import orjson

from agents.router.route_result import TARGETS, Head, Out
from agents.router.schema_drift import told_kind
from models.mparticle.keys import key_of_nobody, key_of_somebody
from models.record import Record
from streams import headers
from streams.headers import Raw
from streams.kafka.batch_writer import Outgoing

_OWN = {"kind", "id", "occurred_at_ms", "judged_at_ms", "raw"}
_SHARED = [name for name in Record.model_fields if name not in _OWN]


def out_of(record: Record) -> Out:
    """What the router would have made this record of; it was sent when Kafka took its message."""
    topic, _ = TARGETS[type(record)]
    own = orjson.loads(record.model_dump_json())
    shared = {name: own.pop(name) for name in _SHARED if name in own}
    raw = own.pop("raw")
    index = raw.pop("index")
    position = Raw(raw["partition"], raw["offset"], record.received_at_ms)
    begun = orjson.dumps({**shared, "raw": raw})[:-2] + b',"index":'
    head = Head(begun, record.environment, position, record.received_at_ms)
    key = key_of_somebody(shared) or key_of_nobody(own, record.id)
    return Out(topic, key, head, index, orjson.dumps(own), record.id, record.kind)


def outgoing(out: Out, epoch: int = 0) -> Outgoing:
    """What is given to Kafka of it, for the topic without a prefix."""
    marks = headers.make(out.id, told_kind(out.kind), epoch, out.origin)
    return Outgoing(out.topic.name, out.key, out.written(), marks)


def written(record: Record, epoch: int = 0) -> Outgoing:
    """What is given to Kafka of a record."""
    return outgoing(out_of(record), epoch)
