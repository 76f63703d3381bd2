"""What is written fast is what pydantic would write."""

import pytest

from models.audience_membership import AudienceChanged
from models.event import Event
from models.record import Identity, RawPosition, Record, serialize
from models.user_update import AttributesChanged, IdentitiesChanged

_SHARED = {
    "id": "r-1",
    "received_at_ms": 1_767_225_600_000,
    "raw": RawPosition(topic="mparticle-raw", partition=0, offset=7, index=0),
}
_IDENTITIES = (Identity(type="email", value="user17@shop.example"),)


@pytest.mark.parametrize(
    "record",
    [
        Event(**_SHARED, kind="screen_view", name="screen_view"),
        Event(
            **_SHARED,
            kind="custom_event",
            name='Ünïcode \u2028 \\ "quoted" \n',
            mpid="-7803824686589314169",
            identities=_IDENTITIES,
            replayed=True,
            occurred_at_ms=0,
            attributes={"none": None, "float": 149.9, "large": 2**64 - 1, "list": [1, "a", None]},
            details={"nested": {"deeper": [{"x": 1e16}, {}]}},
        ),
        AttributesChanged(**_SHARED, attributes={"tier": ""}, removed=("old",)),
        IdentitiesChanged(**_SHARED, added=_IDENTITIES, removed=()),
        AudienceChanged(
            **_SHARED, change="updated", audience_id="901", audience_settings={"list": "VIPs"}
        ),
    ],
    ids=lambda record: type(record).__name__,
)
def test_bytes_are_those_of_the_model(record: Record) -> None:
    assert serialize(record) == record.model_dump_json().encode()
