"""The event types are those of the API text, field by field, and cost nothing until they are looked up."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from pandera.pandas import DataFrameModel

from schemas import TYPES, event_type
from schemas.match import Match
from schemas.whole import WholeEvent

# type → part, fields of the part and scalars as the API text's tables list them; * is required.
TABLES = {
    "pageViewed": ("page", "location:text*", ""),
    "productViewed": ("product", "productId:text* price:number* isInStock:flag", "currencyCode:text"),
    "productCategoryViewed": ("category", "productCategoryId:text*", ""),
    "cartUpdated": (
        "products",
        "productId:text* quantity:number* price:number* name:text category:text discount:text",
        "currencyCode:text recycleStateId:text*",
    ),
    "productImpressions": ("products", "productId:text*", "recomVariantId:text*"),
    "productAddedToWishlist": ("product", "productId:text* price:number* isInStock:flag", "currencyCode:text"),
    "searchRequest": (None, "", "search:text* isFound:flag"),
}


def test_there_are_the_seven_types_in_the_order_of_the_api_text() -> None:
    assert list(TYPES) == list(TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_a_type_has_the_fields_of_its_table(name: str) -> None:
    part, fields, scalars = TABLES[name]
    spec = TYPES[name]
    shown = [" ".join(f"{f.name}:{f.kind}{'*' * f.required}" for f in group) for group in (spec.fields, spec.scalars)]
    assert (spec.name, spec.part, *shown) == (name, part, fields, scalars)


@pytest.mark.parametrize("name", TABLES)
def test_a_type_has_a_pandera_model_of_its_name_for_matches_and_one_for_whole_events(name: str) -> None:
    spec = TYPES[name]
    assert issubclass(spec.model, Match)
    assert issubclass(spec.model, DataFrameModel)
    assert spec.model.__name__.lower() == name.lower()
    assert issubclass(spec.event_model, WholeEvent)


def test_lists_of_products_are_of_carts_and_impressions_only() -> None:
    assert [name for name, spec in TYPES.items() if spec.many] == ["cartUpdated", "productImpressions"]


def test_own_properties_are_taken_by_all_that_is_about_products() -> None:
    assert [name for name, spec in TYPES.items() if not spec.open] == ["pageViewed", "searchRequest"]


def test_a_part_is_required_where_there_is_one() -> None:
    assert [name for name, spec in TYPES.items() if not spec.required_part] == ["searchRequest"]


@pytest.mark.parametrize("name", [n for n, spec in TYPES.items() if spec.open])
def test_own_properties_are_every_name_but_the_declared_ones(name: str) -> None:
    spec = TYPES[name]
    (pattern,) = [name for name, column in spec.model.to_schema().columns.items() if column.regex]
    assert not [f.name for f in spec.fields if re.match(pattern, f"{spec.part}.{f.name}")]
    for own in ("colour", "productIdOld", "price2", "a.b"):
        assert re.match(pattern, f"{spec.part}.{own}")
    assert not re.match(pattern, "contact.email")


def test_any_other_name_is_a_custom_type_without_fields_and_no_type_of_the_api() -> None:
    spec = event_type("couponSeen")
    assert "couponSeen" not in TYPES
    assert TYPES.get("couponSeen") is None
    assert (spec.part, spec.fields, spec.scalars, spec.open) == (None, (), (), False)
    assert event_type("pageViewed") is TYPES["pageViewed"]


def test_importing_the_package_and_asking_for_names_loads_neither_pandas_nor_pandera() -> None:
    code = (
        "import sys, schemas, schemas.contact, schemas.faults;"
        "assert 'pageViewed' in schemas.TYPES and len(list(schemas.TYPES)) == 7;"
        "sys.exit(any(m in sys.modules for m in ('pandas', 'pandera', 'pyarrow', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
