"""Who a user is: e-mails that change, come late or never."""

from collections import Counter

from sandbox.mparticle.firehose import identity
from sandbox.mparticle.handwritten.case import (
    Case,
    attribute_changed,
    batch,
    batch_event_id,
    event_id,
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


def anonymous_then_known(base: int) -> Case:
    """What came before the first e-mail cannot be delivered to Sailthru."""
    email = "late@shop.example"
    browsed = {"event_type": "custom_event", "event_name": "browsed"}
    anonymous = batch(202, None, base, browsed, attribute_changed("lost", "yes"))
    nobody = {"identity_type": "email", "identity": None, "created_this_batch": False}
    known = {"identity_type": "email", "identity": email, "created_this_batch": True}
    arrival = {"event_type": "user_identity_change", "new": known, "old": nobody}
    tier = attribute_changed("tier", "new")
    welcome = batch(202, email, base + 1000, arrival, tier, browsed, first=3)
    events = {"browsed": [str(batch_event_id(202, 5))]}
    counts = Counts(no_identity=Counter(user_updates=1, events=1))
    ledger = Ledger({email: Profile(vars={"tier": "new"}, events=events)}, counts=counts)
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
