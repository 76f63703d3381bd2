"""Who a user is: e-mails that change, come late or never."""

import hashlib
from collections import Counter

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
from sandbox.mparticle.ledger import Counts, Ledger, Profile
from sandbox.mparticle.wire import message


def changed_email(base: int) -> Case:
    """Everything known under the old address is known under the new one."""
    old, new = "Lin.Old@Shop.example", "lin@shop.example"
    before = batch(201, old, base, attribute_changed("tier", "silver"), attribute_changed("x", 1))
    change = {
        "type": "user_identity_change",
        # Reading the first identity of each list alone would take the customer id for the e-mail.
        "added": [identity("customer", "C-201"), identity("email", new)],
        "removed": [identity("email", old)],
    }
    viewed = {"type": "custom_event", "name": "viewed_lookbook"}
    after = request(201, new, base + 1000, change, viewed)
    after["user_identities"].append(identity("customer", "C-201"))
    last = {"type": "user_attribute_change", "added": {"tier": "gold"}}
    later = request(201, new, base + 2000, last, first=3)
    profile = Profile(
        vars={"tier": "gold", "x": 1},
        events={"viewed_lookbook": [event_id(201, 2)]},
        customer_id="C-201",
        former=["lin.old@shop.example"],
    )
    messages = [message(body, 201) for body in (before, after, later)]
    return Case(messages, Ledger(profiles={new: profile}))


def changed_by_two_events(base: int) -> Case:
    """The address before is removed by one event, and the new one added by the next."""
    old, new = "two.old@shop.example", "two@shop.example"
    before = batch(205, old, base, attribute_changed("tier", "silver"))
    removed = {"type": "user_identity_change", "removed": [identity("email", old)]}
    added = {"type": "user_identity_change", "added": [identity("email", new)]}
    last = {"type": "user_attribute_change", "added": {"topic": "hats"}}
    after = request(205, new, base + 1000, removed, added, last)
    profile = Profile(vars={"tier": "silver", "topic": "hats"}, former=[old])
    return Case([message(before, 205), message(after, 205)], Ledger(profiles={new: profile}))


def changed_by_a_digest(base: int) -> Case:
    """Of the address before only a digest is told: it is the one under which the user was known."""
    old, new = "digest.old@shop.example", "digest@shop.example"
    before = batch(207, old, base, attribute_changed("tier", "silver"))
    digest = identity("email", hashlib.sha256(old.encode()).hexdigest(), "sha256")
    change = {
        "type": "user_identity_change",
        "added": [identity("email", new)],
        "removed": [digest],
    }
    after = request(207, new, base + 1000, change)
    profile = Profile(vars={"tier": "silver"}, former=[old])
    return Case([message(before, 207), message(after, 207)], Ledger(profiles={new: profile}))


def user_zero(base: int) -> Case:
    """SDKs say 0 for "no user yet", as a number and as text: two people, and no visitor."""
    emails = ("ina@shop.example", "ivo@shop.example")
    seen = {"event_type": "custom_event", "event_name": "opened_app"}
    batches = [
        batch(0, email, base + number, seen, first=number) | {"user_attributes": {"n": number}}
        for number, email in enumerate(emails, 1)
    ]
    batches[1]["mpid"] = "0"
    entry = {"audience_id": 9001, "audience_name": "Hand picked buyers", "action": "add"}
    joined = {"mpid": "0", "user_identities": [identity("email", emails[0])], "audiences": [entry]}
    told = firehose("audience_membership_change_request", base + 100, user_profiles=[joined])
    profiles = {
        email: Profile(vars={"n": number}, events={"opened_app": [str(batch_event_id(0, number))]})
        for number, email in enumerate(emails, 1)
    }
    profiles[emails[0]].lists = ["Hand picked buyers"]
    messages = [message(body, 0) for body in (*batches, told)]
    ledger = Ledger(profiles=profiles, counts=Counts(ab_tasty_no_identity=1))
    return Case(messages, ledger)


def hash_without_encoding(base: int) -> Case:
    """A digest is no address, whether or not it says what it is."""
    offer = {"type": "custom_event", "name": "saw_offer"}
    body = request(206, None, base, offer)
    body["user_identities"] = [{"type": "email", "value": "c0ffee00" * 8}]
    return Case([message(body, 206)], Ledger(counts=Counts(no_identity=Counter(events=1))))


def anonymous_then_known(base: int) -> Case:
    """Events before the first e-mail are lost, attributes are not: all come in the next message.

    mParticle's reference partner sends all attributes as soon as a user can be known by something
    (`mParticle/firehose-iterable`, `IterableExtension.java`).
    """
    email = "late@shop.example"
    browsed = {"event_type": "custom_event", "event_name": "browsed"}
    anonymous = batch(202, None, base, browsed, attribute_changed("topic", "shoes"))
    anonymous["user_attributes"] = {"topic": "shoes"}
    nobody = {"identity_type": "email", "identity": None, "created_this_batch": False}
    known = {"identity_type": "email", "identity": email, "created_this_batch": True}
    arrival = {"event_type": "user_identity_change", "new": known, "old": nobody}
    tier = attribute_changed("tier", "new")
    welcome = batch(202, email, base + 1000, arrival, tier, browsed, first=3)
    welcome["user_attributes"] = {"topic": "shoes", "tier": "new"}
    events = {"browsed": [str(batch_event_id(202, 5))]}
    counts = Counts(no_identity=Counter(user_updates=1, events=1))
    ledger = Ledger(
        {email: Profile(vars={"topic": "shoes", "tier": "new"}, events=events)}, counts=counts
    )
    return Case([message(body, 202) for body in (anonymous, welcome)], ledger)


def never_an_email(base: int) -> Case:
    """A digest of an e-mail is none."""
    body = request(203, None, base, {"type": "session_start"}, {"type": "screen_view"})
    body["user_identities"] = [identity("email", "c0ffee00" * 8, "sha256"), identity("other", "7")]
    return Case([message(body, 203)], Ledger(counts=Counts(no_identity=Counter(events=1))))


def without_mpid(base: int) -> Case:
    """A partner that may not see the mpid: the e-mail is all there is."""
    email, added = "nompid@shop.example", {"tier": "gold"}
    body = request(204, email, base, {"type": "user_attribute_change", "added": added})
    del body["mpid"]
    return Case([message(body)], Ledger(profiles={email: Profile(vars={"tier": "gold"})}))
