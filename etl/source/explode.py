"""Each element of a list column becomes a row."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.errors import JobError
from etl.source.chunk import BATCH_ROWS, Ints
from etl.source.conform import is_list
from etl.tables import is_hollow


def find_list(schema: pa.Schema, wanted: str) -> tuple[str, ...]:
    """Return the way to the list that `wanted` names: a column, or a column and fields of structs.

    A column whose own name has the dots comes first. Raises JobError (key `source.explode`) where there is none, or it
    is no list.
    """
    way = (wanted,) if wanted in schema.names else tuple(wanted.split("."))
    kind: pa.DataType = pa.struct(list(schema))
    for depth, name in enumerate(way):
        inside = {field.name: field.type for field in kind} if pa.types.is_struct(kind) else {}
        if name not in inside:
            raise JobError(
                f"source.explode: no column `{'.'.join(way[: depth + 1])}` in the input", hint=_hint(schema, wanted)
            )
        kind = inside[name]
    if not is_list(kind) and not pa.types.is_null(kind):
        raise JobError(
            f"source.explode: `{wanted}` is not a list in every row, but {_spoken(kind)}", hint=_hint(schema, wanted)
        )
    return way


def has_list(schema: pa.Schema, wanted: str) -> bool:
    """Say whether some row may have what `wanted` names, or something in its place that is no list.

    Not where a step of the way is missing, or has nothing below it. A name that is like one that is there counts as there: `find_list`
    then says which.
    """
    if wanted in schema.names:
        return True
    kind: pa.DataType = pa.struct(list(schema))
    for name in wanted.split("."):
        if pa.types.is_null(kind):
            return False
        inside = {field.name: field for field in kind} if pa.types.is_struct(kind) else {}
        if name not in inside:
            return not pa.types.is_struct(kind) or bool(difflib.get_close_matches(name, inside, n=1, cutoff=0.8))
        if is_hollow(inside[name]):
            return False
        kind = inside[name].type
    return True


def _spoken(kind: pa.DataType) -> str:
    return "text" if pa.types.is_string(kind) else "an object" if pa.types.is_struct(kind) else str(kind)


def _hint(schema: pa.Schema, wanted: str) -> str:
    lists = list(_lists("", pa.struct(list(schema))))
    if not lists:
        return "No column of this input holds a list in every row: mend the export, or leave `explode` out."
    near = difflib.get_close_matches(wanted, lists, n=1)
    return f"Did you mean `{near[0]}`?" if near else f"Its list columns: {', '.join(lists)}."


def _lists(prefix: str, kind: pa.DataType) -> Iterator[str]:
    for field in kind:
        if is_list(field.type):
            yield prefix + field.name
        elif pa.types.is_struct(field.type):
            yield from _lists(f"{prefix}{field.name}.", field.type)


def exploded_schema(schema: pa.Schema, way: tuple[str, ...]) -> pa.Schema:
    """Return the schema in which the list at `way` is its element."""
    index = schema.get_field_index(way[0])
    return schema.set(index, pa.field(way[0], _element(schema.field(index).type, way[1:])))


def _element(kind: pa.DataType, way: tuple[str, ...]) -> pa.DataType:
    if not way:
        return kind.value_type if is_list(kind) else kind
    return pa.struct([pa.field(f.name, _element(f.type, way[1:]) if f.name == way[0] else f.type) for f in kind])


def element_counts(column: pa.Array, way: tuple[str, ...]) -> Ints:
    """Return how many rows each row becomes: one for each element, one for a null or empty list (RULES §4)."""
    for name in way:
        column = pc.struct_field(column, name)
    if not is_list(column.type):
        return np.ones(len(column), np.int64)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    return np.asarray(np.maximum(lengths, 1), dtype=np.int64)


def pieces(counts: Ints, most: int = BATCH_ROWS) -> Iterator[slice]:
    """Yield slices of rows that become about `most` rows each; a row is never cut."""
    total = np.cumsum(counts)
    start, done = 0, 0
    while start < len(counts):
        stop = max(start + 1, int(np.searchsorted(total, done + most, side="right")))
        yield slice(start, stop)
        start, done = stop, int(total[stop - 1])


def explode(column: pa.Array, way: tuple[str, ...], source: Ints) -> tuple[pa.Array, pa.Array]:
    """Return the column with the list at `way` turned into its elements, and each one's index (null where none is).

    `source` holds, for each row to be, the row that it comes from: each row as often as `element_counts` says.
    """
    if way:
        children = column.flatten()
        index = [field.name for field in column.type].index(way[0])
        inner, element = explode(children[index], way[1:], source)
        taken = [inner if i == index else child.take(pa.array(source)) for i, child in enumerate(children)]
        fields = [pa.field(f.name, part.type) for f, part in zip(column.type, taken, strict=True)]
        return pa.StructArray.from_arrays(taken, fields=fields, mask=column.is_null().take(pa.array(source))), element
    if not is_list(column.type):
        return column.take(pa.array(source)), pa.nulls(len(source), pa.int32())
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    rows = np.maximum(lengths, 1)
    within = np.arange(len(source)) - np.repeat(np.cumsum(rows) - rows, rows)
    empty = lengths[source] == 0
    at = (np.cumsum(lengths) - lengths)[source] + within
    values = pc.list_flatten(column).take(pa.array(at, pa.int64(), mask=empty))
    return values, pa.array(within.astype(np.int32), mask=empty)
