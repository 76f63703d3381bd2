"""What the invented shop sells and says: the parts that events of both vocabularies share."""

from random import Random

from sandbox.mparticle.wire import Body, chance

_CUSTOM_NAMES = (
    "viewed_lookbook",
    "Saved outfit",
    "vidéo_vue",
    "search",
    "Store Locator: found",
    "open",
    "Cancel",
    "session_start",
    " sorted by price ",
)
_PRODUCTS = (("SKU-1", "Scarf", 42.5), ("SKU-2", "Écharpe", 19.0), ("SKU-3", 'Belt 30"', 35.99))


def custom_name(rng: Random) -> str:
    return rng.choice(_CUSTOM_NAMES)


def attributes(rng: Random) -> dict[str, str]:
    """Event attributes, as text: what both vocabularies can say."""
    chosen = {"page": str(rng.randint(1, 9)), "price": "310.50", "$source": "Été"}
    if chance(rng, 0.05):  # as Branch names what it tells
        chosen |= {"~campaign": "spring", "campaign": "summer", "+click_timestamp": "1795899999"}
    if chance(rng, 0.02):
        chosen["search text"] = "wool\0 scarf"
    return chosen


def products(rng: Random, *, total_name: str) -> list[Body]:
    """Products; the vocabularies differ in the name of the total."""
    listed = []
    for sku, name, price in rng.sample(_PRODUCTS, rng.randint(1, 2)):
        quantity = rng.randint(1, 3)
        product: Body = {"id": sku, "name": name, "price": price, "quantity": quantity}
        listed.append(product | {total_name: round(price * quantity, 2)})
    return listed


def promotions(rng: Random) -> list[Body]:
    place = rng.choice(("top", "side"))
    return [{"id": "P-7", "name": "Sale", "creative": "sale_banner", "position": place}]
