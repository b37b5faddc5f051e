"""Each model, used by itself as pandera intends, takes what the API takes and refuses what it refuses."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pandera.errors import SchemaError

from schemas import TYPES, event_type

TEXT, NUMBER, FLAG = (pd.ArrowDtype(t) for t in (pa.string(), pa.float64(), pa.int64()))

GOOD: dict[str, dict[str, tuple[Any, pd.ArrowDtype]]] = {
    "pageViewed": {"page.location": ("https://example.com", TEXT)},
    "productViewed": {"product.productId": ("00123", TEXT), "product.price": (45.5, NUMBER)},
    "productCategoryViewed": {"category.productCategoryId": ("Mugs", TEXT)},
    "cartUpdated": {
        "products.productId": ("00123", TEXT),
        "products.quantity": (1.0, NUMBER),
        "products.price": (45.5, NUMBER),
        "recycleStateId": ("d59c6e6d", TEXT),
    },
    "productImpressions": {"recomVariantId": ("r1v2", TEXT), "products.productId": ("00123", TEXT)},
    "productAddedToWishlist": {"product.productId": ("00123", TEXT), "product.price": (45.5, NUMBER)},
    "searchRequest": {"search": ("mug", TEXT)},
    "couponSeen": {},
}


def frame(columns: dict[str, tuple[Any, pd.ArrowDtype]]) -> pd.DataFrame:
    columns = {"key": ("example@email.com", TEXT), **columns}
    return pd.DataFrame({name: pd.array([value], dtype=dtype) for name, (value, dtype) in columns.items()})


@pytest.mark.parametrize("name", GOOD)
def test_a_model_takes_the_least_that_the_api_requires(name: str) -> None:
    event_type(name).model.validate(frame(GOOD[name]))


@pytest.mark.parametrize(("name", "column"), [(name, column) for name in TYPES for column in ("key", *GOOD[name])])
def test_a_model_refuses_a_required_field_that_is_null_or_no_column(name: str, column: str) -> None:
    whole = frame(GOOD[name])
    with pytest.raises(SchemaError):
        event_type(name).model.validate(whole.drop(columns=column))
    with pytest.raises(SchemaError):
        event_type(name).model.validate(whole.assign(**{column: pd.array([None], dtype=whole[column].dtype)}))


@pytest.mark.parametrize("name", GOOD)
def test_a_model_never_coerces(name: str) -> None:
    with pytest.raises(SchemaError):
        event_type(name).model.validate(frame({**GOOD[name], "key": (1, FLAG)}))


def test_own_properties_are_arrays_of_strings() -> None:
    texts, numbers = pd.ArrowDtype(pa.list_(pa.string())), pd.ArrowDtype(pa.list_(pa.int64()))
    model = event_type("productViewed").model
    model.validate(frame({**GOOD["productViewed"], "product.colour": (["green"], texts)}))
    with pytest.raises(SchemaError):
        model.validate(frame({**GOOD["productViewed"], "product.colour": ([1], numbers)}))
