"""cartUpdated: a contact changes the cart; each event holds all its products (API text, table of cartUpdated)."""

from __future__ import annotations

from schemas.columns import (
    Integer,
    Number,
    Text,
    Texts,
    Truth,
    listed_products,
    optional_currency,
    optional_text,
    optional_truth,
    own_properties,
    required_number,
    required_text,
)
from schemas.match import Match
from schemas.whole import WholeEvent


class CartUpdated(Match):
    """A line of a cart: each product needs `productId`, `quantity` and `price`, the event `recycleStateId`."""

    product_id: Text = required_text("products.productId")
    quantity: Number = required_number("products.quantity")
    price: Number = required_number("products.price")
    name: Text = optional_text("products.name")
    category: Text = optional_text("products.category")
    discount: Text = optional_text("products.discount")
    own: Texts = own_properties("products", beside=("productId", "quantity", "price", "name", "category", "discount"))
    currency_code: Text = optional_currency("currencyCode")
    recycle_state_id: Text = required_text("recycleStateId")
    cleared: Truth = optional_truth("cleared")


class CartUpdatedEvent(WholeEvent):
    """A whole cart: its list of products is empty only where the cart was cleaned up."""

    products: Integer = listed_products("products")
    cleared: Truth = optional_truth("cleared")
