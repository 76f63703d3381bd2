"""Maps commerce events to the items of Sailthru's purchase API. Pure.

Source: page "purchase" of the API documentation (getstarted.meetmarigold.com,
docs.sailthru.com/api/purchase): items with `qty`, `title`, `price` in cents, `id` and `url`.
"""

from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from string import Formatter
from typing import Any
from urllib.parse import quote

from models.event import Event

# Sailthru leaves it in this cookie; the customer's site passes it on as an attribute.
MESSAGE_ID = "sailthru_bid"
_MAX_AMOUNT = Decimal(10) ** 10
_MAX_QUANTITY = Decimal(10) ** 9
# Numbers beyond such powers of ten are no amounts, and arithmetic with them raises.
_MAX_EXPONENT = 30


class UnusableError(ValueError):
    """A purchase lacks what Sailthru requires; the text says what, and none of its values."""


def is_purchase(event: Event) -> bool:
    return event.kind == "product_action" and event.name == "purchase"


def purchase_id(event: Event) -> str:
    """The order's own id, or else the event's: what tells a purchase from all others."""
    transaction = event.details.get("transaction_id")
    return str(transaction or event.event_id or event.id)


def items(event: Event, url: str) -> list[dict[str, Any]]:
    """The products bought; `url` is the template of a product's address.

    Raises UnusableError where one of them cannot be said, for the purchase would be wrong without.
    """
    products = event.details.get("products")
    if not isinstance(products, list) or not products:
        raise UnusableError("it has no products")
    return [_item(product, url) for product in products]


def _item(product: Any, url: str) -> dict[str, Any]:
    if not isinstance(product, dict):
        raise UnusableError("a product is no object")
    id_, title = (_text(product.get(name)) for name in ("id", "name"))
    if not (id_ or title):
        raise UnusableError("a product has neither id nor name")
    # Who leaves the quantity out, or says 0, means one.
    quantity = _number(product.get("quantity")) or Decimal(1)
    if not 0 < quantity <= _MAX_QUANTITY:
        raise UnusableError("a quantity is out of all bounds")
    price = _price(product, quantity)
    if quantity != quantity.to_integral_value():
        # Sailthru counts in pieces: 1.5 m of cloth are one piece at the price of all of it.
        quantity, price = Decimal(1), price * quantity
    return {
        "id": id_ or title,
        "title": title or id_,
        "price": _cents(price),
        "qty": int(quantity),
        "url": _address(product, url),
    }


def _price(product: Mapping[str, Any], quantity: Decimal) -> Decimal:
    if (price := _number(product.get("price"))) is not None:
        return price
    if (total := _number(product.get("total_amount"))) is not None:
        return total / quantity
    raise UnusableError("a product has no price")


def _cents(amount: Decimal) -> int:
    # What is too large is refused first: rounding raises where a number has more digits than fit.
    if abs(amount) > _MAX_AMOUNT:
        raise UnusableError("a price is out of all bounds")
    return int((amount * 100).quantize(Decimal(1), ROUND_HALF_UP))


def _address(product: Mapping[str, Any], template: str) -> str:
    """Fills the template in; what is only a part of the address is quoted."""
    attributes = product.get("attributes")
    known = {**(attributes if isinstance(attributes, dict) else {}), **product}
    parts = list(Formatter().parse(template))
    is_whole = len(parts) == 1 and not parts[0][0]
    address = "".join(
        text if value is None else text + (value if is_whole else quote(value, safe=""))
        for text, value in _filled(parts, known)
    )
    if not address.startswith(("https://", "http://")):
        raise UnusableError(
            "a product has no address: SAILTHRU_PRODUCT_URL_TEMPLATE says where to find it"
        )
    return address


def _filled(parts: list[Any], known: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    for text, name, _, _ in parts:
        value = None
        if name is not None and not (value := _text(known.get(name))):
            raise UnusableError(
                f"a product has no {name}, which SAILTHRU_PRODUCT_URL_TEMPLATE needs"
            )
        yield text, value


def _text(value: object) -> str:
    is_told = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value).strip() if is_told else ""


def _number(value: object) -> Decimal | None:
    """Returns a number, None for what is none; raises UnusableError where it is beyond reason."""
    try:
        number = Decimal(_text(value))
    except InvalidOperation:
        return None
    if not number.is_finite():
        return None
    if number and abs(number.adjusted()) > _MAX_EXPONENT:
        raise UnusableError("a price or quantity is out of all bounds")
    return number
