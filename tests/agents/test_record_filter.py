"""What an operator leaves out of a destination, the same at each."""

from typing import Any, Literal

import pytest

from agents import registry
from agents.ab_tasty.sink import AbTastySink
from agents.learned_names import LearnedNames
from agents.record_filter import RecordFilter, RecordFilterSettings
from agents.sailthru.sink import SailthruSink
from models.audience import Audience
from models.record import RawPosition
from streams import metrics
from streams.delivery.sink import LaneKey, Sink
from streams.outcomes import Dropped
from tests.agents.ab_tasty.factories import udc
from tests.agents.sailthru.factories import NOW_MS, USER, attributes, audience, membership
from tests.agents.sailthru.simulated import settings
from tests.contracts.scenario import learning


def about(audience_id: str, name: str) -> Audience:
    return Audience(
        id=f"about-{audience_id}",
        received_at_ms=NOW_MS,
        raw=RawPosition(topic="mparticle-raw", partition=0, offset=0, index=0),
        audience_id=audience_id,
        name=name,
        state="connected",
    )


def sinks(**changed: Any) -> list[Sink[Any]]:
    return [SailthruSink(settings(**changed)), AbTastySink(udc(**changed))]


def test_every_destination_has_the_choice() -> None:
    for destination in registry.destinations().values():
        group: type = destination.settings
        assert issubclass(group, RecordFilterSettings)


@pytest.mark.parametrize("learned", ["from the audiences", "from its own change", "recalled"])
def test_a_membership_without_a_name_is_judged_by_what_the_audience_is_called(
    learned: Literal["from the audiences", "from its own change", "recalled"],
) -> None:
    for sink in sinks(audiences_deny="test*"):
        nameless = membership(audience=None)
        match learned:
            case "from the audiences":
                learning(sink).learn(about("901", "Test buyers"))
            case "from its own change":
                changed = audience("Test buyers")
                assert sink.place(changed, USER, NOW_MS) == Dropped("audience_denied")
            case "recalled":
                learning(sink).recall(audience("Test buyers"), USER)
        assert sink.place(nameless, USER, NOW_MS) == Dropped("audience_denied")


def test_an_audience_is_judged_by_what_it_is_called_now() -> None:
    names = LearnedNames()
    choice = RecordFilter(RecordFilterSettings(audiences_allow="VIP"), names)
    names.learn(audience("VIP"))
    assert choice.reason_against(membership(audience=None)) is None
    names.learn(audience("Test", change="updated"))
    assert choice.reason_against(membership(audience=None)) == Dropped("audience_not_allowed")


def test_an_audience_that_is_left_out_takes_no_name() -> None:
    sink = SailthruSink(settings(audiences_deny="901"))
    sink.place(membership(audience="VIP", audience_id="901"), USER, NOW_MS)
    lane = sink.place(joins := membership(audience="VIP", audience_id="902"), USER, NOW_MS)
    assert isinstance(lane, LaneKey)
    assert sink.describe(sink.fold(lane, [joins]).request)["body"]["lists"] == {"VIP": 1}


def test_an_audience_that_is_left_out_is_not_named_as_one_without_members() -> None:
    metrics.AUDIENCES_WITHOUT_MEMBERS.clear()
    sink = AbTastySink(udc(audiences_deny="901"))
    for audience_id in ("901", "902"):
        sink.learn(about(audience_id, "VIP"))
    gauge = metrics.AUDIENCES_WITHOUT_MEMBERS
    named = {sample.labels["audience"] for each in gauge.collect() for sample in each.samples}
    assert named == {"902"}


def test_attributes_that_are_left_out_of_what_is_sent_are_counted() -> None:
    def counted() -> float:
        labels = {"destination": "sailthru", "reason": "attribute_denied"}
        name = "mparticle_streams_attributes_dropped_total"
        return metrics.REGISTRY.get_sample_value(name, labels) or 0.0

    before = counted()
    sink = SailthruSink(settings(attributes_deny="ssn,pin"))
    sink.place(attributes(ssn="1", pin="2", tier="gold", removed=("PIN",)), USER, NOW_MS)
    assert counted() - before == 3


@pytest.mark.parametrize("spelled", ["Workspace: 77", "WORKSPACE:7?", " workspace:77 "])
def test_an_account_is_found_however_a_person_spells_it(spelled: str) -> None:
    choice = RecordFilter(RecordFilterSettings(accounts_deny=f"4411,{spelled}"), LearnedNames())
    said = membership(audience="VIP").model_copy(update={"workspace_id": "77"})
    assert choice.reason_against(said) == Dropped("account_denied")
