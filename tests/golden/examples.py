"""The API text's seven examples: for each type the rule, the row that it takes, and the body that has to come out.

The printed examples are no valid JSON. The files beside this one are those examples, repaired as the text's own
tables say:

- the quotes of the JSON inside `value` are escaped (all types);
- productViewed: the stray `]}` behind the product is gone;
- productImpressions, productAddedToWishlist, searchRequest: comments gone, missing commas there, and placeholders
  (`Phone`, `string`, `decimal`, `int`, `...`) replaced by values of the type that the table gives. The phone is the
  example's own keyValue; the product is that of the other examples.

Order counts within `params` as printed, and not within JSON objects.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent
_PARTS = ("page", "product", "category", "products")

#: What the rows of all examples have in common; the first locator present in the API's order becomes keyValue.
CONTACT = {"email": "email", "phone": "phone"}


@dataclass(frozen=True, slots=True)
class Example:
    """One example: `rule` is an entry of a job's `events`, `row` one row of a text source (all values text)."""

    type: str
    rule: dict[str, Any]
    row: dict[str, str]

    @property
    def body(self) -> dict[str, Any]:
        """The expected body, with the JSON inside its strings parsed."""
        return parsed((_FOLDER / f"{self.type}.json").read_text(encoding="utf-8"))


def parsed(body: str) -> dict[str, Any]:
    """Return a body as a dict, with the JSON inside page, product, category and products parsed as well."""
    event: dict[str, Any] = json.loads(body)
    for param in event["params"]:
        if param["name"] in _PARTS:
            param["value"] = json.loads(param["value"])
    return event


_PRODUCT = {"productId": "sku", "price": "price", "isInStock": "in_stock", "someProductProperty": "colour"}

EXAMPLES = (
    Example(
        type="pageViewed",
        rule={"type": "pageViewed", "page": {"location": "url"}},
        row={"phone": "380501234567", "email": "example@email.com", "url": "https://example.com"},
    ),
    Example(
        type="productViewed",
        rule={"type": "productViewed", "product": _PRODUCT, "currencyCode": "currency"},
        row={
            "phone": "411786452",
            "email": "example@email.com",
            "sku": "WS01-L-Green",
            "price": "45.5",
            "in_stock": "1",
            "colour": "green",
            "currency": "USD",
        },
    ),
    Example(
        type="productCategoryViewed",
        rule={"type": "productCategoryViewed", "category": {"productCategoryId": "category"}},
        row={"phone": "7411324763", "email": "example@email.com", "category": "Mugs"},
    ),
    Example(
        type="cartUpdated",
        rule={
            "type": "cartUpdated",
            "lines": ["cart_id"],
            "products": {"productId": "sku", "quantity": "qty", "price": "price"},
            "currencyCode": "currency",
            "recycleStateId": "cart_id",
        },
        row={
            "phone": "73456712",
            "email": "example@email.com",
            "cart_id": "d59c6e6d-4123-4b0e-8c32-15f0656a8c60",
            "sku": "WS01-L-Green",
            "qty": "1",
            "price": "45.5",
            "currency": "USD",
        },
    ),
    Example(
        type="productImpressions",
        rule={
            "type": "productImpressions",
            "lines": ["block_id"],
            "recomVariantId": "variant",
            "products": {"productId": "sku"},
        },
        row={"phone": "380501234567", "email": "", "block_id": "7", "variant": "r12v3", "sku": "WS01-L-Green"},
    ),
    Example(
        type="productAddedToWishlist",
        rule={"type": "productAddedToWishlist", "product": _PRODUCT, "currencyCode": "currency"},
        row={
            "phone": "380501234567",
            "email": "",
            "sku": "WS01-L-Green",
            "price": "45.5",
            "in_stock": "1",
            "colour": "green",
            "currency": "USD",
        },
    ),
    Example(
        type="searchRequest",
        rule={"type": "searchRequest", "search": "query", "isFound": "hits"},
        row={"phone": "380501234567", "email": "", "query": "mug", "hits": "0"},
    ),
)
