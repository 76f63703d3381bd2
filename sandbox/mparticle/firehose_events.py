"""The events of mParticle's Firehose vocabulary (Firehose Java SDK 3.2, class `Event.Type`)."""

from collections.abc import Callable
from itertools import accumulate
from random import Random
from typing import TypeAlias

from sandbox.mparticle.catalogue import event_name
from sandbox.mparticle.shop import attributes, custom_name, products, promotions
from sandbox.mparticle.wire import NEVER_SENT, Body, chance, uuid

# An event's own fields, and its name at Sailthru where events of its kind go there by default.
Draw: TypeAlias = Callable[[Random], tuple[Body, str | None]]


def _plain(event_type: str, /, **fields: object) -> Draw:
    return lambda _: ({"type": event_type, **fields}, None)


def _session_start(_: Random) -> tuple[Body, str | None]:
    return {"type": "session_start"}, "mp_session_start"


def _session_end(rng: Random) -> tuple[Body, str | None]:
    length = rng.randrange(1_000, 3_600_000)
    return {"type": "session_end", "session_length_ms": length}, "mp_session_end"


def _custom_event(rng: Random) -> tuple[Body, str | None]:
    name = custom_name(rng)
    body = {"type": "custom_event", "name": name, "attributes": attributes(rng)}
    if chance(rng, 0.7):
        body["custom_event_type"] = rng.choice(("navigation", "search", "social", "other"))
    if chance(rng, 0.2):
        body["custom_flags"] = {"Vendor.X": "1", "Facebook.BrowserId": NEVER_SENT}
    return body, event_name(name)


def _screen_view(rng: Random) -> tuple[Body, str | None]:
    screen = rng.choice(("Home", "Basket", "Look book"))
    return {"type": "screen_view", "screen_name": screen, "attributes": attributes(rng)}, None


def _push_subscription(rng: Random) -> tuple[Body, str | None]:
    action = rng.choice(("subscribe", "unsubscribe"))
    token = f"{NEVER_SENT}-{uuid(rng)}"
    return {"type": "push_subscription", "action": action, "token": token}, None


def _transition(rng: Random) -> tuple[Body, str | None]:
    states = ("install", "upgrade", "initialize", "exit", "background", "foreground")
    return {"type": "application_state_transition", "application_state": rng.choice(states)}, None


def _privacy_setting(rng: Random) -> tuple[Body, str | None]:
    """The Firehose's opt-out: what is collected no more, or again."""
    body = {"type": "privacy_setting_change", "setting": "app_data_collection"}
    return body | {"is_enabled": chance(rng, 0.3)}, None


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


def _product_action(rng: Random) -> tuple[Body, str | None]:
    action = rng.choice(PRODUCT_ACTIONS)
    body = {
        "type": "product_action",
        "action": action,
        "currency_code": "EUR",
        "total_amount": rng.randrange(10_000) / 100,
        "products": products(rng, total_name="total_amount"),
        "attributes": attributes(rng),
    }
    return body, None


def _promotion_action(rng: Random) -> tuple[Body, str | None]:
    action = rng.choice(("view", "click"))
    return {"type": "promotion_action", "action": action, "promotions": promotions(rng)}, None


def _impression(rng: Random) -> tuple[Body, str | None]:
    seen = {
        "impression_list_name": "Related",
        "products": products(rng, total_name="total_amount"),
    }
    return {"type": "impression", "impressions": [seen]}, None


# Relative frequency and writer of each type; the last one is a type of the future.
EVENTS: tuple[tuple[int, Draw], ...] = (
    (8, _session_start),
    (8, _session_end),
    (30, _custom_event),
    (14, _screen_view),
    (3, _plain("error", message=f"No {NEVER_SENT}", is_crash=False, breadcrumbs=["Home"])),
    (2, _privacy_setting),
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


def draw_event(rng: Random) -> tuple[Body, str | None]:
    return rng.choices(_DRAWS, cum_weights=_WEIGHTS)[0](rng)
