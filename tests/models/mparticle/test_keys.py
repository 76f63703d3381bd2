"""Keys: one user's records share one, as far as they can be known to be one user's."""

from typing import Any

import pytest

from models.audience import Audience
from models.audience_membership import MembershipChanged
from models.event import Event
from models.mparticle.keys import key_of_nobody, key_of_somebody
from models.record import Identity
from tests.agents.router.routing import AT

_EMAIL = Identity(type="email", value="Lin@Shop.example")
_HASHED = Identity(type="email", value="c0ffee", encoding="sha256")
_CUSTOMER = Identity(type="customer_id", value="C-1009")
_FACEBOOK = Identity(type="facebook", value="f")


def key(fields: dict[str, Any]) -> bytes:
    return key_of_somebody(fields) or key_of_nobody(fields, fields["id"])


def _event(*identities: Identity, **fields: Any) -> dict[str, Any]:
    fixed = {"id": "r-1", "received_at_ms": 1, "raw": AT, "kind": "custom_event", "name": "n"}
    return Event(**fixed | {"identities": identities} | fields).model_dump()


def _membership(**fields: Any) -> dict[str, Any]:
    fixed = {"id": "r-1", "received_at_ms": 1, "raw": AT, "change": "joined", "audience_id": "901"}
    return MembershipChanged(**fixed | fields).model_dump()


def test_mpid_is_the_key_as_text() -> None:
    assert key(_event(_CUSTOMER, mpid="-7701122334455667788")) == b"-7701122334455667788"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (_event(_EMAIL, _CUSTOMER), _event(_CUSTOMER, device_stamp="d-1")),
        (
            _event(_EMAIL, device_stamp="d-1"),
            _event(Identity(type="email", value="lin@shop.example")),
        ),
        (_event(_FACEBOOK, device_stamp="3FB4"), _event(device_stamp="3fb4")),
        (_event(_HASHED), _membership(identities=(_HASHED,))),
        (_event(_FACEBOOK), _event()),
    ],
)
def test_same_user_has_the_same_key(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert key(one) == key(other)


def test_different_ways_to_know_a_user_never_share_a_key() -> None:
    same = "x@shop.example"
    keys = {
        key(_event(Identity(type="customer_id", value=same))),
        key(_event(Identity(type="email", value=same))),
        key(_event(device_stamp=same)),
        key(_event(id=same)),
    }
    assert len(keys) == 4


def test_key_tells_no_personal_data() -> None:
    assert b"lin" not in key(_event(_EMAIL)).lower()


def test_audience_without_a_user_is_keyed_by_its_id() -> None:
    audience = Audience(id="r-2", received_at_ms=1, raw=AT, audience_id="901", state="connected")
    assert key(audience.model_dump()) == key(_membership()) == b"901"


def test_unknown_user_is_keyed_by_the_record() -> None:
    assert key(_event(id="r-1")) != key(_event(id="r-2"))
