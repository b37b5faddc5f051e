"""Durations as seconds, written as text."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_WHOLE = re.compile(r"\+?([0-9]+)")


def in_seconds(values: pa.Array, unit: str) -> pa.Array:
    """Return texts or numbers of a unit (`s`, `ms`, `us`, `ns`) as seconds; what is no such number stays as written."""
    if pa.types.is_floating(values.type):
        return _written(pc.divide(values, float(10 ** _DIGITS[unit])))
    values = values.cast(pa.string())
    if unit == "s":
        return values
    coded = values.dictionary_encode()
    distinct = [None if text is None else _seconds(text, _DIGITS[unit]) for text in coded.dictionary.to_pylist()]
    return pa.array(distinct, pa.string()).take(coded.indices)


def _seconds(text: str, digits: int) -> str:
    whole = _WHOLE.fullmatch(text)
    if whole is None:
        return text
    padded = whole[1].rjust(digits + 1, "0")
    return f"{int(padded[:-digits])}.{padded[-digits:]}".rstrip("0").rstrip(".")


def summed(parts: list[pa.Array]) -> pa.Array:
    """Return the sum of several texts of seconds; null where one is none, or less than nothing (it never came to it)."""
    total = None
    for part in parts:
        number = pc.match_substring_regex(part, r"^[0-9]+(\.[0-9]+)?$")
        value = pc.if_else(number, part, pa.scalar(None, pa.string())).cast(pa.float64())
        total = value if total is None else pc.add(total, value)
    if total is None:
        raise ValueError("a sum of nothing")
    return _written(total)


def _written(seconds: pa.Array) -> pa.Array:
    """Return seconds as text without an exponent, at most 9 places."""
    coded = seconds.dictionary_encode()
    distinct = [_plain(value) for value in coded.dictionary.to_pylist()]
    return pa.array(distinct, pa.string()).take(coded.indices)


def _plain(value: float | None) -> str | None:
    if value is None or not np.isfinite(value):
        return None
    return f"{value:.9f}".rstrip("0").rstrip(".")
