"""SQL about JSON lines: the structure to read, and whether a line has something at a path."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from etl.source.shape import Path, Shape
from etl.sql import literal


def from_json(shape: Shape, names: Iterable[str], odd: frozenset[Path]) -> tuple[str, list[str]] | None:
    """Return the expression that turns a line into a struct of the columns `names`, and its fields; None for no fields.

    Paths in `odd` are left out: DuckDB cannot have them beside the others.
    """
    wanted = set(names)
    structure = {
        name: _structure(inner, (name,), odd)
        for name, inner in (shape.fields or {}).items()
        if name in wanted and (name,) not in odd
    }
    structure = {name: node for name, node in structure.items() if node is not None}
    if not structure:
        return None
    return f"from_json(line, {literal(json.dumps(structure, ensure_ascii=False))})", list(structure)


def _structure(shape: Shape, at: Path, odd: frozenset[Path]) -> Any:
    if shape.is_text():
        return "VARCHAR"
    if shape.fields is not None:
        nodes = {
            name: _structure(inner, (*at, name), odd) for name, inner in shape.fields.items() if (*at, name) not in odd
        }
        nodes = {name: node for name, node in nodes.items() if node is not None}
        return nodes or None
    if shape.items is not None:
        return [_structure(shape.items, (*at, None), odd) or "VARCHAR"]
    kind = shape.type()
    if pa.types.is_float64(kind):
        return "DOUBLE"
    if pa.types.is_boolean(kind):
        return "BOOLEAN"
    return "BIGINT" if pa.types.is_int64(kind) else "VARCHAR"


def pointer(path: Path) -> str | None:
    """Return DuckDB's notation of a path (`$."a"[*]."b"`), None where it has none (an empty key, a quote in a key)."""
    steps = []
    for step in path:
        if step is None:
            steps.append("[*]")
        elif not step or any(sign in step for sign in '"\\\0*'):
            return None
        else:
            steps.append(f'."{step}"')
    return "$" + "".join(steps)


def holds(path: Path, function: str, test: str) -> str:
    """Return a condition: at `path`, or any of its places in lists, `function` gives a value `x` that passes `test`.

    `function` is json_type or json_extract_string. A path that SQL cannot name holds always.
    """
    place = pointer(path)
    if place is None:
        return "true"
    found = f"{function}(line, {literal(place)})"
    if None not in path:
        found = f"[{found}]"
    return f"len(list_filter({found}, lambda x: x IS NOT NULL AND {test})) > 0"


def any_of(conditions: Iterable[str]) -> str:
    """Return the conditions joined by OR; false when there are none."""
    return " OR ".join(f"coalesce({condition}, false)" for condition in conditions) or "false"
