"""productImpressions: product recommendations shown to a visitor (API text, table of productImpressions)."""

from __future__ import annotations

from schemas.columns import (
    Integer,
    Text,
    Texts,
    Truth,
    listed_products,
    optional_truth,
    own_properties,
    required_text,
    shaped_text,
)
from schemas.match import Match
from schemas.whole import WholeEvent

#: The recommendation variant, in the r{recomId}v{variantId} format.
VARIANT = r"^r[0-9]+v[0-9]+$"


class ProductImpressions(Match):
    """A shown product: `recomVariantId` is required of the event, `productId` of each product.

    The table has no properties of one's own; nothing in it forbids them either, so they pass.
    """

    recom_variant_id: Text = shaped_text("recomVariantId", VARIANT)
    product_id: Text = required_text("products.productId")
    own: Texts = own_properties("products", beside=("productId",))
    cleared: Truth = optional_truth("cleared")


class ProductImpressionsEvent(WholeEvent):
    """A whole block: `products` is required, and unlike a cart it is never empty."""

    products: Integer = listed_products("products")
