"""A message is told by what is in it: its writer leaves out what is empty."""

from typing import Any

import pytest

from tests.agents.router.routing import RECEIVED_MS, routed

_CONSENT = {
    "type": "gdpr_consent_state",
    "purpose": "marketing",
    "new_gdpr_consent_state": {"consented": False, "timestamp_unixtime_ms": RECEIVED_MS},
}
_ADDRESS = {"identity_type": "email", "identity": "lin@shop.example"}


@pytest.mark.parametrize("mpid", [{"mpid": "17"}, {}], ids=["of a user", "of nobody"])
@pytest.mark.parametrize(
    ("said", "kinds"),
    [
        ({"events": [{"event_type": "first_run", "data": {}}]}, ["first_run"]),
        ({"user_attributes": {"tier": "gold"}}, ["attributes_changed"]),
        ({"deleted_user_attributes": ["trial"]}, ["attributes_changed"]),
        ({"system_notifications": [_CONSENT]}, ["consent_changed"]),
        ({"user_identities": [_ADDRESS], "system_notifications": [_CONSENT]}, ["consent_changed"]),
        ({"user_identities": [_ADDRESS]}, []),
        ({"partner_identities": []}, []),
        ({"consent_state": {"gdpr": {"ads": {"consented": True}}}}, []),
        ({"mp_deviceid": "D-1"}, []),
        ({"device_info": {"platform": "iOS"}}, []),
        ({"batch_id": 7}, []),
        ({"source_request_id": "r-1"}, []),
    ],
    ids=lambda given: "+".join(given) or "nothing",
)
def test_a_batch_that_leaves_out_what_is_empty_is_a_batch(
    said: dict[str, Any], kinds: list[str], mpid: dict[str, str]
) -> None:
    frame = {"timestamp_unixtime_ms": RECEIVED_MS, "environment": "production", "message_id": "m"}
    result = routed({**frame, **mpid, **said})
    assert [out.kind for out in result.outs] == kinds
    assert result.dropped == ([] if kinds else ["no_op"])
    assert result.dead_letters == []


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"mpid": "17", "environment": "production"}, "unknown_message"),
        ({"type": "their_own", "events": [], "user_attributes": {"a": 1}}, "unknown_message"),
        ({"request_type": "alias", "request_id": "r", "data": {}}, "alias_request"),
        ({"MPID": 17, "AudienceName": "All", "IsMember": True}, "other_output"),
        ({"MPID": 17, "AudienceName": "All", "IsAddRequest": True}, "other_output"),
    ],
)
def test_what_has_a_type_or_nothing_of_a_batch_is_none(
    message: dict[str, Any], reason: str
) -> None:
    result = routed(message)
    assert [letter.reason for letter in result.dead_letters] == [reason]
    assert (result.outs, result.dropped) == ([], [])
