"""Empty or blank text is null everywhere (RULES §3), in nested values too."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def blank_to_null(table: pa.Table) -> pa.Table:
    """Return the table with every blank text, at any depth, as null."""
    for index, field in enumerate(table.schema):
        if _has_text(field.type):
            column = table.column(index)
            chunks = [_clean(chunk) for chunk in column.chunks]
            table = table.set_column(index, field.with_nullable(True), pa.chunked_array(chunks, field.type))
    return table


def _has_text(kind: pa.DataType) -> bool:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return True
    if pa.types.is_struct(kind):
        return any(_has_text(field.type) for field in kind)
    return pa.types.is_list(kind) and _has_text(kind.value_type)


def _clean(array: pa.Array) -> pa.Array:
    kind = array.type
    if pa.types.is_struct(kind):
        children = [_clean(array.field(i)) if _has_text(f.type) else array.field(i) for i, f in enumerate(kind)]
        return pa.StructArray.from_arrays(children, fields=list(kind), mask=pc.is_null(array))
    if pa.types.is_list(kind):
        values = _clean(array.flatten())
        offsets = pc.cumulative_sum(pc.fill_null(pc.list_value_length(array), 0))
        starts = pa.concat_arrays([pa.array([0], pa.int32()), offsets.cast(pa.int32())])
        return pa.ListArray.from_arrays(starts, values, type=kind, mask=pc.is_null(array))
    return _clean_text(array)


def _clean_text(array: pa.Array) -> pa.Array:
    blank = pc.or_(pc.utf8_is_space(array), pc.equal(pc.binary_length(array), 0))
    if not pc.any(blank).as_py():
        return array
    return pc.if_else(pc.fill_null(blank, False), pa.scalar(None, array.type), array)
