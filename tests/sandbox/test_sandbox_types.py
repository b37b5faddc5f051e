"""The structure of the seven types, as the API text's tables have it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from etl.sandbox.types import TYPES, complaint

PRODUCT = {"productId": "WS01-L-Green", "price": 45.5, "isInStock": 1, "someProductProperty": ["green"]}
LINE = {"productId": "WS01-L-Green", "quantity": 1, "price": 45.5}

# The API text's examples, its malformed JSON mended as its tables say.
EXAMPLES: dict[str, dict[str, Any]] = {
    "pageViewed": {"page": {"location": "https://example.com"}},
    "productViewed": {"product": PRODUCT, "currencyCode": "USD"},
    "productCategoryViewed": {"category": {"productCategoryId": "Mugs"}},
    "cartUpdated": {
        "products": [LINE],
        "currencyCode": "USD",
        "recycleStateId": "d59c6e6d-4123-4b0e-8c32-15f0656a8c60",
    },
    "productImpressions": {"recomVariantId": "r12v3", "products": [{"productId": "1"}, {"productId": "2"}]},
    "productAddedToWishlist": {"product": PRODUCT, "currencyCode": "UAH"},
    "searchRequest": {"search": "mug", "isFound": 0},
}


def as_text(params: dict[str, Any]) -> dict[str, Any]:
    return {name: json.dumps(each) if isinstance(each, dict | list) else each for name, each in params.items()}


def without(holder: Any, path: str) -> Any:
    """A copy of `holder` without the place `a.b` (in all elements of a list)."""
    name, _, rest = path.partition(".")
    if isinstance(holder, list):
        return [without(each, path) for each in holder]
    if rest:
        return holder | {name: without(holder[name], rest)}
    return {key: each for key, each in holder.items() if key != name}


def put(holder: Any, path: str, value: Any) -> Any:
    name, _, rest = path.partition(".")
    if isinstance(holder, list):
        return [put(each, path, value) for each in holder]
    return holder | {name: put(holder[name], rest, value) if rest else value}


def test_the_examples_are_of_all_seven_types() -> None:
    assert set(EXAMPLES) == set(TYPES)


@pytest.mark.parametrize("type_", EXAMPLES)
def test_the_apis_examples_pass_with_json_in_strings_and_with_plain_json(type_: str) -> None:
    assert complaint(type_, as_text(EXAMPLES[type_])) is None
    assert complaint(type_, EXAMPLES[type_]) is None


@pytest.mark.parametrize(
    ("type_", "path"),
    [
        ("pageViewed", "page"),
        ("pageViewed", "page.location"),
        ("productViewed", "product"),
        ("productViewed", "product.productId"),
        ("productViewed", "product.price"),
        ("productCategoryViewed", "category.productCategoryId"),
        ("cartUpdated", "recycleStateId"),
        ("cartUpdated", "products.productId"),
        ("cartUpdated", "products.quantity"),
        ("cartUpdated", "products.price"),
        ("productImpressions", "recomVariantId"),
        ("productImpressions", "products"),
        ("productImpressions", "products.productId"),
        ("productAddedToWishlist", "product.price"),
        ("searchRequest", "search"),
    ],
)
def test_what_is_required_must_be_there_and_is_named(type_: str, path: str) -> None:
    said = complaint(type_, as_text(without(EXAMPLES[type_], path)))
    assert said is not None
    assert said.startswith(f"{type_}: expected params ")
    assert path.rpartition(".")[2] in said.split("wrong or missing: ")[1]


@pytest.mark.parametrize(
    ("type_", "path"),
    [
        ("productViewed", "product.isInStock"),
        ("productViewed", "currencyCode"),
        ("productViewed", "product.someProductProperty"),
        ("cartUpdated", "products"),
        ("searchRequest", "isFound"),
    ],
)
def test_what_is_optional_may_be_missing(type_: str, path: str) -> None:
    assert complaint(type_, as_text(without(EXAMPLES[type_], path))) is None


@pytest.mark.parametrize(
    ("type_", "path", "value"),
    [
        ("pageViewed", "page", '{"location":"https://example.com"'),
        ("pageViewed", "page", [{"location": "x"}]),
        ("pageViewed", "page.location", ""),
        ("productViewed", "product.productId", 7),
        ("productViewed", "product.price", "45.5"),
        ("productViewed", "product.price", True),
        ("productViewed", "product.isInStock", True),
        ("productViewed", "product.isInStock", 2),
        ("productViewed", "product.colour", "green"),
        ("productViewed", "currencyCode", "usd"),
        ("cartUpdated", "products", {"productId": "1"}),
        ("cartUpdated", "products", ["1"]),
        ("cartUpdated", "products.quantity", "1"),
        ("cartUpdated", "products.discount", 5),
        ("cartUpdated", "products.size", [1]),
        ("productImpressions", "recomVariantId", "12v3"),
        ("searchRequest", "isFound", True),
        ("searchRequest", "isFound", "yes"),
    ],
)
def test_a_value_of_another_kind_is_wrong(type_: str, path: str, value: Any) -> None:
    assert complaint(type_, as_text(put(EXAMPLES[type_], path, value))) is not None


def test_a_cleared_cart_has_an_empty_list() -> None:
    assert complaint("cartUpdated", {"products": "[]", "recycleStateId": "r"}) is None


def test_a_wish_may_have_a_property_as_plain_text() -> None:
    wish = put(EXAMPLES["productAddedToWishlist"], "product.colour", "green")
    assert complaint("productAddedToWishlist", as_text(wish)) is None


def test_the_faulty_line_of_a_cart_is_named_by_its_index() -> None:
    said = complaint(
        "cartUpdated", {"products": json.dumps([LINE, LINE, without(LINE, "price")]), "recycleStateId": "r"}
    )
    assert said is not None
    assert said.endswith("wrong or missing: products[2].price")


def test_other_types_have_no_structure() -> None:
    assert complaint("couponSeen", {"anything": 1}) is None
