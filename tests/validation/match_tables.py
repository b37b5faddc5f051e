"""Tables of matches as mapping hands them over, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

TYPES_OF = {
    "price": pa.float64(),
    "quantity": pa.float64(),
    "isInStock": pa.int64(),
    "isFound": pa.int64(),
    "cleared": pa.bool_(),
    "instant": pa.timestamp("us", "UTC"),
    "colour": pa.list_(pa.string()),
    "products": pa.int64(),
    "body_bytes": pa.int64(),
}

#: One match of each type that the API takes, with every field of its table.
GOOD: dict[str, dict[str, Any]] = {
    "pageViewed": {"page.location": "https://example.com/?q=a'b"},
    "productViewed": {
        "product.productId": "00123",
        "product.price": -45.5,
        "product.isInStock": 0,
        "product.colour": ["green", "blue"],
        "currencyCode": "UAH",
    },
    "productCategoryViewed": {"category.productCategoryId": "Mugs", "category.colour": ["green"]},
    "cartUpdated": {
        "products.productId": "00123",
        "products.quantity": 0.5,
        "products.price": 0.0,
        "products.name": "Mug",
        "products.category": "Mugs",
        "products.discount": "10%",
        "products.colour": ["green"],
        "currencyCode": "USD",
        "recycleStateId": "d59c6e6d-4123-4b0e-8c32-15f0656a8c60",
    },
    "productImpressions": {"recomVariantId": "r12v3", "products.productId": "00123"},
    "productAddedToWishlist": {
        "product.productId": "00123",
        "product.price": 45.5,
        "product.isInStock": 1,
        "product.colour": ["green"],
        "currencyCode": "USD",
    },
    "searchRequest": {"search": "mug", "isFound": 1},
    "couponSeen": {"params.coupon": '"SALE"'},
}

CONTACT = {
    "contact.contactId": "42",
    "contact.externalCustomerId": None,
    "contact.email": "example@email.com",
    "contact.phone": "380501234567",
    "contact.pushToken": None,
    "key": "42",
    "instant": datetime(2026, 11, 22, tzinfo=UTC),
}


def match(type_name: str, **changes: Any) -> dict[str, Any]:
    """Return a good match of a type with some values changed; `__` stands for a dot."""
    return {**CONTACT, **GOOD[type_name], **{name.replace("__", "."): value for name, value in changes.items()}}


def table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Return matches as a table; a value that a match does not have is null."""
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: pa.array([row.get(name) for row in rows], type_of(name)) for name in names})


def type_of(name: str) -> pa.DataType:
    """Return the Arrow type that mapping gives to a column."""
    return pa.bool_() if name.startswith("fault:") else TYPES_OF.get(name.rpartition(".")[2], pa.string())


def reasons_by_row(verdict: Any) -> list[set[str]]:
    """Return the set of reasons of each row; checks that a row is good exactly when it has none."""
    found = [{reason for reason, mask in verdict.reasons.items() if mask[row]} for row in range(len(verdict.good))]
    assert [not reasons for reasons in found] == verdict.good.tolist()
    assert all(mask.dtype == np.bool_ and mask.any() for mask in verdict.reasons.values())
    return found
