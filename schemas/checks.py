"""The checks of the models, on Arrow columns, and the fault that each one finds. Nulls are none of their business.

They are registered with pandera, so that a model's schema shows them by name with what they check for.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandera.api.extensions import register_check_method

from schemas.faults import Fault

#: Name of a check → what is wrong with a value that fails it.
FAULT_OF = {
    "filled": Fault.MISSING,
    "finite": Fault.NOT_A_NUMBER,
    "zero_or_one": Fault.NOT_0_OR_1,
    "currency": Fault.NOT_ISO4217,
    "shape": Fault.SHAPE,
    "without": Fault.FORBIDDEN_CHARACTER,
    "longest": Fault.TOO_LONG,
    "most": Fault.TOO_LARGE,
    "least": Fault.MISSING,
}


@register_check_method(statistics=["wanted"])  # type: ignore[untyped-decorator]
def filled(series: pd.Series, *, wanted: bool) -> pd.Series:
    """Say where a text has more than white space."""
    return _series(series, pc.match_substring_regex(_arrow(series), r"[^\s\p{Z}]"), wanted)


@register_check_method(statistics=["wanted"])  # type: ignore[untyped-decorator]
def finite(series: pd.Series, *, wanted: bool) -> pd.Series:
    """Say where a number is neither infinite nor NaN."""
    return _series(series, pc.is_finite(_arrow(series)), wanted)


@register_check_method(statistics=["wanted"])  # type: ignore[untyped-decorator]
def zero_or_one(series: pd.Series, *, wanted: bool) -> pd.Series:
    """Say where a number is 0 or 1."""
    return _series(series, pc.is_in(_arrow(series), pa.array([0, 1])), wanted)


@register_check_method(statistics=["wanted"])  # type: ignore[untyped-decorator]
def currency(series: pd.Series, *, wanted: bool) -> pd.Series:
    """Say where a text is a currency code of ISO 4217, in capital letters."""
    return _series(series, pc.is_in(_arrow(series), _currencies()), wanted)


@register_check_method(statistics=["pattern"])  # type: ignore[untyped-decorator]
def shape(series: pd.Series, *, pattern: str) -> pd.Series:
    """Say where a text has the shape of a pattern (RE2)."""
    return _series(series, pc.match_substring_regex(_arrow(series), pattern))


@register_check_method(statistics=["pattern"])  # type: ignore[untyped-decorator]
def without(series: pd.Series, *, pattern: str) -> pd.Series:
    """Say where a text has no match of a pattern (RE2)."""
    return _series(series, pc.match_substring_regex(_arrow(series), pattern), wanted=False)


@register_check_method(statistics=["characters"])  # type: ignore[untyped-decorator]
def longest(series: pd.Series, *, characters: int) -> pd.Series:
    """Say where a text has no more than so many characters."""
    return _series(series, pc.less_equal(pc.utf8_length(_arrow(series)), characters))


@register_check_method(statistics=["number"])  # type: ignore[untyped-decorator]
def most(series: pd.Series, *, number: int) -> pd.Series:
    """Say where a number is no greater than `number`."""
    return _series(series, pc.less_equal(_arrow(series), number))


@register_check_method(statistics=["number"])  # type: ignore[untyped-decorator]
def least(series: pd.Series, *, number: int) -> pd.Series:
    """Say where a number is no less than `number`."""
    return _series(series, pc.greater_equal(_arrow(series), number))


@cache
def _currencies() -> pa.Array:
    import pycountry

    return pa.array(sorted(currency.alpha_3 for currency in pycountry.currencies), pa.string())


def _arrow(series: pd.Series) -> pa.Array | pa.ChunkedArray:
    return pa.array(series.array)


def _series(series: pd.Series, found: pa.Array | pa.ChunkedArray, wanted: bool = True) -> pd.Series:
    """Return a boolean series: true where `found` is what is wanted, and where it is null."""
    values = np.asarray(pc.fill_null(found, wanted))
    return pd.Series(values if wanted else ~values, index=series.index)
