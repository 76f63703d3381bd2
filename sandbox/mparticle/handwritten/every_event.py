"""One event of every type that either vocabulary has, and one of a type nobody knows."""

from collections.abc import Iterable

from sandbox.mparticle.firehose import identity
from sandbox.mparticle.handwritten.case import (
    Case,
    attribute_changed,
    batch,
    event_id,
    request,
)
from sandbox.mparticle.ledger import Ledger, Profile
from sandbox.mparticle.wire import NEVER_SENT, Body, message

_SCARF: Body = {"id": "SKU-1", "name": "Scarf", "price": 42.5, "quantity": 1}
_SALE: Body = {"id": "P-7", "name": "Sale", "position": "top"}

# The event, and its name at Sailthru where its kind goes there by default.
FIREHOSE: tuple[tuple[str | None, Body], ...] = (
    ("mp_session_start", {"type": "session_start", "session_id": -55}),
    ("viewed_lookbook", {"type": "custom_event", "name": "viewed_lookbook"}),
    ("custom_open", {"type": "custom_event", "name": "open", "attributes": {"door": "2"}}),
    (None, {"type": "screen_view", "screen_name": "Home"}),
    (None, {"type": "error", "message": "Out of stock", "is_crash": True}),
    (
        None,
        {"type": "privacy_setting_change", "setting": "app_data_collection"},
    ),
    (None, {"type": "push_subscription", "action": "subscribe", "token": NEVER_SENT}),
    (None, {"type": "push_message_receipt", "payload": '{"alert": "Sale"}'}),
    (None, {"type": "push_message_open", "payload": '{"alert": "Sale"}'}),
    (
        None,
        {"type": "application_state_transition", "application_state": "install"},
    ),
    (None, {"type": "product_action", "action": "add_to_cart", "products": [_SCARF]}),
    (None, {"type": "product_action", "action": "click", "products": [_SCARF]}),
    (None, {"type": "product_action", "action": "purchase", "total_amount": ""}),
    (None, {"type": "product_action", "action": "remove_from_wish_list"}),
    (None, {"type": "promotion_action", "action": "view", "promotions": [_SALE]}),
    (None, {"type": "promotion_action", "action": "click", "promotions": [_SALE]}),
    (
        None,
        {"type": "impression", "impressions": [{"impression_list_name": "New", "products": []}]},
    ),
    (None, {"type": "attribution", "name": "re-engagement", "publisher_name": "Ads"}),
    (None, {"type": "moon_landed"}),
    ("mp_session_end", {"type": "session_end", "session_id": -55, "session_length_ms": 4000}),
)

# The same with an event's data beside its type.
BATCH: tuple[tuple[str | None, Body], ...] = (
    ("mp_session_start", {"event_type": "session_start", "session_id": "-55"}),
    ("viewed_lookbook", {"event_type": "custom_event", "event_name": "viewed_lookbook"}),
    ("custom_send", {"event_type": "custom_event", "event_name": "send"}),
    (None, {"event_type": "screen_view", "screen_name": "Home"}),
    (None, {"event_type": "crash_report", "severity": "fatal", "message": "Out of stock"}),
    (None, {"event_type": "opt_out", "is_opted_out": True}),
    (None, {"event_type": "first_run"}),
    (None, {"event_type": "pre_attribution"}),
    (
        None,
        {"event_type": "push_registration", "register": True, "registration_token": NEVER_SENT},
    ),
    (
        None,
        {
            "event_type": "application_state_transition",
            "application_transition_type": "application_initialized",
            "is_first_run": True,
        },
    ),
    (None, {"event_type": "push_message", "push_message_type": "received"}),
    (
        None,
        {
            "event_type": "network_performance",
            "url": f"https://api.shop.example/me?token={NEVER_SENT}",
            "response_code": "200",
        },
    ),
    (None, {"event_type": "breadcrumb", "label": "Home"}),
    (None, {"event_type": "profile", "profile_event_type": "login", "previous_mpid": -1}),
    (None, {"event_type": "push_reaction"}),
    (None, {"event_type": "uninstall"}),
    (None, {"event_type": "validation_result"}),
    (None, {"event_type": "unknown"}),
    (None, {"event_type": "moon_landed"}),
    (
        None,
        {
            "event_type": "commerce_event",
            "product_action": {"action": "purchase", "products": [_SCARF], "tax_amount": "7.08"},
            "promotion_action": {"action": "view", "promotions": [_SALE]},
            "product_impressions": [{"product_impression_list": "New", "products": [_SCARF]}],
        },
    ),
    ("mp_session_end", {"event_type": "session_end", "session_duration_ms": 4000}),
)


def firehose_events(base: int) -> Case:
    mpid, email = -7_701_122_334_455_667_788, "ada@shop.example"
    changes: list[Body] = [
        {"type": "user_attribute_change", "added": {"tier": "gold"}},
        {"type": "user_identity_change", "added": [identity("customer", "C-1009")]},
    ]
    events = [event for _, event in FIREHOSE]
    names = [(name, event_id(mpid, number)) for number, (name, _) in enumerate(FIREHOSE, 1)]
    body = request(mpid, email, base, *events, *changes)
    body["user_attributes"] = {"tier": "gold"}
    body["user_identities"].append(identity("customer", "C-1009"))
    profile = Profile(vars={"tier": "gold"}, customer_id="C-1009", events=_grouped(names))
    return Case([message(body, mpid)], Ledger(profiles={email: profile}))


def batch_events(base: int) -> Case:
    """Event ids as numbers that a double cannot hold, an e-mail in capitals."""
    mpid, email = 9_007_199_254_740_993, "Bo@Shop.example"
    ids = [-9_223_372_036_854_775_808 + number for number in range(len(BATCH))]
    events = [event | {"event_id": own} for own, (_, event) in zip(ids, BATCH, strict=True)]
    created = {"identity_type": "customer_id", "identity": "C-1010", "created_this_batch": True}
    changes: list[Body] = [
        attribute_changed("tier", "gold"),
        {"event_type": "user_identity_change", "new": created, "old": None},
    ]
    body = batch(mpid, email, base, *events, *changes)
    body["user_attributes"] = {"tier": "gold"}
    body["user_identities"].append({"identity_type": "customer_id", "identity": "C-1010"})
    names = [(name, str(own)) for own, (name, _) in zip(ids, BATCH, strict=True)]
    profile = Profile(vars={"tier": "gold"}, customer_id="C-1010", events=_grouped(names))
    return Case([message(body, mpid)], Ledger(profiles={email.lower(): profile}))


def _grouped(named: Iterable[tuple[str | None, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, own in named:
        if name is not None:
            grouped.setdefault(name, []).append(own)
    return grouped
