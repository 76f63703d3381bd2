"""Something bought becomes a purchase at Sailthru, once."""

from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.sailthru.purchases import UnusableError, items
from agents.sailthru.sink import SailthruSink
from sandbox.faults import Answer, EffectWithoutAnswer, Hang
from streams.delivery.sink import LaneKey
from streams.outcomes import Delivered, Dropped, Rejected, Transient
from tests.agents.sailthru.factories import EMAIL, NOW_MS, USER, event, moved
from tests.agents.sailthru.simulated import Simulated, deliver, settings

SHOP = "https://shop.example/p/{id}"
CAP = {"id": "P 1", "name": "Cap", "price": 12.5, "quantity": 2}
NEW = "user17.new@shop.example"


def bought(*products: Any, email: str | None = EMAIL, **fields: Any) -> Any:
    details = {
        "action": "purchase",
        "transaction_id": "T-1",
        "currency_code": "EUR",
        "total_amount": 30.0,
        "products": list(products) or [CAP],
    }
    given = {"kind": "product_action", "details": details, **fields}
    return event("purchase", email, **given)


def item(url: str = SHOP, **product: Any) -> dict[str, Any]:
    [only] = items(bought({**CAP, **product}), url)
    return only


async def test_a_purchase_has_its_items_its_time_and_what_else_was_told(
    sailthru: Simulated,
) -> None:
    said = {"sailthru_bid": "23423.231", "gift wrap": "yes", "voucher": None}
    order = bought(attributes=said)
    async with sailthru.sink(purchases="purchase", product_url_template=SHOP) as sink:
        assert await deliver(sink, order) == [Delivered()]
    profile = sailthru.profiles()[EMAIL]
    assert profile["events"] == []
    [purchase] = profile["purchases"]
    assert purchase["items"] == [
        {
            "id": "P 1",
            "title": "Cap",
            "price": 1250,
            "qty": 2,
            "url": "https://shop.example/p/P%201",
        }
    ]
    assert (purchase["price"], purchase["time"]) == (2500, "Thu, 01 Jan 2026 00:00:00 +0000")
    assert (purchase["message_id"], purchase["purchase_keys"]) == ("23423.231", {"extid": "T-1"})
    told = {"transaction_id": "T-1", "currency_code": "EUR", "total_amount": 30.0}
    assert purchase["vars"] == {**told, "gift_wrap": "yes"}


@pytest.mark.parametrize(
    ("product", "told"),
    [
        ({"price": "19.90"}, {"price": 1990, "qty": 2}),
        ({"price": 0.285}, {"price": 29}),
        ({"price": 19.99, "quantity": "3"}, {"price": 1999, "qty": 3}),
        ({"price": None, "total_amount": 25}, {"price": 1250, "qty": 2}),
        ({"quantity": None}, {"qty": 1}),
        ({"quantity": 0}, {"qty": 1}),
        ({"quantity": 1.5}, {"price": 1875, "qty": 1}),
        ({"price": 0}, {"price": 0}),
        ({"price": -5}, {"price": -500}),
        ({"name": None}, {"title": "P 1"}),
        ({"id": 17}, {"id": "17", "url": "https://shop.example/p/17"}),
        ({"id": "a/b?c"}, {"url": "https://shop.example/p/a%2Fb%3Fc"}),
    ],
)
def test_a_product_is_an_item_in_cents_and_pieces(
    product: dict[str, Any], told: dict[str, Any]
) -> None:
    assert told.items() <= item(**product).items()


def test_the_address_of_a_product_may_be_one_of_its_attributes() -> None:
    address = "https://shop.example/cap?x=1"
    assert item("{url}", attributes={"url": address})["url"] == address


