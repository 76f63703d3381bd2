"""The events of mParticle's Firehose vocabulary (Firehose Java SDK 3.2, class `Event.Type`)."""

from collections.abc import Callable
from itertools import accumulate
from random import Random
from typing import TypeAlias

from sandbox.mparticle.catalogue import event_names
from sandbox.mparticle.shop import attributes, custom_name, products, promotions
from sandbox.mparticle.wire import Body, chance, uuid

# An event's own fields, and its name at Sailthru, where it is sent there.
Draw: TypeAlias = Callable[[Random], tuple[Body, tuple[str, ...]]]


def _plain(event_type: str, /, **fields: object) -> Draw:
    return lambda _: ({"type": event_type, **fields}, event_names(event_type, event_type))


def _session_end(rng: Random) -> tuple[Body, tuple[str, ...]]:
    length = rng.randrange(1_000, 3_600_000)
    body: Body = {"type": "session_end", "session_length_ms": length}
    return body, event_names("session_end", "session_end")


def _custom_event(rng: Random) -> tuple[Body, tuple[str, ...]]:
    name = custom_name(rng)
    body = {"type": "custom_event", "name": name, "attributes": attributes(rng)}
    if chance(rng, 0.7):
        body["custom_event_type"] = rng.choice(("navigation", "search", "social", "other"))
    if chance(rng, 0.2):
        body["custom_flags"] = {"Vendor.X": "1"}
    return body, event_names("custom_event", name)


def _screen_view(rng: Random) -> tuple[Body, tuple[str, ...]]:
    screen = rng.choice(("Home", "Basket", "Look book"))
    return {"type": "screen_view", "screen_name": screen, "attributes": attributes(rng)}, ()


def _push_subscription(rng: Random) -> tuple[Body, tuple[str, ...]]:
    action = rng.choice(("subscribe", "unsubscribe"))
    return {"type": "push_subscription", "action": action, "token": uuid(rng)}, ()


def _transition(rng: Random) -> tuple[Body, tuple[str, ...]]:
    states = ("install", "upgrade", "initialize", "exit", "background", "foreground")
    body = {"type": "application_state_transition", "application_state": rng.choice(states)}
    return body, ()


PRODUCT_ACTIONS = (
    "add_to_cart",
    "remove_from_cart",
    "checkout",
    "checkout_option",
    "click",
    "view_detail",
    "purchase",
    "refund",
    "add_to_wishlist",
    "remove_from_wish_list",
)


def _product_action(rng: Random) -> tuple[Body, tuple[str, ...]]:
    action = rng.choice(PRODUCT_ACTIONS)
    body = {
        "type": "product_action",
        "action": action,
        "currency_code": "EUR",
        "total_amount": rng.randrange(10_000) / 100,
        "products": products(rng, total_name="total_amount"),
        "attributes": attributes(rng),
    }
    return body, ()


def _promotion_action(rng: Random) -> tuple[Body, tuple[str, ...]]:
    action = rng.choice(("view", "click"))
    body = {"type": "promotion_action", "action": action, "promotions": promotions(rng)}
    return body, ()


def _impression(rng: Random) -> tuple[Body, tuple[str, ...]]:
    seen = {
        "impression_list_name": "Related",
        "products": products(rng, total_name="total_amount"),
    }
    return {"type": "impression", "impressions": [seen]}, ()


# Relative frequency and writer of each type; the last one is a type of the future.
EVENTS: tuple[tuple[int, Draw], ...] = (
    (8, _plain("session_start")),
    (8, _session_end),
    (30, _custom_event),
    (14, _screen_view),
    (3, _plain("error", message="Basket is empty", is_crash=False, breadcrumbs=["Home"])),
    (2, _plain("privacy_setting_change", setting="app_data_collection", is_enabled=True)),
    (3, _push_subscription),
    (3, _plain("push_message_receipt", payload='{"aps":{"alert":"Sale"}}')),
    (3, _plain("push_message_open", payload='{"aps":{"alert":"Sale"}}')),
    (5, _transition),
    (12, _product_action),
    (4, _promotion_action),
    (4, _impression),
    (2, _plain("attribution", name="install", publisher_name="Ads", campaign_name="Spring")),
    (1, _plain("survey_answered", answer="4")),
)


_DRAWS = [draw for _, draw in EVENTS]
_WEIGHTS = list(accumulate(weight for weight, _ in EVENTS))


def draw_event(rng: Random) -> tuple[Body, tuple[str, ...]]:
    return rng.choices(_DRAWS, cum_weights=_WEIGHTS)[0](rng)
