"""productViewed: a contact views a specific product (API text, table of productViewed)."""

from __future__ import annotations

from schemas.columns import (
    Integer,
    Number,
    Text,
    Texts,
    optional_currency,
    optional_flag,
    own_properties,
    required_number,
    required_text,
)
from schemas.match import Match


class ProductViewed(Match):
    """`product` is required, with `productId` and `price`; `isInStock` is 0 (out of stock) or 1 (in stock)."""

    product_id: Text = required_text("product.productId")
    price: Number = required_number("product.price")
    is_in_stock: Integer = optional_flag("product.isInStock")
    own: Texts = own_properties("product", beside=("productId", "price", "isInStock"))
    currency_code: Text = optional_currency("currencyCode")