@pytest.mark.parametrize(
    ("product", "url", "says"),
    [
        ({"price": None}, SHOP, "a product has no price"),
        ({"price": "free"}, SHOP, "a product has no price"),
        ({"price": "NaN"}, SHOP, "a product has no price"),
        ({"price": 1e15}, SHOP, "a price is out of all bounds"),
        ({"price": 1e30}, SHOP, "a price is out of all bounds"),
        ({"price": "-1E999999"}, SHOP, "a price or quantity is out of all bounds"),
        ({"price": None, "total_amount": "1E-999999"}, SHOP, "a price or quantity is out of all"),
        ({"quantity": -3}, SHOP, "a quantity is out of all bounds"),
        ({"quantity": 1e20}, SHOP, "a quantity is out of all bounds"),
        ({"quantity": "1E999"}, SHOP, "a price or quantity is out of all bounds"),
        ({"id": None, "name": " "}, SHOP, "a product has neither id nor name"),
        ({"id": None}, SHOP, "a product has no id, which SAILTHRU_PRODUCT_URL_TEMPLATE needs"),
        ({}, "{url}", "a product has no url, which SAILTHRU_PRODUCT_URL_TEMPLATE needs"),
        (
            {"attributes": {"url": "cap"}},
            "{url}",
            "a product has no address: SAILTHRU_PRODUCT_URL_TEMPLATE",
        ),
    ],
)
def test_a_purchase_that_lacks_something_says_what_without_its_values(
    product: dict[str, Any], url: str, says: str
) -> None:
    with pytest.raises(UnusableError, match=says):
        item(url, **product)
    sink = SailthruSink(settings(purchases="purchase", product_url_template=url))
    placed = sink.place(bought({**CAP, **product}), USER, NOW_MS)
    assert isinstance(placed, Rejected)
    assert placed.reason == "incomplete_purchase"
    assert "Cap" not in placed.detail


_NUMBERS = (
    st.none()
    | st.integers()
    | st.floats()
    | st.decimals().map(str)
    | st.builds("{}E{}".format, st.integers(-99, 99), st.integers(-10_000_000, 10_000_000))
)


@given(_NUMBERS, _NUMBERS, _NUMBERS)
@hypothesis.settings(max_examples=300, derandomize=True)
def test_whatever_numbers_a_product_has_it_is_an_item_within_bounds_or_unusable(
    price: object, quantity: object, total: object
) -> None:
    try:
        told = item(price=price, quantity=quantity, total_amount=total)
    except UnusableError:
        return
    assert abs(told["price"]) <= 10**12
    assert 0 < told["qty"] <= 10**9


def test_a_purchase_without_products_is_none() -> None:
    sink = SailthruSink(settings(purchases="purchase"))
    empty = bought().model_copy(update={"details": {}})
    assert sink.place(empty, USER, NOW_MS) == Rejected("incomplete_purchase", "it has no products")


@pytest.mark.parametrize(
    ("purchases", "allow", "events", "recorded"),
    [
        ("event", "*", 1, 0),
        ("purchase", "*", 0, 1),
        ("purchase", "kind:custom_event", 0, 1),
        ("both", "*", 1, 1),
        ("both", "kind:custom_event", 0, 1),
    ],
)
async def test_the_setting_says_what_becomes_of_something_bought(
    sailthru: Simulated, purchases: str, allow: str, events: int, recorded: int
) -> None:
    chosen: dict[str, Any] = {
        "purchases": purchases,
        "events_allow": allow,
        "product_url_template": SHOP,
    }
    async with sailthru.sink(**chosen) as sink:
        assert await deliver(sink, bought()) == [Delivered()]
    profile = sailthru.profiles()[EMAIL]
    assert [each["event"] for each in profile["events"]] == ["mp_purchase"] * events
    assert len(profile.get("purchases", [])) == recorded


def test_other_actions_stay_events_and_what_is_denied_is_nothing() -> None:
    sink = SailthruSink(
        settings(purchases="purchase", product_url_template=SHOP, events_deny="purchase")
    )
    assert sink.place(bought(), USER, NOW_MS) == Dropped("event_denied")
    cart = event("add_to_cart", kind="product_action")
    assert sink.place(cart, USER, NOW_MS) == Dropped("event_not_allowed")
    custom = event("purchase")
    sink = SailthruSink(settings(purchases="purchase"))
    assert sink.place(custom, USER, NOW_MS) == LaneKey("event", USER.user)


