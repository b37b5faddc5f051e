"""The kinds of columns that a model is written with: one short call says what the API's tables say of a field.

A required field is a column without nulls; an optional one may hold nulls, or be no column at all.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pandera.engines.pandas_engine import ArrowBool, ArrowFloat64, ArrowInt64, ArrowList, ArrowString, ArrowTimestamp
from pandera.pandas import Field
from pandera.typing import Series

import schemas.checks  # noqa: F401  (registers what the fields below name)
from schemas.contact import FORBIDDEN, KEY_MAX
from schemas.faults import Fault, Whole

Text = Series[ArrowString]
Texts = Series[ArrowList]
Number = Series[ArrowFloat64]
Integer = Series[ArrowInt64]
Truth = Series[ArrowBool]
Instant = Series[ArrowTimestamp]


def required_text(alias: str) -> Any:
    """Take text that is not blank."""
    return Field(alias=alias, nullable=False, filled=True)


def optional_text(alias: str) -> Any:
    """Take any text."""
    return Field(alias=alias, nullable=True, required=False)


def shaped_text(alias: str, pattern: str) -> Any:
    """Take text that has a shape (RE2)."""
    return Field(alias=alias, nullable=False, shape=pattern)


def required_number(alias: str) -> Any:
    """Take a finite number of any sign: the API's tables ask for no more."""
    return Field(alias=alias, nullable=False, finite=True)


def optional_flag(alias: str) -> Any:
    """Take 0 or 1."""
    return Field(alias=alias, nullable=True, required=False, zero_or_one=True)


def optional_currency(alias: str) -> Any:
    """Take a currency code of ISO 4217 (API text, `currencyCode`)."""
    return Field(alias=alias, nullable=True, required=False, currency=True)


def own_properties(part: str, *, beside: tuple[str, ...]) -> Any:
    """Take the API text's `someProductProperty`: arrays of strings under any name but those of its table."""
    declared = "|".join(beside)
    return Field(
        alias=rf"^{part}\.(?!(?:{declared})$).+$",
        regex=True,
        nullable=True,
        required=False,
        dtype_kwargs={"value_type": pa.string()},
    )


def identifier(alias: str, pattern: str | None = None) -> Any:
    """Take an identifier of a contact (api-facts §1): its length, its characters, and its shape where it has one."""
    return Field(alias=alias, nullable=True, required=False, longest=KEY_MAX, without=FORBIDDEN, shape=pattern)


def key_value(alias: str, *, missing: str) -> Any:
    """Take a keyValue: under the same rules as identifiers, and never absent; `missing` is the reason where it is."""
    return Field(
        alias=alias, nullable=False, longest=KEY_MAX, without=FORBIDDEN, filled=True, metadata={Fault.MISSING: missing}
    )


def optional_instant(alias: str) -> Any:
    """Take an instant in UTC, in microseconds."""
    return Field(alias=alias, nullable=True, required=False, dtype_kwargs={"unit": "us", "tz": "UTC"})


def optional_truth(alias: str) -> Any:
    """Take true or false."""
    return Field(alias=alias, nullable=True, required=False)


def listed_products(alias: str) -> Any:
    """Take the number of products of a whole event: one or more. Without the column each event is one line."""
    return Field(alias=alias, nullable=False, required=False, least=1, metadata={Fault.MISSING: Whole.NO_PRODUCTS})
