"""Which column a name means."""

import pytest

from etl.mapping.names import Names
from etl.naming import snake_case


@pytest.mark.parametrize(
    ("name", "snake"),
    [
        ("Customer ID", "customer_id"),
        ("CustomerID", "customer_id"),
        ("unitPrice", "unit_price"),
        ("a.b-c", "a_b_c"),
        ("sku", "sku"),
    ],
)
def test_every_column_has_a_snake_case(name: str, snake: str) -> None:
    assert snake_case(name) == snake


def test_a_column_is_found_by_its_own_name_before_its_other_names() -> None:
    names = Names(["Customer ID", "customer_id", "Sku"])
    assert names.find("customer_id") == "customer_id"
    assert names.find("Customer ID") == "Customer ID"
    assert names.find("sku") == "Sku"
    assert names.find("price") is None


def test_a_near_name_is_offered() -> None:
    assert Names(["sku", "price"]).near("skuu") == "; did you mean `sku`?"
    assert Names(["sku"]).near("wholly_else") == ""
