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
        message(
            firehose("audience_subscription_request", base + 1000 * number, **step),
            step["audience_id"],
        )
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


def name_used_again(base: int) -> Case:
    """An audience is renamed, and its old name given to another: each keeps a list of its own.

    The first of the two is one of the generated traffic's. Both audiences and the user have keys of
    one partition, of 4 as of 12: who comes first is sure.
    """
    mpid, email = 420, "regular@shop.example"
    first: Body = {"audience_id": 907, "audience_name": "v2.2-test"}
    second: Body = {"audience_id": 9012, "audience_name": "v2.1-test"}
    known = [identity("email", email)]
    steps: list[Body] = [{**first, "action": "update"}, {**second, "action": "add"}]
    told = [firehose("audience_subscription_request", base + 5000, **step) for step in steps]
    moves = [{**second, "action": "add"}, {**first, "action": "delete"}]
    changes = [
        _membership(base + at, mpid=mpid, user_identities=known, audiences=[move])
        for at, move in enumerate(moves, 10_000)
    ]
    profile = Profile(lists=["v2.1-test (9012)"], left=["v2.1-test"])
    ledger = Ledger(
        profiles={email: profile},
        segments={str(mpid): {"v2.1-test-9012": "true", "v2.1-test-907": "false"}},
        audiences={"9012": "v2.1-test (9012)"},
    )
    messages = [message(body, body["audience_id"]) for body in told]
    return Case([*messages, *(message(body, mpid) for body in changes)], ledger)


def without_a_name(base: int) -> Case:
    """A name of blanks is none: the one that the audience had before counts.

    It is one of the generated traffic's, and its key and the user's are of one partition, so that
    the name comes first.
    """
    mpid, email = 404, "blank@shop.example"
    known = [identity("email", email)]
    entries = [
        {"audience_id": 901, "audience_name": name, "action": "add"} for name in ("  ", None)
    ]
    changes = [
        _membership(base + at, mpid=mpid, user_identities=known, audiences=[entry])
        for at, entry in enumerate(entries, 10_000)
    ]
    ledger = Ledger(
        profiles={email: Profile(lists=["Lapsed buyers"])},
        segments={str(mpid): {"Lapsed-buyers-901": "true"}},
    )
    return Case([message(body, mpid) for body in changes], ledger)


def from_the_future(base: int) -> Case:
    """A time centuries ahead says nothing, and what is told after it came still counts."""
    mpid, email = -4_409_915_380_047_716_602, "future@shop.example"
    known = [identity("email", email)]
    # The later of the two is an hour ahead, as clocks differ: so it is surely after the first came.
    times = (7_258_118_400_000, base + 4_200_000)
    changes = [
        _membership(
            at, mpid=mpid, user_identities=known, audiences=[{**_FRIENDS, "action": action}]
        )
        for at, action in zip(times, ("add", "delete"), strict=True)
    ]
    ledger = Ledger(
        profiles={email: Profile(left=["friends"])},
        segments={str(mpid): {"friends-9002": "false"}},
    )
    return Case([message(body, mpid) for body in changes], ledger)


def _membership(at: int, **profile: object) -> Body:
    return firehose("audience_membership_change_request", at, user_profiles=[profile])
