"""Products, promotions and impressions: alike in both vocabularies but for a few names.

Firehose Java SDK (`ProductActionEvent`, `PromotionActionEvent`, `ImpressionEvent`); mParticle docs,
"JSON Reference".
"""

from typing import Annotated

from pydantic import AliasChoices, Field

from models.mparticle.base_event import Flagged
from models.mparticle.values import Amount, Arriving, Attributes, Detail, Words
from models.record import Sparse

_ATTRIBUTES = AliasChoices("attributes", "custom_attributes")


class Product(Arriving):
    """A product; `total_amount` and `attributes` have longer names in batches."""

    id: Detail = None
    name: Detail = None
    brand: Detail = None
    category: Detail = None
    variant: Detail = None
    position: Amount = None
    coupon_code: Detail = None
    added_to_cart_time_ms: Amount = None
    price: Amount = None
    quantity: Amount = None
    total_amount: Amount = Field(
        None, validation_alias=AliasChoices("total_amount", "total_product_amount")
    )
    attributes: Sparse[Attributes] = Field(default_factory=dict, validation_alias=_ATTRIBUTES)


class Promotion(Arriving):
    id: Detail = None
    name: Detail = None
    creative: Detail = None
    position: Detail = None


class Impression(Arriving):
    impression_list_name: Detail = Field(
        None, validation_alias=AliasChoices("impression_list_name", "product_impression_list")
    )
    products: Sparse[Annotated[list[Product], Field(fail_fast=True)] | None] = None


class ProductAction(Arriving):
    """A product action, as both vocabularies tell it."""

    action: Words | None = None
    checkout_step: Amount = None
    checkout_options: Detail = None
    product_action_list: Detail = None
    product_list_source: Detail = None
    transaction_id: Detail = None
    affiliation: Detail = None
    coupon_code: Detail = None
    total_amount: Amount = None
    tax_amount: Amount = None
    shipping_amount: Amount = None
    products: Sparse[Annotated[list[Product], Field(fail_fast=True)] | None] = None


class PromotionAction(Arriving):
    action: Words | None = None
    promotions: Sparse[Annotated[list[Promotion], Field(fail_fast=True)] | None] = None


class ShoppingCart(Arriving):
    products: Sparse[Annotated[list[Product], Field(fail_fast=True)] | None] = None


class ProductActionEvent(Flagged, ProductAction):
    currency_code: Detail = None


class PromotionActionEvent(Flagged, PromotionAction):
    pass


class ImpressionEvent(Flagged):
    impressions: Annotated[list[Impression], Field(fail_fast=True)] | None = None


class CommerceEvent(Flagged):
    """A batch's commerce event; normally one of the three parts is there, a sample has all."""

    product_action: ProductAction | None = None
    promotion_action: PromotionAction | None = None
    product_impressions: Annotated[list[Impression], Field(fail_fast=True)] | None = None
    shopping_cart: ShoppingCart | None = None
    currency_code: Detail = None
    screen_name: Detail = None
    is_non_interactive: Detail = None
