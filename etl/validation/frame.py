"""A table of matches as the pandas frame that a model checks: the model's columns, Arrow inside, nothing copied."""

from __future__ import annotations

import re
from collections.abc import Callable

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandera.pandas import DataFrameSchema

from etl.validation.verdict import DisagreementError


def as_frame(table: pa.Table, schema: DataFrameSchema) -> pd.DataFrame:
    """Return the columns of `table` that `schema` names, with Arrow-backed dtypes and a plain index; NaN is null.

    Types that mean the same (another width of integers, large strings, a column of nulls) are brought to the schema's
    own, without loss; any other type raises DisagreementError, since a model that coerces hides faults (RULES §11).
    """
    columns = {name: _column(table, name, wanted) for name, wanted in _wanted(table, schema).items()}
    return pd.DataFrame(
        {name: pd.arrays.ArrowExtensionArray(values) for name, values in columns.items()},
        index=pd.RangeIndex(table.num_rows),
    )


def _wanted(table: pa.Table, schema: DataFrameSchema) -> dict[str, pa.DataType]:
    """Return the columns of `table` that `schema` names, each with the Arrow type that it should have."""
    found: dict[str, pa.DataType] = {}
    for name, column in schema.columns.items():
        names = [n for n in table.column_names if re.match(name, n)] if column.regex else [name]
        found |= {n: column.dtype.type.pyarrow_dtype for n in names if n in table.column_names}
    return found


def _column(table: pa.Table, name: str, wanted: pa.DataType) -> pa.ChunkedArray:
    values = table[name]
    if values.type != wanted:
        if not _mean_the_same(values.type, wanted):
            raise DisagreementError(f"column {name}: expected {wanted}, found {values.type}")
        values = values.cast(wanted)
    return _without_nan(values) if pa.types.is_floating(wanted) else values


def _without_nan(values: pa.ChunkedArray) -> pa.ChunkedArray:
    # A nullable=False column lets NaN pass where Arrow floats hold it.
    nan = pc.is_nan(values)
    return pc.if_else(nan, pa.scalar(None, values.type), values) if pc.any(nan).as_py() else values


_FAMILIES: tuple[Callable[[pa.DataType], bool], ...] = (
    lambda t: pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_string_view(t),
    pa.types.is_integer,
    pa.types.is_floating,
)


def _mean_the_same(found: pa.DataType, wanted: pa.DataType) -> bool:
    if pa.types.is_null(found):
        return True
    if pa.types.is_list(wanted) and (pa.types.is_list(found) or pa.types.is_large_list(found)):
        return found.value_type == wanted.value_type or _mean_the_same(found.value_type, wanted.value_type)
    return any(family(found) and family(wanted) for family in _FAMILIES)
