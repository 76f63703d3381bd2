"""Products, promotions and impressions: alike in both vocabularies but for a few names."""

from pydantic import AliasChoices, Field

from models.mparticle.values import Amount, Arriving, Attributes, Detail

_ATTRIBUTES = AliasChoices("attributes", "custom_attributes")


class Product(Arriving):
    """`total_amount` and `attributes` are the Firehose's names for what batches name longer."""

    id: Detail = None
    name: Detail = None
    brand: Detail = None
    category: Detail = None
    variant: Detail = None
    position: Detail = None
    coupon_code: Detail = None
    added_to_cart_time_ms: Detail = None
    price: Amount = None
    quantity: Amount = None
    total_amount: Amount = Field(
        None, validation_alias=AliasChoices("total_amount", "total_product_amount")
    )
    attributes: Attributes = Field(default_factory=dict, validation_alias=_ATTRIBUTES)


class Promotion(Arriving):
    id: Detail = None
    name: Detail = None
    creative: Detail = None
    position: Detail = None


class Impression(Arriving):
    impression_list_name: Detail = Field(
        None, validation_alias=AliasChoices("impression_list_name", "product_impression_list")
    )
    products: list[Product] | None = None


class ProductAction(Arriving):
    """What both vocabularies say of a product action."""

    action: str | None = None
    checkout_step: Detail = None
    checkout_options: Detail = None
    product_action_list: Detail = None
    product_list_source: Detail = None
    transaction_id: Detail = None
    affiliation: Detail = None
    coupon_code: Detail = None
    total_amount: Amount = None
    tax_amount: Amount = None
    shipping_amount: Amount = None
    products: list[Product] | None = None


class PromotionAction(Arriving):
    action: str | None = None
    promotions: list[Promotion] | None = None


class ShoppingCart(Arriving):
    products: list[Product] | None = None
