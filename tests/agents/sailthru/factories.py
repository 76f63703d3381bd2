"""Records as the router makes them, with only what a test is about to be said."""

from itertools import count
from typing import Any

from models.audience_membership import AudienceChanged, MembershipChanged
from models.event import Event
from models.record import Identity, RawPosition
from models.user_update import AttributesChanged, IdentitiesChanged
from streams.delivery.sink import Placement

NOW_MS = 1_767_225_600_000
EMAIL = "user17@shop.example"
BY_EMAIL = {"id": EMAIL, "key": "email"}
"""The user as a request names them."""
USER = Placement("-7701122334455667788", 0)
OTHER_USER = Placement("42", 0)

_numbers = count()


def identities(**values: str | None) -> tuple[Identity, ...]:
    return tuple(Identity(type=type_, value=value) for type_, value in values.items() if value)


def common(email: str | None = EMAIL, **fields: Any) -> dict[str, Any]:
    number = next(_numbers)
    raw = RawPosition(topic="mparticle-raw", partition=0, offset=number, index=0)
    return {
        "id": f"record-{number}",
        "mpid": USER.user,
        "identities": identities(email=email),
        "occurred_at_ms": NOW_MS,
        "received_at_ms": NOW_MS,
        "raw": raw,
        **fields,
    }


def attributes(
    email: str | None = EMAIL, removed: tuple[str, ...] = (), **values: Any
) -> AttributesChanged:
    return AttributesChanged(**common(email), attributes=values, removed=removed)


def moved(old: str | None, new: str) -> IdentitiesChanged:
    return IdentitiesChanged(
        **common(new), added=identities(email=new), removed=identities(email=old)
    )


def membership(
    email: str | None = EMAIL,
    *,
    joined: bool = True,
    audience: str | None = "Lapsed buyers",
    audience_id: str = "901",
) -> MembershipChanged:
    return MembershipChanged(
        **common(email),
        change="joined" if joined else "left",
        audience_id=audience_id,
        audience_name=audience,
    )


def audience(name: str | None = "Lapsed buyers", **fields: Any) -> AudienceChanged:
    given: dict[str, Any] = {"change": "connected", "audience_id": "901", **fields}
    return AudienceChanged(**common(None, mpid=None), audience_name=name, **given)


def event(name: str = "viewed_lookbook", email: str | None = EMAIL, **fields: Any) -> Event:
    given: dict[str, Any] = {"kind": "custom_event", "event_id": "e-1", **fields}
    when = {key: given.pop(key) for key in ("occurred_at_ms", "received_at_ms") if key in given}
    return Event(**common(email, **when), name=name, **given)
