"""No record that the router makes is too much for a destination."""

from collections import defaultdict
from itertools import chain

import orjson
import pytest

from agents.router.routing import Out, route
from agents.router.settings import RouterSettings
from models.audience import Audience
from models.record import RawPosition, Record
from sandbox.mparticle import generate, handwritten
from streams.delivery.sink import LaneKey, Learns, placement
from streams.outcomes import Dropped, Rejected
from tests.contracts.scenario import Subject, explaining, subjects

NOW_MS = 1_767_225_600_000


@pytest.fixture(scope="module")
def outs() -> list[Out]:
    """What the router makes of generated traffic, and of a message of every kind by hand."""
    by_hand, _ = handwritten(NOW_MS)
    found = []
    for offset, message in enumerate(chain(generate(5, 40, 400, NOW_MS), by_hand)):
        at = RawPosition(topic="mparticle-raw", partition=0, offset=offset, index=0)
        found += route(message.value, at, NOW_MS, RouterSettings()).outs
    return found


@pytest.mark.parametrize("subject", list(subjects()), ids=str)
def test_every_record_is_placed_taken_and_shown(subject: Subject, outs: list[Out]) -> None:
    sink, lanes = subject.sink(), defaultdict[LaneKey, list[Record]](list)
    learns = sink if isinstance(sink, Learns) else None
    for record in (out.record for out in outs):
        if learns and isinstance(record, Audience):
            learns.learn(record)
    ours = [out for out in outs if out.topic in sink.topics]
    for out in ours:
        at = placement(out.record, out.key, 0)
        place = sink.place(out.record, at, NOW_MS)
        assert place == sink.place(out.record, at, NOW_MS)
        if isinstance(place, LaneKey):
            lanes[place].append(out.record)
        else:
            assert isinstance(place, Dropped | Rejected)
    assert {lane.endpoint for lane in lanes} <= sink.limits.keys()
    # Most users are unknown, and most kinds of events are not sent.
    assert sum(map(len, lanes.values())) > len(ours) / 10
    for lane, waiting in lanes.items():
        while waiting:
            batch = sink.fold(lane, waiting)
            assert 1 <= batch.size <= len(waiting)
            assert orjson.dumps(explaining(sink).describe(batch.request))
            del waiting[: batch.size]
    for out in ours:
        if learns and out.record.kind.encode() in learns.recalls:
            learns.recall(out.record, placement(out.record, out.key, 0))
