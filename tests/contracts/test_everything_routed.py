"""No record that the router makes is too much for a destination."""

from collections import Counter, defaultdict
from itertools import chain

import orjson
import pytest

from agents.ab_tasty.settings import AbTastySettings
from agents.ab_tasty.sink import AbTastySink
from agents.router.routing import Out, route
from agents.router.settings import RouterSettings
from models.audience import Audience
from models.audience_membership import MEMBERSHIPS
from models.record import RawPosition, Record
from sandbox.mparticle import generate, handwritten
from streams.delivery.sink import LaneKey, Learns, placement
from streams.outcomes import Dropped, Rejected
from streams.topics import PRIVACY_REQUESTS
from tests.agents.ab_tasty.factories import UDC
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


@pytest.mark.parametrize("subject", list(subjects()), ids=str)
def test_a_sink_makes_the_same_of_what_it_reads_itself(subject: Subject, outs: list[Out]) -> None:
    """What a sink reads as frames is an instance of no model, which it must nowhere ask for."""
    by_model, by_itself = subject.sink(), subject.sink()
    for sink in (by_model, by_itself):
        if isinstance(sink, Learns):
            for record in (out.record for out in outs):
                if isinstance(record, Audience):
                    sink.learn(record)
    lanes = defaultdict[LaneKey, list[tuple[Record, Record]]](list)
    for out in (out for out in outs if out.topic in by_itself.topics):
        modelled, read = out.record, by_itself.reader(out.topic)(out.written())
        at = placement(modelled, out.key, 0)
        assert placement(read, out.key, 0) == at
        place = by_model.place(modelled, at, NOW_MS)
        assert by_itself.place(read, at, NOW_MS) == place
        if isinstance(place, LaneKey):
            lanes[place].append((modelled, read))
    for lane, waiting in lanes.items():
        modelled_batch = by_model.fold(lane, [each for each, _ in waiting])
        read_batch = by_itself.fold(lane, [each for _, each in waiting])
        assert read_batch == modelled_batch


def test_what_people_ask_about_their_data_is_all_there() -> None:
    traffic = generate(5, 40, 1_000, NOW_MS)
    found = Counter[str]()
    for offset, message in enumerate(traffic):
        at = RawPosition(topic="mparticle-raw", partition=0, offset=offset, index=0)
        routed = route(message.value, at, NOW_MS, RouterSettings())
        found.update(out.kind for out in routed.outs if out.topic is PRIVACY_REQUESTS)
    assert found.total() == traffic.ledger.counts.privacy_requests
    assert set(found) == {"data_subject_request", "consent_changed", "opt_out_changed"}


def test_the_routers_memberships_are_read_as_frames(outs: list[Out]) -> None:
    sink = AbTastySink(AbTastySettings.model_validate(UDC))
    read = [
        sink.reader(out.topic)(out.written()) for out in outs if out.kind == "membership_changed"
    ]
    assert read
    assert {type(each) for each in read} == {MEMBERSHIPS[0]}
