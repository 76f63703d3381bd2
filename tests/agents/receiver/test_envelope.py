"""Keys of raw messages: what is about one user stands in one partition."""

from typing import Any

import orjson
import pytest

from agents.receiver.envelope import look
from agents.router.routing import route
from agents.router.settings import RouterSettings
from models.record import RawPosition
from sandbox.mparticle import generate, handwritten

NOW_MS = 1_767_225_600_000
MPID = "-7701122334455667788"
EMAIL = {"type": "email", "encoding": "raw", "value": "Lin@Shop.example"}
BATCH_EMAIL = {"identity_type": "email", "identity": "lin@shop.example"}
CUSTOMER = {"type": "customer", "encoding": "raw", "value": "C-1009"}


def key(message: object) -> bytes | None:
    return look(orjson.dumps(message)).key


def memberships(*profiles: dict[str, Any]) -> dict[str, Any]:
    return {"type": "audience_membership_change_request", "user_profiles": [*profiles]}


BY_MPID: dict[str, Any] = {
    "text": {"mpid": MPID, "events": []},
    "a number": {"mpid": int(MPID), "events": []},
    "a firehose request": {"type": "event_processing_request", "mpid": MPID},
    "with identities": {"mpid": MPID, "user_identities": [BATCH_EMAIL]},
    "one profile": memberships({"mpid": MPID}),
    "one user in several profiles": memberships({"mpid": MPID}, {"mpid": int(MPID)}),
    "a list of one user's": [{"mpid": MPID, "events": []}, {"mpid": MPID, "events": []}],
}
BY_EMAIL: dict[str, Any] = {
    "a batch": {"user_identities": [BATCH_EMAIL]},
    "a batch coming in": {"user_identities": {"email": "LIN@shop.example"}},
    "a firehose request": {"type": "event_processing_request", "user_identities": [EMAIL]},
    "a profile": memberships({"user_identities": [EMAIL]}),
    "an erasure": {
        "type": "dsr_processing_request",
        "subject_identities": {"email": {"value": "lin@shop.example", "encoding": "raw"}},
    },
    "of nobody yet": {"mpid": "0", "user_identities": [EMAIL]},
    "with a stamp": {"user_identities": [EMAIL], "mp_deviceid": "D-1"},
}
NOBODYS: dict[str, Any] = {
    "several users": memberships({"mpid": "1"}, {"mpid": "2"}),
    "a user and nobody": memberships({"mpid": "1"}, {}),
    "a list of two users'": [{"mpid": "1"}, {"mpid": "2"}],
    "no profile": {"type": "audience_membership_change_request"},
    "a handshake": {"type": "module_registration_request"},
    "broken identities": {"user_identities": [7, {"type": 1, "value": "x"}], "mp_deviceid": 5},
    "an mpid with lost digits": {"mpid": 7.7e18},
    "an mpid that is nobody's yet": {"mpid": 0, "events": []},
    "the same as text, of several": [{"mpid": "0", "events": []}, {"mpid": "0", "events": []}],
    "an mpid beyond reason": {"mpid": "7" * 10_000},
    "lists within a list": [[{"mpid": "1"}]],
    "profiles that are none": memberships(),
    "text": "mpid",
    "nothing": None,
}


@pytest.mark.parametrize("name", BY_MPID)
def test_the_mpid_is_the_key_as_text(name: str) -> None:
    assert key(BY_MPID[name]) == MPID.encode()


@pytest.mark.parametrize("name", BY_EMAIL)
def test_a_user_is_one_in_every_vocabulary(name: str) -> None:
    known = key(BY_EMAIL["a batch"])
    assert known is not None
    assert key(BY_EMAIL[name]) == known


def test_the_customer_id_goes_before_the_address() -> None:
    both = key({"user_identities": [EMAIL, CUSTOMER]})
    assert both == key({"user_identities": [CUSTOMER]}) != key({"user_identities": [EMAIL]})


@pytest.mark.parametrize("audience_id", [901, "901"])
def test_an_audience_is_keyed_by_its_id(audience_id: object) -> None:
    message = {"type": "audience_subscription_request", "audience_id": audience_id}
    assert key(message) == b"901"


@pytest.mark.parametrize("name", NOBODYS)
def test_what_is_about_nobody_or_several_has_no_key(name: str) -> None:
    assert key(NOBODYS[name]) is None


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"mpid": NaN}', b"[" * 5_000])
def test_what_is_no_message_has_no_key(body: bytes) -> None:
    assert look(body).key is None


def test_what_only_the_routers_parser_reads_has_the_same_key() -> None:
    half_a_pair = b'{"mpid": "-7701122334455667788", "events": [{"event_type": "\\ud800"}]}'
    assert look(half_a_pair).key == MPID.encode()


def test_escaped_and_plain_characters_are_one_user() -> None:
    plain, escaped = (
        '"n\N{LATIN SMALL LETTER E WITH ACUTE}@shop.example"',
        b'"n\\u00e9@shop.example"',
    )
    bodies = (b'{"user_identities": {"email": %s}}' % each for each in (plain.encode(), escaped))
    one, other = (look(body).key for body in bodies)
    assert one == other is not None


def test_the_key_is_that_of_the_records_that_the_router_makes() -> None:
    by_hand, _ = handwritten(NOW_MS)
    compared = 0
    for number, message in enumerate([*generate(3, 50, 800, NOW_MS), *by_hand]):
        known = look(message.value).key
        at = RawPosition(topic="mparticle-raw", partition=0, offset=number, index=0)
        routed = route(message.value, at, NOW_MS, RouterSettings())
        # A request of a subject has no order to keep: their extensions are not read for the key.
        keys = {out.key for out in routed.outs if out.kind != "data_subject_request"}
        if known is not None and keys and any(out.record.mpid for out in routed.outs if out.record):
            assert keys == {known}
            compared += 1
    assert compared > 500
