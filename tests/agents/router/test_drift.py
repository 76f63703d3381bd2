"""What mParticle sends and no model knows: counted by name, told once, and never too many."""

from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from agents.router.drift import Drift
from agents.router.routed import Stranger
from models.dead_letter import DeadLetter
from streams import metrics
from tests.agents.router.routing import routed


def _new_field() -> Stranger:
    """One that no other test counts."""
    return Stranger("field", f"event_batch.field_{uuid4().hex}")


def _counted(stranger: Stranger) -> float:
    labels = {"what": stranger.what, "name": stranger.name}
    return metrics.REGISTRY.get_sample_value("mparticle_streams_drift_total", labels) or 0.0


def test_a_stranger_is_counted_each_time_and_told_in_the_log_once() -> None:
    field = _new_field()
    drift = Drift()
    with capture_logs() as told:
        drift.count([field, field])
        drift.count([field])
    assert _counted(field) == 3
    assert told == [
        {
            "event": "unknown_to_us",
            "log_level": "warning",
            "what": "field",
            "name": field.name,
        }
    ]


def test_too_many_different_strangers_are_counted_together() -> None:
    fields = [_new_field() for _ in range(5)]
    other = Stranger("field", "other")
    before = _counted(other)
    with capture_logs() as told:
        Drift(most=2).count([*fields, *fields])
    assert [_counted(field) for field in fields] == [2, 2, 0, 0, 0]
    assert _counted(other) - before == 6
    assert len(told) == 2


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("colour", "colour"),
        ("Colour_2", "Colour_2"),
        ("x" * 64, "x" * 64),
        ("x" * 65, "other"),
        ("lin@shop.example", "other"),
        ("Lin Doe", "other"),
        ("4411", "other"),
        ("", "other"),
    ],
)
def test_only_a_plain_name_is_told(name: str, told: str) -> None:
    assert routed({"events": [], name: "a"}).strangers == [("field", f"event_batch.{told}")]
    event = {"event_type": name or " ", "data": {}}
    assert routed({"events": [event]}).strangers == [("event", told)]
    assert routed({"type": name}).strangers == [("message", told)]


def test_a_stranger_never_tells_a_value() -> None:
    message = {"events": [], "unheard_of": {"email": "lin@shop.example"}, "mpid": 1, "x": "Lin"}
    strangers = routed(message).strangers
    assert strangers == [("field", "event_batch.unheard_of"), ("field", "event_batch.x")]


def test_a_dead_letter_keeps_the_fields_that_nobody_knows() -> None:
    [letter] = routed({"events": [{"unheard_of": 1}], "too": 2}).dead_letters
    assert isinstance(letter, DeadLetter)
    assert b"unheard_of" in letter.value
    assert b"too" in letter.value
