"""What tests write of a record is what the router writes of it."""

from itertools import chain

import orjson
import pytest

from agents.router.route_result import Out
from agents.router.routing import route
from agents.router.settings import RouterSettings
from models.record import RawPosition
from sandbox.mparticle import generate, handwritten
from streams.headers import SENT
from tests.routed import outgoing, written

NOW_MS = 1_767_225_600_000


@pytest.fixture(scope="module")
def outs() -> list[Out]:
    messages = chain(generate(7, 50, 300, NOW_MS), handwritten(NOW_MS)[0])
    return [
        out
        for offset, message in enumerate(messages)
        for out in route(
            message.value,
            RawPosition(topic="mparticle-raw", partition=1, offset=offset, index=0),
            NOW_MS,
            RouterSettings(),
        ).outs
    ]


def test_a_record_is_written_as_it_was_routed(outs: list[Out]) -> None:
    assert len({out.kind for out in outs}) > 5
    for out in outs:
        ours, routers = written(out.record), outgoing(out)
        assert (ours.topic, ours.key) == (routers.topic, routers.key)
        assert orjson.loads(ours.value) == orjson.loads(routers.value)
        # A record does not say when its message was sent.
        said, expected = ([each for each in w.headers if each[0] != SENT] for w in (ours, routers))
        assert said == expected
        assert [name for name, _ in ours.headers] == [name for name, _ in routers.headers]
