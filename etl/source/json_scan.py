"""Reads NDJSON through once to learn its shape: the union over all lines of all files."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from etl.source.json_lines import JsonLines, ask, matching
from etl.source.json_sql import any_of, holds
from etl.source.shape import Ambiguous, Path, Shape, load, paths, shape_of_structure, shape_of_value

#: Gives the blocks of all files, anew at each call.
Blocks = Callable[[], Iterator[JsonLines]]

# An integer that may be beyond 64 bits signed; DuckDB's structure does not tell.
_BIG = r"[:\[,]\s*-?([0-9]{20,}|9[2-9][0-9]{17})"
# An integer that a float may not hold.
_WIDE = r"[:\[,]\s*-?[0-9]{16,}\s*[,}\]]"
# Of an integer as text: a float does not hold it (its magnitude is more than 2^53).
_INEXACT = (
    "regexp_full_match(x, '-?[0-9]{16,}') AND coalesce(abs(try_cast(x AS DECIMAL(38, 0))) > 9007199254740992, true)"
)
_REMEMBERED = 100_000
_MANY = 500


def scan(connection: duckdb.DuckDBPyConnection, blocks: Blocks) -> Shape:
    """Return the shape of all lines (an object's)."""
    shape = Shape(fields={})
    seen: set[str] = set()
    wide = False
    for block in blocks():
        wide = wide or _any(matching(block.lines, _WIDE, digits=16))
        _scan_block(connection, block.lines, shape, seen)
    if wide:
        _widen(connection, blocks, shape)
    return shape


def _scan_block(connection: duckdb.DuckDBPyConnection, lines: pa.Array, shape: Shape, seen: set[str]) -> None:
    big = matching(lines, _BIG, digits=19)
    if _any(big):
        _by_hand(lines.filter(big), shape)
        lines = lines.filter(pc.invert(big))
    if not len(lines):
        return
    try:
        structures = ask(connection, lines, "json_structure(line)::VARCHAR")
    except duckdb.InvalidInputException:
        # A line with more than 128 levels: halve down to it.
        if len(lines) == 1:
            _by_hand(lines, shape)
        else:
            half = len(lines) // 2
            _scan_block(connection, lines.slice(0, half), shape, seen)
            _scan_block(connection, lines.slice(half), shape, seen)
        return
    if len(seen) > _REMEMBERED:
        seen.clear()
    different = structures.unique()
    if len(different) > _MANY and _scan_keys(connection, different, shape):
        return
    for structure in different.to_pylist():
        if structure in seen:
            continue
        try:
            shape.merge(shape_of_structure(structure))
            seen.add(structure)
        except Ambiguous:
            _by_hand(lines.filter(pc.equal(structures, structure)), shape)


def _scan_keys(connection: duckdb.DuckDBPyConnection, structures: pa.Array, shape: Shape) -> bool:
    """Take in many structures key by key: lines with a null here and there differ as wholes, but hardly in each key.

    Returns whether that was possible; nothing is taken in where it was not.
    """
    entries = "(SELECT unnest(map_entries(line::JSON::MAP(VARCHAR, JSON))) AS entry FROM lines)"
    found = Shape(fields={})
    try:
        for pair in ask(connection, structures, "list(DISTINCT entry)", entries)[0].as_py():
            found.merge(Shape(fields={pair["key"]: shape_of_structure(pair["value"])}))
    except (Ambiguous, duckdb.Error):
        return False
    shape.merge(found)
    return True


def _by_hand(lines: pa.Array, shape: Shape) -> None:
    for line in lines.to_pylist():
        try:
            shape.merge(shape_of_value(load(line)))
        except (ValueError, RecursionError):
            continue  # the reader tells of this line


def _widen(connection: duckdb.DuckDBPyConnection, blocks: Blocks, shape: Shape) -> None:
    """Make text of the paths that have floats, and integers that a float cannot hold: so no digit is lost."""
    suspects: list[tuple[Path, Shape]] = [(path, at) for path, at in paths(shape) if at.scalars == {"int", "float"}]
    if suspects:
        condition = {path: holds(path, "json_extract_string", _INEXACT) for path, _ in suspects}
        found: set[Path] = set()
        for block in blocks():
            lines = block.lines.filter(matching(block.lines, _WIDE, digits=16))
            if len(lines):
                flags = ask(
                    connection,
                    lines,
                    "[" + ", ".join(f"bool_or({any_of([test])})" for test in condition.values()) + "]",
                )
                found |= {path for path, hit in zip(condition, flags[0].as_py(), strict=True) if hit}
        for path, at in suspects:
            if path in found:
                at.scalars.add("wide")


def _any(flags: pa.Array) -> bool:
    return bool(pc.any(flags).as_py())
