"""Attributes: their names, their values, and the order in which they change."""

from sandbox.mparticle.handwritten.case import (
    Case,
    attribute_changed,
    batch,
    batch_event_id,
    request,
)
from sandbox.mparticle.ledger import Ledger, Profile, Var
from sandbox.mparticle.wire import Body, message


def _profile(email: str, **expected: Var) -> Ledger:
    return Ledger(profiles={email: Profile(vars=expected)})


def reserved_attributes(base: int) -> Case:
    """The seven that every sample of mParticle's Firehose has."""
    added = {
        "$FirstName": "Brian",
        "$LastName": "O'Brian",
        "$Gender": "M",
        "$State": "FL",
        "$Country": "US",
        "$City": "Boca Raton",
        "$Zip": "33431",
    }
    event = {"type": "user_attribute_change", "added": added}
    ledger = _profile(
        "brian@shop.example",
        FirstName="Brian",
        LastName="O'Brian",
        Gender="M",
        State="FL",
        Country="US",
        City="Boca Raton",
        Zip="33431",
    )
    return Case([message(request(101, "brian@shop.example", base, event), 101)], ledger)


def typed_values(base: int) -> Case:
    """Batches keep types; null is a tag unless it says deleted; NULs go; digits stay text."""
    events = [
        attribute_changed("$Age", 42),
        attribute_changed("ltv", 310.5, timestamp_unixtime_ms=str(base - 50)),
        attribute_changed("newsletter", new=False),
        attribute_changed("sizes", ["M", "L"]),
        attribute_changed("favourite brands", ["Bør", "日本"]),
        attribute_changed("vip", None),
        attribute_changed("trial", None, old="yes", deleted=True),
        attribute_changed("$City", "Ly\0on"),
        attribute_changed("digits", "0042"),
    ]
    body = batch(102, "typ\0es@shop.example", base, *events) | {"mpid": "102"}
    ledger = _profile(
        "types@shop.example",
        Age=42,
        ltv=310.5,
        newsletter=False,
        sizes='["M","L"]',
        favourite_brands='["Bør","日本"]',
        vip=True,
        trial=None,
        City="Lyon",
        digits="0042",
    )
    return Case([message(body, 102)], ledger)


def shuffled_changes(base: int) -> Case:
    """The events' own times decide, and at the same time their place."""

    def change(at: int, **fields: object) -> Body:
        return {"type": "user_attribute_change", "timestamp_ms": at, **fields}

    events = [
        change(base - 10, added={"tier": "gold"}),
        change(base - 20, removed={"tier": "bronze"}),
        change(base - 5, added={"colour": "red"}),
        change(base - 30, added={"tier": "bronze"}),
        change(base - 5, added={"colour": "blue"}),
    ]
    body = request(103, "order@shop.example", base, *events)
    return Case([message(body, 103)], _profile("order@shop.example", tier="gold", colour="blue"))


def updated_and_removed(base: int) -> Case:
    """What an update lists under `removed` is the old value, not a removal."""
    event = {
        "type": "user_attribute_change",
        "added": {"tier": "gold"},
        "removed": {"tier": "silver", "trial": "yes"},
    }
    body = request(104, "updated@shop.example", base, event)
    return Case([message(body, 104)], _profile("updated@shop.example", tier="gold", trial=None))


def snapshots(base: int) -> Case:
    """Attributes of a batch count without events or from a server; else they only repeat."""
    email, event = "state@shop.example", {"event_type": "custom_event", "event_name": "restocked"}
    eventless = batch(105, email, base) | {
        "events": None,
        "user_identities": {"email": email, "customer_id": 1005},
        "user_attributes": {"tier": "silver", "vip": None},
    }
    server = batch(105, email, base + 1000, event, first=1) | {
        "source_info": {"channel": "server_to_server"},
        "user_attributes": {"tier": "gold", "vip": None},
        "deleted_user_attributes": ["trial"],
    }
    sdk = batch(105, email, base + 2000, event, first=2) | {
        "source_info": {"channel": "native"},
        "user_attributes": {"tier": "gold", "vip": None, "hearsay": "x"},
    }
    ledger = _profile(email, tier="gold", vip=True, trial=None)
    ledger.profiles[email].customer_id = "1005"
    ids = [str(batch_event_id(105, number)) for number in (1, 2)]
    ledger.profiles[email].events = {"restocked": ids}
    return Case([message(body, 105) for body in (eventless, server, sdk)], ledger)
