"""The events of mParticle's batch vocabulary (mParticle docs, "JSON Reference", and its schema)."""

from collections.abc import Callable
from itertools import accumulate
from random import Random
from typing import TypeAlias

from sandbox.mparticle.catalogue import event_names
from sandbox.mparticle.firehose_events import PRODUCT_ACTIONS
from sandbox.mparticle.shop import attributes, custom_name, products, promotions
from sandbox.mparticle.wire import Body, chance, int64, uuid

# An event's type, its own data, and its name at Sailthru, where it is sent there.
Draw: TypeAlias = Callable[[Random], tuple[str, Body, tuple[str, ...]]]


def _plain(event_type: str, /, **data: object) -> Draw:
    return lambda _: (event_type, dict(data), event_names(event_type, event_type))


def _session_end(rng: Random) -> tuple[str, Body, tuple[str, ...]]:
    data: Body = {"session_duration_ms": rng.randrange(3_600_000)}
    return "session_end", data, event_names("session_end", "session_end")


def _custom_event(rng: Random) -> tuple[str, Body, tuple[str, ...]]:
    name = custom_name(rng)
    typed: Body = {"stars": 4.5, "again": True, "gift": None} if chance(rng, 0.3) else {}
    data: Body = {"event_name": name, "custom_event_type": rng.choice(("navigation", "other"))}
    data["custom_attributes"] = {**attributes(rng), **typed} if chance(rng, 0.9) else None
    return "custom_event", data, event_names("custom_event", name)


def _product_part(rng: Random) -> Body:
    action = rng.choice(PRODUCT_ACTIONS)
    part: Body = {"action": action, "products": products(rng, total_name="total_product_amount")}
    if action in {"purchase", "refund"}:
        part |= {"transaction_id": uuid(rng), "total_amount": 42.5, "tax_amount": "7.08"}
    return {"product_action": part}


def _promotion_part(rng: Random) -> Body:
    part = {"action": rng.choice(("view", "click")), "promotions": promotions(rng)}
    return {"promotion_action": part}


def _impression_part(rng: Random) -> Body:
    listed = products(rng, total_name="total_product_amount")
    part = {"product_impression_list": "Related", "products": listed}
    return {"product_impressions": [part]}


def _commerce_event(rng: Random) -> tuple[str, Body, tuple[str, ...]]:
    makers = (_product_part, _promotion_part, _impression_part)
    count = 2 if chance(rng, 0.1) else 1
    chosen = rng.sample(makers, counts=(4, 1, 1), k=1) if count == 1 else rng.sample(makers, count)
    data: Body = {"currency_code": "EUR", "custom_attributes": attributes(rng)}
    for make in chosen:
        data |= make(rng)
    return "commerce_event", data, ()


def _transition(rng: Random) -> tuple[str, Body, tuple[str, ...]]:
    kinds = ("initialized", "exit", "background", "foreground")
    data = {"application_transition_type": f"application_{rng.choice(kinds)}"}
    return "application_state_transition", data, ()


def _push_message(rng: Random) -> tuple[str, Body, tuple[str, ...]]:
    data = {"push_message_type": rng.choice(("sent", "received", "action")), "network": "apn"}
    return "push_message", data, ()


def _push_registration(rng: Random) -> tuple[str, Body, tuple[str, ...]]:
    data = {"register": chance(rng, 0.8), "registration_token": uuid(rng)}
    return "push_registration", data, ()


def _profile(rng: Random) -> tuple[str, Body, tuple[str, ...]]:
    data = {"profile_event_type": "login", "previous_mpid": int64(rng), "current_mpid": int64(rng)}
    return "profile", data, ()


# Relative frequency and writer of each type. Of the last six no shape is published, the very last
# is a type of the future.
EVENTS: tuple[tuple[int, Draw], ...] = (
    (8, _plain("session_start")),
    (8, _session_end),
    (30, _custom_event),
    (12, _plain("screen_view", screen_name="Look book", activity_type="activity_started")),
    (16, _commerce_event),
    (3, _plain("crash_report", severity="fatal", message="Basket is empty")),
    (2, _plain("opt_out", is_opted_out=True)),
    (2, _plain("first_run")),
    (3, _push_registration),
    (4, _transition),
    (3, _push_message),
    (
        2,
        _plain(
            "network_performance", http_verb="GET", url="http://shop.example/", response_code=200
        ),
    ),
    (2, _plain("breadcrumb", label="Home", session_number=3)),
    (1, _profile),
    (1, _plain("uninstall")),
    (1, _plain("pre_attribution")),
    (1, _plain("push_reaction")),
    (1, _plain("validation_result")),
    (1, _plain("unknown")),
    (1, _plain("survey_answered", answer=4)),
)

_DRAWS = [draw for _, draw in EVENTS]
_WEIGHTS = list(accumulate(weight for weight, _ in EVENTS))


def draw_event(rng: Random) -> tuple[str, Body, tuple[str, ...]]:
    return rng.choices(_DRAWS, cum_weights=_WEIGHTS)[0](rng)
