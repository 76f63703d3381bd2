"""Attributes: their names, their values, and the order in which they change."""

from sandbox.mparticle.firehose import identity
from sandbox.mparticle.handwritten.case import (
    Case,
    attribute_changed,
    batch,
    batch_event_id,
    event_id,
    firehose,
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


def odd_names(base: int) -> Case:
    """Names that Sailthru keeps, other spellings of mParticle's own, and a switch of its SDKs."""
    email = "names@shop.example"
    events = [
        attribute_changed("email", "not.the.key@shop.example"),
        attribute_changed("profile", "runner"),
        attribute_changed("$city", "Lyon"),
        attribute_changed("$FIRSTNAME", "Ada"),
        attribute_changed("$NoTargeting", new=True),
    ]
    body = batch(106, email, base, *events)
    ledger = _profile(
        email,
        mp_email="not.the.key@shop.example",
        mp_profile="runner",
        City="Lyon",
        FirstName="Ada",
    )
    return Case([message(body, 106)], ledger)


def texts_of_the_firehose(base: int) -> Case:
    """What is exactly true or false in its texts is a boolean, and stays text in a batch's.

    Numbers stay text: a zip code's first zero is a digit of it.
    """
    email, told = "texts@shop.example", {"is_vip": "false", "fan": "true", "ltv": "310.5"}
    told |= {"$Zip": "03341", "answer": "True"}
    change: Body = {"type": "user_attribute_change", "added": told}
    rated: Body = {"type": "custom_event", "name": "Rated", "attributes": {"recommend": "false"}}
    first = request(107, email, base, change, rated)
    first["user_attributes"] = told
    second = batch(107, email, base + 1000, attribute_changed("typed", "false"), first=3)
    ledger = _profile(
        email,
        is_vip=False,
        fan=True,
        ltv="310.5",
        Zip="03341",
        answer="True",
        typed="false",
    )
    ledger.profiles[email].events = {"Rated": [event_id(107, 2)]}
    return Case([message(first, 107), message(second, 107)], ledger)


def part_of_the_attributes(base: int) -> Case:
    """An audience shares some of a user's attributes; the others stay as they were."""
    email, event = "part@shop.example", {"event_type": "custom_event", "event_name": "restocked"}
    whole = {"tier": "gold", "topic": "hats"}
    first = batch(108, email, base, event) | {"user_attributes": whole}
    shared = {"key": "tier", "value": "silver", "action": "upsert"}
    entry = {
        "audience_id": 9001,
        "audience_name": "Hand picked buyers",
        "user_attributes": [shared],
    }
    profile = {
        "mpid": "108",
        "user_identities": [identity("email", email)],
        "audiences": [entry | {"action": "attribute_update"}],
    }
    update = firehose("audience_membership_change_request", base + 1000, user_profiles=[profile])
    last = batch(108, email, base + 2000, event, first=2) | {
        "user_attributes": whole | {"tier": "silver"},
        "source_info": {"channel": "partner"},
    }
    ledger = _profile(email, tier="silver", topic="hats")
    ids = [str(batch_event_id(108, number)) for number in (1, 2)]
    ledger.profiles[email].events = {"restocked": ids}
    return Case([message(body, 108) for body in (first, update, last)], ledger)


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
    """Attributes of a batch count, whoever sends it, and of a batch without events too."""
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
        "user_attributes": {"tier": "gold", "vip": None, "calculated": 3},
    }
    ledger = _profile(email, tier="gold", vip=True, trial=None, calculated=3)
    ledger.profiles[email].customer_id = "1005"
    ids = [str(batch_event_id(105, number)) for number in (1, 2)]
    ledger.profiles[email].events = {"restocked": ids}
    return Case([message(body, 105) for body in (eventless, server, sdk)], ledger)
