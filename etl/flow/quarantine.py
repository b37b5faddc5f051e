"""What is invalid, with its place, its reasons and its original values."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.source.chunk import Unread
from etl.sql import fetch, quote
from etl.tables import ELEMENT, FILE, ORDINAL, OWN, PLACE, QUARANTINE, ROW, RULES


def unread_rows(unread: Sequence[Unread], files: Sequence[str]) -> pa.Table:
    """Return the quarantine's rows for rows that could not be read."""
    return pa.table(
        {
            "file": pa.array([files[u.file] for u in unread], pa.string()),
            "row": pa.array([u.row for u in unread], pa.int64()),
            "element": pa.nulls(len(unread), pa.int32()),
            "rule": pa.nulls(len(unread), pa.int16()),
            "reasons": pa.array([[u.reason] for u in unread], pa.list_(pa.string())),
            "original": pa.array([u.text for u in unread], pa.string()),
        },
        schema=QUARANTINE,
    )


def invalid_matches(
    places: pa.Table,
    rule: int | None,
    reasons: pa.Array,
    batch: pa.Table,
    files: Sequence[str],
    connection: duckdb.DuckDBPyConnection,
) -> pa.Table:
    """Return the quarantine's rows for matches at `places`; their original values stand in `batch`, in the order of its ordinals."""
    at = np.searchsorted(batch[ORDINAL].to_numpy(), places[ORDINAL].to_numpy())
    ours = [name for name in batch.column_names if name in (*PLACE.names, RULES) or name.startswith(OWN)]
    originals = batch.drop_columns(ours).take(pa.array(at))
    return invalid_lines(places, rule, reasons, _as_json(originals, connection), files)


def invalid_lines(
    places: pa.Table, rule: int | None, reasons: pa.Array, originals: pa.Array, files: Sequence[str]
) -> pa.Table:
    """Return the quarantine's rows for matches at `places`, whose original values are given."""
    return pa.table(
        {
            "file": pa.array(files, pa.string()).take(places[FILE].combine_chunks()),
            "row": places[ROW].cast(pa.int64()),
            "element": places[ELEMENT].cast(pa.int32()),
            "rule": pa.array([rule] * places.num_rows, pa.int16()),
            "reasons": reasons,
            "original": originals,
        },
        schema=QUARANTINE,
    )


def first_places(refused: pa.Table, files: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return for each reason among the quarantine's rows the first place that it holds for: index of the file, row."""
    reasons = refused["reasons"].combine_chunks()
    owner = pc.list_parent_indices(reasons)
    file = pc.index_in(refused["file"], pa.array(files, pa.string())).take(owner)
    listed = pa.table({"reason": pc.list_flatten(reasons), "file": file, "row": refused["row"].take(owner)})
    firsts = listed.group_by(["reason", "file"]).aggregate([("row", "min")]).sort_by([("file", "descending")])
    return {first["reason"]: (first["file"], first["row_min"]) for first in firsts.to_pylist()}


def _as_json(table: pa.Table, connection: duckdb.DuckDBPyConnection) -> pa.Array:
    if table.num_columns == 0:
        return pa.nulls(table.num_rows, pa.string())
    connection.register("originals", table)
    packed = ", ".join(f"{quote(c)} := {quote(c)}" for c in table.column_names)
    found = fetch(connection, f"SELECT CAST(to_json(struct_pack({packed})) AS VARCHAR) AS j FROM originals")
    connection.unregister("originals")
    return found["j"].combine_chunks().cast(pa.string())
