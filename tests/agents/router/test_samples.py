"""The published payloads, where they lie."""

import pytest

from models.event import Event
from models.record import Record
from tests import samples
from tests.agents.router.routing import routed

_CONSENTS = ["privacy-requests consent_changed"] * 2
_EXPECTED = {
    "docs_azureblob_0": ["events custom_event MyTestEvent"],
    "docs_eventsapi_sample_2023": [
        "user-update identities_changed",
        "user-update attributes_changed",
        "events session_start session_start",
        "events application_state_transition application_state_transition",
        "events session_end session_end",
        "events session_start session_start",
        "events application_state_transition application_state_transition",
        "events error error",
        "events breadcrumb breadcrumb",
        "events custom_event Example custom event",
        "events screen_view screen_view",
        "events push_subscription push_subscription",
        "events network_performance network_performance",
        "events product_action purchase",
        "dropped snapshots_unchanged",
    ],
    "docs_portability_batch": [
        "events custom_event Deb GDPR Testing",
        "user-update attributes_changed",
    ],
    "rules_android-checkout": [
        "events product_action checkout",
        "user-update attributes_changed",
    ],
    "sdk-v1.11.0_EventProcessingRequest": [
        "events session_start session_start",
        "events session_end session_end",
        "events custom_event Transaction 7",
        "events error error",
        "user-update attributes_changed",
        "events promotion_action promotion_view",
        "events promotion_action promotion_click",
        "events impression impression",
        "events application_state_transition application_state_transition",
        "events product_action purchase",
        "privacy-requests consent_changed",
        "dropped snapshots_unchanged",
    ],
    "sdk-v1.8.0_AudienceMembershipChangeRequest": ["audience-membership membership_changed"] * 8,
    "sdk-v3.2.0_AudienceMembershipChangeRequest": [
        "audience-membership membership_changed",
        "user-update attributes_changed",
        "audience-membership membership_changed",
    ],
    "sdk-v3.2.0_AudienceSubscriptionRequest": [
        "audience-membership audience_changed",
        "audiences audience",
    ],
    "sdk-v3.2.0_DsrProcessingRequest": ["privacy-requests data_subject_request"],
    "sdk-v3.2.0_EventProcessingRequest_android": [
        "events custom_event customEvent",
        "events product_action add_to_cart",
        "user-update attributes_changed",
        *_CONSENTS,
    ],
    "sdk-v3.2.0_EventProcessingRequest_ios": [
        "events custom_event customEvent",
        "events product_action add_to_cart",
        "user-update attributes_changed",
        *_CONSENTS,
    ],
    "sdk-v3.2.0_EventProcessingResponse": ["dropped response"],
    "sdk-v3.2.0_ModuleRegistrationRequest": ["dropped module_registration"],
}


@samples.needed
@pytest.mark.parametrize("name", _EXPECTED)
def test_published_sample_becomes_what_it_says(name: str) -> None:
    result = routed((samples.FOLDER / f"{name}.json").read_bytes())
    told = [f"{out.topic.name} {_described(out.record)}" for out in result.outs]
    told += [f"dropped {reason}" for reason in result.dropped]
    assert told == _EXPECTED[name]
    assert result.dead_letters == []
    assert result.strangers == []


@samples.needed
def test_every_published_sample_is_expected() -> None:
    assert {path.stem for path in samples.FOLDER.glob("*.json")} == set(_EXPECTED)


def _described(record: Record) -> str:
    return f"{record.kind} {record.name}" if isinstance(record, Event) else record.kind