def test_a_buyer_without_an_address_has_no_purchase() -> None:
    by_extid = settings(
        purchases="purchase", product_url_template=SHOP, identity_key="extid", extid_from="mpid"
    )
    assert SailthruSink(by_extid).place(bought(email=None), USER, NOW_MS) == Dropped("no_identity")


@pytest.mark.parametrize("purchases", ["purchase", "both"])
def test_an_unknown_buyer_is_ordinary_whatever_the_purchase_lacks(purchases: str) -> None:
    sink = SailthruSink(settings(purchases=purchases, product_url_template="{url}"))
    assert sink.place(bought(email=None), USER, NOW_MS) == Dropped("no_identity")


@pytest.mark.parametrize("purchases", ["purchase", "both"])
async def test_a_purchase_whose_answer_got_lost_is_recorded_once(
    sailthru: Simulated, purchases: str
) -> None:
    sailthru.service.set_faults([EffectWithoutAnswer(endpoint="POST purchase", count=1)])
    chosen: dict[str, Any] = {
        "purchases": purchases,
        "events_allow": "*",
        "product_url_template": SHOP,
    }
    async with sailthru.sink(**chosen, timeout_s=0.5) as sink:
        [first] = await deliver(sink, bought())
        assert isinstance(first, Transient)
        assert await deliver(sink, bought()) == [Delivered()]
    assert len(sailthru.profiles()[EMAIL]["purchases"]) == 1


async def test_an_order_that_was_told_twice_is_recorded_once_by_any_worker(
    sailthru: Simulated,
) -> None:
    for _ in range(2):
        async with sailthru.sink(purchases="purchase", product_url_template=SHOP) as sink:
            assert await deliver(sink, bought(), bought()) == [Delivered(), Delivered()]
    assert len(sailthru.profiles()[EMAIL]["purchases"]) == 1


async def test_an_event_that_failed_beside_a_purchase_is_sent_again_alone(
    sailthru: Simulated,
) -> None:
    sailthru.service.set_faults([Answer(status=500, endpoint="POST event", count=1)])
    chosen: dict[str, Any] = {
        "purchases": "both",
        "events_allow": "*",
        "product_url_template": SHOP,
    }
    async with sailthru.sink(**chosen) as sink:
        [first] = await deliver(sink, bought())
        assert isinstance(first, Transient)
        assert await deliver(sink, bought()) == [Delivered()]
    profile = sailthru.profiles()[EMAIL]
    assert (len(profile["purchases"]), len(profile["events"])) == (1, 1)


async def test_a_lost_answer_is_a_dead_letter_where_the_setting_says_so(
    sailthru: Simulated,
) -> None:
    sailthru.service.set_faults([Hang(endpoint="POST purchase", count=1)])
    chosen: dict[str, Any] = {
        "purchases": "purchase",
        "product_url_template": SHOP,
        "event_delivery_guarantee": "at_most_once",
    }
    async with sailthru.sink(**chosen, timeout_s=0.2) as sink:
        [outcome] = await deliver(sink, bought())
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "unknown_effect"


async def test_a_purchase_under_an_old_address_goes_to_the_present_one(
    sailthru: Simulated,
) -> None:
    async with sailthru.sink(purchases="purchase", product_url_template=SHOP) as sink:
        await deliver(sink, moved(EMAIL, NEW))
        await deliver(sink, bought())
    assert list(sailthru.profiles()) == [NEW]
    assert len(sailthru.profiles()[NEW]["purchases"]) == 1


def test_explain_shows_the_look_the_purchase_and_the_event() -> None:
    sink = SailthruSink(
        settings(
            base_url="https://api.example",
            purchases="both",
            events_allow="*",
            product_url_template=SHOP,
        )
    )
    request = sink.fold(LaneKey("event", USER.user), [bought()]).request
    [look] = sink.preparations([request])
    assert look["url"] == "https://api.example/purchase"
    assert look["body"] == {"purchase_id": "T-1", "purchase_key": "extid"}
    shown = sink.describe(request)
    assert (shown["url"], shown["body"]["email"]) == ("https://api.example/purchase", EMAIL)
    assert shown["then"]["body"]["event"] == "mp_purchase"
