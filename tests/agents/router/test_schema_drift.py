"""What mParticle sends and no model knows: counted by place, and never told by its name."""

import pytest
from structlog.testing import capture_logs

from agents.router.schema_drift import Drift, told_kind
from models.dead_letter import DeadLetter
from streams import metrics
from tests.agents.router.routing import routed


def _counted(what: str, name: str) -> float:
    labels = {"what": what, "name": name}
    return metrics.REGISTRY.get_sample_value("mparticle_streams_schema_drift_total", labels) or 0.0


def test_a_stranger_is_counted_each_time_and_told_in_the_log_once_by_its_place() -> None:
    fields = routed({"events": [], "jane_doe_1980": 1, "lin": 2}).strangers
    before = _counted("field", "event_batch.other")
    drift = Drift()
    with capture_logs() as told:
        drift.count(fields)
        drift.count(fields)
    assert _counted("field", "event_batch.other") - before == 4
    assert [(each["what"], each["name"]) for each in told] == [("field", "event_batch.other")]


@pytest.mark.parametrize(
    ("message", "what", "place"),
    [
        ({"type": "jane_doe_1980"}, "message", "other"),
        ({"events": [{"event_type": "jane_doe_1980", "data": {}}]}, "event", "other"),
        (
            {"type": "event_processing_request", "events": [{"type": "session_end", "jane": 1}]},
            "field",
            "event_processing_request.events.session_end.other",
        ),
    ],
)
def test_no_name_that_is_not_published_reaches_a_label_or_a_log_line(
    message: object, what: str, place: str
) -> None:
    before = _counted(what, place)
    with capture_logs() as told:
        Drift().count(routed(message).strangers)
    assert _counted(what, place) == before + 1
    assert "jane" not in str(told)
    assert "jane" not in metrics.exposition().decode()


def test_a_header_tells_published_kinds_only() -> None:
    assert told_kind("push_subscription") == "push_subscription"
    assert told_kind("membership_changed") == "membership_changed"
    assert told_kind("pre_attribution") == "pre_attribution"
    assert told_kind("jane_doe_1980") == "other"


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
