"""The events of mParticle's batch vocabulary (mParticle docs, "JSON Reference", and its schema)."""

from collections.abc import Callable
from itertools import accumulate
from random import Random
from typing import TypeAlias

from sandbox.mparticle.catalogue import event_name
from sandbox.mparticle.firehose_events import PRODUCT_ACTIONS
from sandbox.mparticle.shop import attributes, custom_name, products, promotions
from sandbox.mparticle.wire import NEVER_SENT, VALUELESS, Body, chance, int64, uuid

# An event's type, its own data, and its name at Sailthru where its kind goes there by default.
Drawn: TypeAlias = tuple[str, Body, str | None]
Draw: TypeAlias = Callable[[Random], Drawn]


def _plain(event_type: str, /, **data: object) -> Draw:
    return lambda _: (event_type, dict(data), None)


def _session_start(_: Random) -> Drawn:
    return "session_start", {}, "mp_session_start"


def _session_end(rng: Random) -> Drawn:
    return "session_end", {"session_duration_ms": rng.randrange(3_600_000)}, "mp_session_end"


def _custom_event(rng: Random) -> Drawn:
    name = custom_name(rng)
    typed: Body = {"stars": 4.5, "again": True, VALUELESS: None} if chance(rng, 0.3) else {}
    data: Body = {"event_name": name, "custom_event_type": rng.choice(("navigation", "other"))}
    data["custom_attributes"] = {**attributes(rng), **typed} if chance(rng, 0.9) else None
    if chance(rng, 0.3):
        data["custom_flags"] = {"Facebook.BrowserId": NEVER_SENT}
    return "custom_event", data, event_name(name)


def _product_part(rng: Random) -> Body:
    action = rng.choice(PRODUCT_ACTIONS)
    part: Body = {"action": action, "products": products(rng, total_name="total_product_amount")}
    if action in {"purchase", "refund"}:
        part |= {"transaction_id": uuid(rng), "total_amount": 42.5, "tax_amount": "7.08"}
    return {"product_action": part}


def _promotion_part(rng: Random) -> Body:
    action = rng.choice(("view", "click"))
    return {"promotion_action": {"action": action, "promotions": promotions(rng)}}


def _impression_part(rng: Random) -> Body:
    listed = products(rng, total_name="total_product_amount")
    part = {"product_impression_list": "Related", "products": listed}
    return {"product_impressions": [part]}


def _commerce_event(rng: Random) -> Drawn:
    makers = (_product_part, _promotion_part, _impression_part)
    count = 2 if chance(rng, 0.1) else 1
    chosen = rng.sample(makers, counts=(4, 1, 1), k=1) if count == 1 else rng.sample(makers, count)
    valueless = {VALUELESS: None} if chance(rng, 0.3) else {}
    data: Body = {"currency_code": "EUR", "custom_attributes": {**attributes(rng), **valueless}}
    for make in chosen:
        data |= make(rng)
    return "commerce_event", data, None


def _transition(rng: Random) -> Drawn:
    kinds = ("initialized", "exit", "background", "foreground")
    data = {"application_transition_type": f"application_{rng.choice(kinds)}"}
    return "application_state_transition", data, None


def _push_message(rng: Random) -> Drawn:
    data = {
        "push_message_type": rng.choice(("sent", "received", "action")),
        "network": "apn",
        "push_message_token": NEVER_SENT,
    }
    return "push_message", data, None


def _push_registration(rng: Random) -> Drawn:
    data = {"register": chance(rng, 0.8), "registration_token": f"{NEVER_SENT}-{uuid(rng)}"}
    return "push_registration", data, None


def _opt_out(rng: Random) -> Drawn:
    """Says no, or yes again, which writers may leave out."""
    return "opt_out", rng.choice(({"is_opted_out": True}, {"is_opted_out": False}, {})), None


def _profile(rng: Random) -> Drawn:
    data = {"profile_event_type": "login", "previous_mpid": int64(rng), "current_mpid": int64(rng)}
    return "profile", data, None


# Relative frequency and writer of each type. Of the last six no shape is published, the very last
# is a type of the future.
EVENTS: tuple[tuple[int, Draw], ...] = (
    (8, _session_start),
    (8, _session_end),
    (30, _custom_event),
    (12, _plain("screen_view", screen_name="Look book", activity_type="activity_started")),
    (16, _commerce_event),
    (3, _plain("crash_report", severity="fatal", message=f"No {NEVER_SENT}")),
    (2, _opt_out),
    (2, _plain("first_run")),
    (3, _push_registration),
    (4, _transition),
    (3, _push_message),
    (
        2,
        _plain(
            "network_performance",
            http_verb="GET",
            url=f"https://api.shop.example/me?token={NEVER_SENT}",
            response_code=200,
        ),
    ),
    (2, _plain("breadcrumb", label=f"Home {NEVER_SENT}", session_number=3)),
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


def draw_event(rng: Random) -> Drawn:
    return rng.choices(_DRAWS, cum_weights=_WEIGHTS)[0](rng)
