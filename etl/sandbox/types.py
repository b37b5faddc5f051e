"""The structure of the seven site-activity types: the API text's tables of parameters, as a check to switch on.

`page`, `product`, `category` and `products` are JSON inside a string (API text); the same as a plain object or list is
taken too, since v2 needs no escaping (api-facts.md §1).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_CURRENCY = re.compile(r"[A-Z]{3}")
_VARIANT = re.compile(r"r\d+v\d+")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value may be: its name in the API text and the test."""

    label: str
    accepts: Callable[[object], bool]


@dataclass(frozen=True, slots=True)
class Shape:
    """An object, or a list of such objects: its fields, and what further ones must be (None: they may be anything)."""

    fields: tuple[Field, ...]
    others: Kind | None = None
    many: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One row of a table of the API text."""

    name: str
    kind: Kind | Shape
    required: bool = True


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# `bool` is an `int` in Python, and true is no 1 in JSON.
_STRING = Kind("String", lambda value: isinstance(value, str) and bool(value.strip()))
_DOUBLE = Kind("Double", _number)
_FLAG = Kind("Int 0 or 1", lambda value: _number(value) and value in (0, 1))
_FLAG_PARAM = Kind("Int 0 or 1", lambda value: (_number(value) and value in (0, 1)) or value in ("0", "1"))
_STRINGS = Kind("Array of strings", _texts)
_STRING_OR_STRINGS = Kind("String or array of strings", lambda value: isinstance(value, str) or _texts(value))
_ISO_4217 = Kind("ISO 4217 code", lambda value: isinstance(value, str) and bool(_CURRENCY.fullmatch(value)))
_RECOM = Kind("r{recomId}v{variantId}", lambda value: isinstance(value, str) and bool(_VARIANT.fullmatch(value)))

_CURRENCY_CODE = Field("currencyCode", _ISO_4217, required=False)
_PRODUCT = (Field("productId", _STRING), Field("price", _DOUBLE), Field("isInStock", _FLAG, required=False))
_LINE = (
    Field("productId", _STRING),
    Field("quantity", _DOUBLE),
    Field("price", _DOUBLE),
    Field("name", _STRING, required=False),
    Field("category", _STRING, required=False),
    Field("discount", _STRING, required=False),
)

TYPES: dict[str, tuple[Field, ...]] = {
    "pageViewed": (Field("page", Shape((Field("location", _STRING),))),),
    "productViewed": (Field("product", Shape(_PRODUCT, others=_STRINGS)), _CURRENCY_CODE),
    "productCategoryViewed": (Field("category", Shape((Field("productCategoryId", _STRING),))),),
    "cartUpdated": (
        # Required unless the cart is empty: left out, it is an empty cart.
        Field("products", Shape(_LINE, others=_STRINGS, many=True), required=False),
        _CURRENCY_CODE,
        Field("recycleStateId", _STRING),
    ),
    "productImpressions": (
        Field("recomVariantId", _RECOM),
        Field("products", Shape((Field("productId", _STRING),), many=True)),
    ),
    # The table says String for further properties, the example gives arrays: both are taken.
    "productAddedToWishlist": (Field("product", Shape(_PRODUCT, others=_STRING_OR_STRINGS)), _CURRENCY_CODE),
    "searchRequest": (Field("search", _STRING), Field("isFound", _FLAG_PARAM, required=False)),
}


def complaint(type_: str, params: dict[str, object]) -> str | None:
    """Return what is wrong with a site-activity event and what was expected, in one line; None when all is well.

    `params`: name to value. Types that are not one of the seven have no structure. Values are never in the text.
    """
    table = TYPES.get(type_)
    if table is None:
        return None
    wrong = [fault for row in table for fault in _faults(row, params, "")]
    if not wrong:
        return None
    return f"{type_}: expected params {_expected(table)}; wrong or missing: {', '.join(wrong)}"


def _faults(row: Field, holder: dict[str, object], path: str) -> Iterator[str]:
    here = path + row.name
    if row.name not in holder:
        if row.required:
            yield here
    elif isinstance(row.kind, Kind):
        if not row.kind.accepts(holder[row.name]):
            yield here
    else:
        yield from _shape_faults(row.kind, holder[row.name], here)


def _shape_faults(shape: Shape, value: object, here: str) -> Iterator[str]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            yield f"{here} (not JSON)"
            return
    if shape.many and not isinstance(value, list):
        yield f"{here} (not a list)"
        return
    for index, element in enumerate(value) if isinstance(value, list) and shape.many else [(None, value)]:
        place = here if index is None else f"{here}[{index}]"
        if not isinstance(element, dict):
            yield f"{place} (not an object)"
            continue
        for row in shape.fields:
            yield from _faults(row, element, f"{place}.")
        if shape.others is not None:
            known = {row.name for row in shape.fields}
            yield from (
                f"{place}.{name}"
                for name, each in element.items()
                if name not in known and not shape.others.accepts(each)
            )


def _expected(table: tuple[Field, ...]) -> str:
    return ", ".join(f"{row.name}{'' if row.required else ' (optional)'}: {_label(row.kind)}" for row in table)


def _label(kind: Kind | Shape) -> str:
    if isinstance(kind, Kind):
        return kind.label
    inside = "{" + _expected(kind.fields) + "}"
    return f"JSON [{inside}, ...]" if kind.many else f"JSON {inside}"
