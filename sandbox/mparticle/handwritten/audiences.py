"""Audiences and their members, in both wire shapes."""

from collections import Counter

from sandbox.mparticle.firehose import identity
from sandbox.mparticle.handwritten.case import Case, firehose
from sandbox.mparticle.ledger import Counts, Ledger, Profile
from sandbox.mparticle.wire import Body, message

_BUYERS: Body = {"audience_id": 9001, "audience_name": "Hand picked buyers"}
_FRIENDS: Body = {"audience_id": 9002, "audience_name": "friends"}
_CLOSED: Body = {"audience_id": 9003, "audience_name": "Closed again"}
_ANCIENT: Body = {"audience_id": 9004, "audience_name": "Ancient"}
# As mParticle shares attributes; published samples have an empty object among them.
_SHARED: list[Body] = [
    {"key": "ltv", "value": "310.5", "action": "upsert"},
    {},
    {"key": "brands", "list_value": ["Aya", "Bor"], "action": "upsert"},
    {"key": "vip", "action": "upsert"},
    {"key": "trial", "action": "delete"},
]
_TIER: Body = {"key": "tier", "value": "gold", "action": "upsert"}


def connections(base: int) -> Case:
    """Connected, changed in settings, and one connected and disconnected again."""
    steps: list[Body] = [
        {**_BUYERS, "action": "add"},
        {**_FRIENDS, "action": "add", "audience_description": "Friends of the shop"},
        {**_CLOSED, "action": "add"},
        {**_ANCIENT, "action": "add"},
        {**_BUYERS, "action": "update", "audience_subscription_settings": {"listId": "78"}},
        {**_CLOSED, "action": "remove"},
    ]
    messages = [
        message(firehose("audience_subscription_request", base + 1000 * number, **step))
        for number, step in enumerate(steps)
    ]
    names = {"9001": "Hand picked buyers", "9002": "friends", "9004": "Ancient"}
    return Case(messages, Ledger(audiences=names))


def member(base: int) -> Case:
    """Joins twice and leaves; an attribute update is no membership."""
    mpid, email = -2_209_915_380_047_716_602, "member@shop.example"
    joined: list[Body] = [
        {**_BUYERS, "action": "add", "user_attributes": _SHARED},
        {**_FRIENDS, "action": "add"},
        {**_ANCIENT, "action": "attribute_update", "user_attributes": [_TIER]},
    ]
    left: list[Body] = [{**_FRIENDS, "action": "delete"}, {**_BUYERS, "action": "add"}]
    known = [identity("email", email)]
    messages = [
        message(_membership(at, mpid=mpid, user_identities=known, audiences=audiences), mpid)
        for at, audiences in ((base + 10_000, joined), (base + 11_000, left))
    ]
    profile = Profile(
        vars={
            "ltv": "310.5",
            "brands": '["Aya","Bor"]',
            "vip": True,
            "trial": None,
            "tier": "gold",
        },
        lists=["Hand picked buyers"],
        left=["friends"],
    )
    segments = {"Hand-picked-buyers-9001": "true", "friends-9002": "false"}
    return Case(messages, Ledger(profiles={email: profile}, segments={str(mpid): segments}))


def hashed_member(base: int) -> Case:
    """AB Tasty knows the mpid, Sailthru has nothing to know the user by."""
    mpid = 8_140_027_735_519_024_411
    audiences: list[Body] = [
        {**_BUYERS, "action": "add", "user_attributes": _SHARED},
        {**_FRIENDS, "action": "delete"},
    ]
    body = _membership(
        base + 10_000,
        mpid=str(mpid),
        user_identities=[identity("email", "c0ffee00" * 8, "sha256")],
        device_identities=[identity("ios_vendor_id", "3a4b5c6d-0000-4000-8000-000000000001")],
        audiences=audiences,
    )
    segments = {"Hand-picked-buyers-9001": "true", "friends-9002": "false"}
    counts = Counts(no_identity=Counter(memberships=2, user_updates=1))
    return Case([message(body, mpid)], Ledger(segments={str(mpid): segments}, counts=counts))


def legacy(base: int) -> Case:
    """Firehose SDK 1.x: no action, no mpid, no version."""
    email = "ancient@shop.example"
    body = _membership(
        base + 10_000,
        user_identities=[identity("email", email)],
        added_audiences=[_ANCIENT],
        removed_audiences=[_BUYERS],
    )
    del body["firehose_version"]
    profile = Profile(lists=["Ancient"], left=["Hand picked buyers"])
    counts = Counts(ab_tasty_no_identity=2)
    return Case([message(body)], Ledger(profiles={email: profile}, counts=counts))


def _membership(at: int, **profile: object) -> Body:
    return firehose("audience_membership_change_request", at, user_profiles=[profile])
