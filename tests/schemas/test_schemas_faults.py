"""Reasons are stable words, and each has a sentence for people."""

from __future__ import annotations

import pytest

from schemas import TYPES, event_type
from schemas.checks import FAULT_OF
from schemas.faults import Fault, Whole, explain, reason

UNKNOWN = "The match is invalid"


def reasons_of_models() -> set[str]:
    """Every reason that a model can give."""
    found: set[str] = set()
    for spec in (*TYPES.values(), event_type("couponSeen")):
        for model in (spec.model, spec.event_model):
            for name, column in model.to_schema().columns.items():
                faults = [FAULT_OF[check.name] for check in column.checks]
                faults += [] if column.nullable or column.regex else [Fault.MISSING]
                found |= {str((column.metadata or {}).get(fault, reason(name, fault))) for fault in faults}
    return found


def test_the_reasons_that_models_give_are_stable() -> None:
    identifiers = [f"contact.{n}" for n in ("contactId", "email", "externalCustomerId", "phone", "pushToken")] + ["key"]
    expected = {f"{name}.{fault}" for name in identifiers for fault in ("too_long", "forbidden_character")}
    expected |= {"contact.email.shape", "contact.phone.shape", "no_contact"}
    expected |= {"page.location.missing", "category.productCategoryId.missing", "search.missing", "isFound.not_0_or_1"}
    expected |= {"product.productId.missing", "product.price.missing", "product.price.not_a_number"}
    expected |= {"product.isInStock.not_0_or_1", "currencyCode.not_iso4217", "recycleStateId.missing"}
    expected |= {"products.productId.missing", "products.price.missing", "products.price.not_a_number"}
    expected |= {"products.quantity.missing", "products.quantity.not_a_number"}
    expected |= {"recomVariantId.missing", "recomVariantId.shape"}
    expected |= {"body_bytes.missing", "too_large", "products.missing"}
    assert reasons_of_models() == expected


@pytest.mark.parametrize("word", sorted(reasons_of_models() - {"body_bytes.missing"}))
def test_every_reason_of_a_model_is_explained(word: str) -> None:
    assert not explain(word).startswith(UNKNOWN)


@pytest.mark.parametrize("word", [*Whole])
def test_every_reason_that_concerns_the_whole_is_explained(word: Whole) -> None:
    said = explain(word)
    assert not said.startswith(UNKNOWN)
    assert said[0].isupper()
    assert said.endswith(".")


@pytest.mark.parametrize("fault", [*Fault])
def test_every_fault_of_a_value_names_its_column(fault: Fault) -> None:
    assert "products.price" in explain(f"products.price.{fault}")


def test_a_failing_filter_is_named() -> None:
    assert "`internal`" in explain("filters.internal.failed")


def test_the_key_is_called_by_the_api_s_name() -> None:
    assert explain("key.too_long").startswith("keyValue has more characters")


@pytest.mark.parametrize("word", ["", "nonsense", "a.b", ".missing"])
def test_a_reason_that_nobody_knows_is_shown_as_it_is(word: str) -> None:
    assert explain(word) == f"{UNKNOWN}: {word}."
