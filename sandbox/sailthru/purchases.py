"""The endpoint `purchase`: what somebody bought, or has in the cart.

Documented: pages "purchase" (docs.sailthru.com/api/purchase, getstarted.sailthru.com,
getstarted.meetmarigold.com). Observed: the form of the answer, in the vendor's mock
(sailthru/sailthru-net-client, Sailthru.Tests/Mock/PurchaseApi.cs).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from zoneinfo import ZoneInfo

from sandbox.sailthru import refusals
from sandbox.sailthru.calls import (
    Arguments,
    as_text,
    invalid,
    optional_flag,
    optional_object,
    required_text,
)
from sandbox.sailthru.lists import api_time
from sandbox.sailthru.names import clean_email
from sandbox.sailthru.options import Options
from sandbox.sailthru.profiles import Profile, Profiles
from sandbox.server import RefusedError

_ITEM_FIELDS = ("qty", "title", "price", "id", "url")
_ZONE = re.compile(r"(?P<time>.*\d) (?P<zone>[A-Z][A-Za-z_]*(/[A-Za-z_]+)*)")
_MAX_KEPT = 100


@dataclass(frozen=True, slots=True)
class Purchase:
    unique_id: str
    items: list[dict[str, object]]
    price: int
    qty: int
    time: int
    extras: Mapping[str, object]

    def shown(self) -> dict[str, object]:
        return {
            "_id": self.unique_id,
            "items": self.items,
            "price": self.price,
            "qty": self.qty,
            "time": api_time(self.time),
            "unique_id": self.unique_id,
            "channel": "online",
            **self.extras,
        }


class PurchaseEndpoint:
    """Completed purchases stay as they were posted; of carts there is one, and the last one holds.

    Documented: purchases cannot be edited, and are matched to a campaign by `message_id`. Inferred:
    a completed purchase empties the cart, and an incomplete one without items does.
    """

    def __init__(self, profiles: Profiles, options: Options) -> None:
        self._profiles = profiles
        self._options = options
        self._ids = count(1)
        self._purchases: list[Purchase] = []

    async def post(self, arguments: Arguments) -> dict[str, object]:
        email = clean_email(required_text(arguments, "email"))
        is_cart = bool(optional_flag(arguments, "incomplete"))
        items = _read_items(arguments.get("items"), may_be_empty=is_cart)
        extras = _read_extras(arguments)
        time = self._read_time(arguments)
        extid = _extid(extras)
        if extid is not None and self._options.repeated_purchase == "refuse" and self._of(extid):
            raise RefusedError(refusals.PURCHASE_THERE, f"There is a purchase {extid}")
        profile = self._profiles.find("email", email)
        if profile is None:
            if self._options.unknown_buyer == "refuse":
                raise RefusedError(refusals.USER_NOT_FOUND, f"User not found with email: {email}")
            profile = self._profiles.create("email", email)
        quantities = [_whole(item["qty"]) for item in items]
        prices = [_whole(item["price"]) for item in items]
        adjusted = sum(_whole(each["price"]) for each in _objects(extras.get("adjustments", [])))
        total = sum(map(int.__mul__, quantities, prices)) + adjusted
        purchase = Purchase(f"{next(self._ids):024x}", items, total, sum(quantities), time, extras)
        self._keep(profile, purchase, is_cart=is_cart)
        return {"purchase": purchase.shown()}

    async def get(self, arguments: Arguments) -> dict[str, object]:
        """By Sailthru's own id of the purchase, or by the one that it was given."""
        value = required_text(arguments, "purchase_id")
        kind = as_text("purchase_key", arguments.get("purchase_key", "sid"))
        if kind not in ("sid", "extid"):
            raise invalid("purchase_key", "sid or extid")
        found = self._of(value) if kind == "extid" else self._by_id(value)
        if found is None:
            raise RefusedError(refusals.UNKNOWN_PURCHASE, f"Unknown purchase: {value}")
        return found.shown()

    def _keep(self, profile: Profile, purchase: Purchase, *, is_cart: bool) -> None:
        if is_cart:
            profile.cart = purchase.shown() if purchase.items else None
            return
        self._purchases.append(purchase)
        profile.cart = None
        # Documented, "Zephyr profile object": the last hundred are there.
        profile.purchases = [*profile.purchases, purchase.shown()][-_MAX_KEPT:]

    def _by_id(self, unique_id: str) -> Purchase | None:
        return next((each for each in self._purchases if each.unique_id == unique_id), None)

    def _of(self, extid: str) -> Purchase | None:
        found = (each for each in self._purchases if _extid(each.extras) == extid)
        return next(found, None)

    def _read_time(self, arguments: Arguments) -> int:
        if arguments.get("date") is None:
            return int(self._options.clock())
        text = as_text("date", arguments["date"])
        zoned = _ZONE.fullmatch(text)
        try:
            time = datetime.fromisoformat(zoned["time"] if zoned else text)
            if zoned:
                time = time.replace(tzinfo=ZoneInfo(zoned["zone"]))
            return int(time.timestamp())
        except (ValueError, LookupError) as error:
            raise RefusedError(refusals.INVALID_TIME, f"Invalid date: {text}") from error


def _read_items(written: object, *, may_be_empty: bool) -> list[dict[str, object]]:
    """Documented: qty, title, price, id and url are required, and the price is in cents."""
    if written is None:
        raise RefusedError(refusals.MISSING_PARAMETER, "Missing parameter: items")
    items = _objects(written)
    if not items and not may_be_empty:
        raise invalid("items", "at least one item")
    for item in items:
        for name in _ITEM_FIELDS:
            if item.get(name) in (None, ""):
                raise RefusedError(refusals.PURCHASE_ITEM, f"Item is missing {name}")
        if _whole(item["qty"]) < 1:
            raise invalid("qty", "a positive number")
        _whole(item["price"])
        if not as_text("url", item["url"]).startswith(("http://", "https://")):
            raise invalid("url", "an address")
        as_text("title", item["title"])
        as_text("id", item["id"])
    return items


def _read_extras(arguments: Arguments) -> dict[str, object]:
    extras: dict[str, object] = {}
    if "message_id" in arguments:
        extras["message_id"] = as_text("message_id", arguments["message_id"])
    if values := optional_object(arguments, "vars"):
        extras["vars"] = values
    if keys := optional_object(arguments, "purchase_keys"):
        if set(keys) != {"extid"}:
            raise invalid("purchase_keys", "an extid")
        extras["purchase_keys"] = {"extid": as_text("extid", keys["extid"])}
    if "extid" in arguments:
        # Observed: sailthru/sailthru-python-client writes it beside the items.
        extras["purchase_keys"] = {"extid": as_text("extid", arguments["extid"])}
    for name in ("adjustments", "tenders"):
        if name in arguments:
            extras[name] = _objects(arguments[name])
            for each in _objects(arguments[name]):
                required_text(each, "title")
                _whole(each.get("price"))
    return extras


def _extid(extras: Mapping[str, object]) -> str | None:
    keys = extras.get("purchase_keys")
    return str(keys["extid"]) if isinstance(keys, dict) else None


def _objects(written: object) -> list[dict[str, object]]:
    if not isinstance(written, list) or not all(isinstance(each, dict) for each in written):
        raise invalid("items", "a list of objects")
    return written


def _whole(value: object) -> int:
    """Documented: amounts are in cents."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid("price or qty", "a whole number, prices in cents,")
    return value
