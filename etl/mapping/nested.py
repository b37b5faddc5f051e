"""Structs, maps and lists as JSON that depends on the row alone, whatever keys and numbers other rows of the input have.

A struct has a field for each key that any row has: those that are null here are left out, and the others stand in the
order of their names. Elements of lists keep their place, null ones too.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import duckdb
from duckdb.sqltypes import DuckDBPyType

from etl.sql import literal

#: Gives SQL of a value's JSON, null where it has none, of its SQL and its type.
Leaf = Callable[[str, str], str]


def nested_json(sql: str, kind: str, leaf: Leaf) -> str:
    """Return SQL of the JSON of a struct, map or list; `leaf` writes what holds no other values."""
    return _written(sql, duckdb.sqltype(kind), leaf, 0)


def _written(sql: str, kind: DuckDBPyType, leaf: Leaf, depth: int) -> str:
    match kind.id:
        case "struct":
            return _struct(sql, inside(kind), leaf, depth)
        case "list" | "array":
            inner = inside(kind)["child"]
            one = f"coalesce({_written(f'x{depth}', inner, leaf, depth + 1)}, 'null')"
            return (
                f"'[' || array_to_string(list_transform(CAST({sql} AS {inner}[]), lambda x{depth}: {one}), ',') || ']'"
            )
        case "map":
            key = f"CAST(to_json(CAST(x{depth}.key AS VARCHAR)) AS VARCHAR)"
            value = _written(f"x{depth}.value", inside(kind)["value"], leaf, depth + 1)
            pairs = f"list_transform(map_entries({sql}), lambda x{depth}: {key} || ':' || {value})"
            listed = f"array_to_string(list_filter({pairs}, lambda x{depth}: x{depth} IS NOT NULL), ',')"
            return f"CASE WHEN {sql} IS NOT NULL THEN '{{' || {listed} || '}}' END"
    return leaf(sql, str(kind))


def _struct(sql: str, fields: dict[str, DuckDBPyType], leaf: Leaf, depth: int) -> str:
    parts = [
        f"{literal(json.dumps(name, ensure_ascii=False) + ':')} || "
        + _written(f"struct_extract({sql}, {literal(name)})", inner, leaf, depth)
        for name, inner in sorted(fields.items())
    ]
    return f"CASE WHEN {sql} IS NOT NULL THEN '{{' || concat_ws(',', {', '.join(parts)}) || '}}' END"


def inside(kind: DuckDBPyType) -> dict[str, DuckDBPyType]:
    """The types inside of a type, by name; of a fixed list without its size."""
    return {name: inner for name, inner in kind.children if isinstance(inner, DuckDBPyType)}
