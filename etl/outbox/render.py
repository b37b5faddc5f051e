"""Matches become events: their body, their identity, and what the elimination needs to know of them."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from etl.outbox.fold import LINES
from etl.outbox.shape import MOMENT, Shape
from etl.sql import fetch, quote
from etl.tables import ELEMENT, FILE, ORDINAL, ROW

#: One row an event before the elimination. `lines` is the number of matches that it stands for.
STAGED = pa.schema(
    [
        pa.field("rule", pa.int16()),
        pa.field("file", pa.int32()),
        pa.field("row", pa.int64()),
        pa.field("element", pa.int32()),
        pa.field("ordinal", pa.int64()),
        pa.field("item", pa.int32()),
        pa.field("lines", pa.int64()),
        pa.field("key", pa.string()),
        pa.field("instant", pa.timestamp("us", tz="UTC")),
        pa.field("id", pa.binary(16)),
        pa.field("twin", pa.uint64()),
        pa.field("lane", pa.uint64()),
        pa.field("grp", pa.binary()),
        pa.field("content", pa.uint64()),
        pa.field("body", pa.string()),
    ]
)


def moments(matches: pa.Table, first_rows: list[bytes] | None) -> pa.Array:
    """Return what places each match in time: its instant in µs, or, in a job without time, its file's first row and its row's number.

    `first_rows` is a hash of each file's first data row: a longer, renamed or recompressed file keeps it (RULES §1).
    """
    if first_rows is None:
        return matches["instant"].cast(pa.int64()).cast(pa.string())
    names = pa.array([hash_.hex() for hash_ in first_rows], pa.string())
    return pc.binary_join_element_wise(names.take(matches[FILE].combine_chunks()), matches[ROW].cast(pa.string()), ":")


def render(
    shape: Shape, matches: pa.Table, first_rows: list[bytes] | None, connection: duckdb.DuckDBPyConnection
) -> pa.Table:
    """Return one STAGED row for each match (or folded event) of a rule."""
    connection.register("matches", matches.append_column(MOMENT, moments(matches, first_rows)))
    lines = quote(LINES) if LINES in matches.column_names else "1"
    columns = {
        "rule": str(shape.index),
        "file": FILE,
        "row": ROW,
        "element": ELEMENT,
        "ordinal": ORDINAL,
        "item": "_item",
        "lines": lines,
        "key": quote("key"),
        "instant": "instant",
        **shape.identity_columns(),
        "body": shape.event_json(),
    }
    listed = ", ".join(f"{sql} AS {quote(name)}" for name, sql in columns.items())
    texts = ", ".join(f"{sql} AS {quote(name)}" for name, sql in shape.identity_texts().items())
    table = fetch(connection, f"SELECT {listed} FROM (SELECT *, {texts} FROM matches)")
    connection.unregister("matches")
    return table.cast(STAGED)


def line_columns(shape: Shape, lines: pa.Table, connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Add `_json` and `_content`, a line's product as JSON and for identity; its fields are then no longer needed."""
    connection.register("matches", lines)
    own = {c.column for c in shape.fields}
    kept = ", ".join(quote(name) for name in lines.column_names if name not in own)
    statement = f"SELECT {kept}, {shape.line_json()} AS _json, {shape.line_content()} AS _content FROM matches"
    table = fetch(connection, statement)
    connection.unregister("matches")
    return table
