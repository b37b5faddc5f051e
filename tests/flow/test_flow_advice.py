"""Rules that fit the API and still do harm are doubted before a row is read."""

from pathlib import Path

import pytest

from etl.flow.advice import doubts_of
from etl.job.read import read_text

CART = '{type: cartUpdated, recycleStateId: cart, where: "WHERE", products: {productId: sku, quantity: qty, price: price}MORE}'


def _doubts(rule: str) -> list[str]:
    text = "job: small\nsource: {path: a.csv}\ncontact: {email: mail}\ntime: at\nevents:\n  - RULE\ndelivery: {api: sandbox}\n"
    return doubts_of(read_text(text.replace("RULE", rule), Path("job.yaml")))


def test_a_search_that_does_not_say_whether_it_found() -> None:
    assert "has no `isFound`" in _doubts("{type: searchRequest, search: q}")[0]
    assert _doubts("{type: searchRequest, search: q, isFound: 'hits > 0'}") == []


@pytest.mark.parametrize("value", ["add_to_cart", "AddToCart", "product added to cart", "added-to-basket"])
def test_a_row_that_adds_is_no_whole_cart(value: str) -> None:
    rule = CART.replace("WHERE", f"event in ('{value}', 'x')")
    assert "a cart of one product" in _doubts(rule.replace("MORE", ""))[0]
    assert _doubts(rule.replace("MORE", ", lines: [cart]")) == []


def test_a_row_that_is_a_cart_is_not_doubted() -> None:
    assert _doubts(CART.replace("WHERE", "event = 'cart'").replace("MORE", "")) == []


def test_a_currency_that_the_api_is_not_known_to_take() -> None:
    rule = "{type: productViewed, product: {productId: sku, price: p}, currencyCode: \"'CODE'\"}"
    assert "currency PLN" in _doubts(rule.replace("CODE", "PLN"))[0]
    assert _doubts(rule.replace("CODE", "UAH")) == []
