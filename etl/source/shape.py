"""The shape of JSON values: what was seen at each path over all lines, and the Arrow type that holds it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

#: int fits a float exactly, wide does not (2^53), big does not even fit 64 bits.
Scalar = Literal["bool", "int", "wide", "big", "float", "text"]

#: Deeper than this, and in objects with more keys than that, values are JSON text: no schema is meant there.
MAX_DEPTH = 32
MAX_KEYS = 1_000

_INT64 = 1 << 63
_EXACT = 1 << 53


class Number(str):
    """A number as it was written."""

    __slots__ = ()


@dataclass(slots=True)
class Shape:
    """What was seen at one path: kinds of scalars, keys of objects, elements of lists; nulls leave no trace.

    `vast`: too deep or too many keys to be a struct.
    """

    scalars: set[Scalar] = field(default_factory=set)
    fields: dict[str, Shape] | None = None
    items: Shape | None = None
    vast: bool = False

    def mixed(self) -> bool:
        """Return whether several types were seen, so that the path is text as written."""
        listed = self.items is not None and not self.sometimes_empty_list()
        sorts = bool(self.scalars) + (self.fields is not None) + listed
        return sorts > 1 or (sorts == 1 and self.scalars not in _PURE and bool(self.scalars))

    def sometimes_empty_list(self) -> bool:
        """Return whether this is an object for which some rows have `[]`, as PHP writes an object without keys."""
        return self.fields is not None and self.items is not None and self.items.is_nothing()

    def is_nothing(self) -> bool:
        """Return whether nothing but null was seen."""
        return not self.scalars and self.fields is None and self.items is None and not self.vast

    def is_text(self) -> bool:
        """Return whether the path's type is text: strings, a mixture, large integers, objects without keys."""
        return self.mixed() or self.vast or bool(self.scalars & {"text", "big"}) or self.fields == {}

    def inexact(self) -> bool:
        """Return whether DuckDB would print some value otherwise than it is written."""
        return (
            self.mixed()
            and not self.vast
            and ("float" in self.scalars or self.fields is not None or self.items is not None)
        )

    def is_empty_object(self) -> bool:
        """Return whether objects were seen, none of them with a key, and nothing else but null and `[]`."""
        return (
            self.fields == {} and not self.scalars and not self.vast and (self.items is None or self.items.is_nothing())
        )

    def varies(self) -> bool:
        """Return whether a value here or below has a type that other rows, or nothing but its size, gave it."""
        if self.sometimes_empty_list():
            return True
        if self.is_text():
            return self.mixed() or self.vast or self.scalars != {"text"}
        inside = [*(self.fields or {}).values(), *([self.items] if self.items is not None else [])]
        return any(shape.varies() for shape in inside)

    def type(self) -> pa.DataType:
        """Return the Arrow type; null where only nulls were seen."""
        if self.is_text():
            return pa.string()
        if self.fields is not None:
            return pa.struct([pa.field(name, kind.type()) for name, kind in self.fields.items()])
        if self.items is not None:
            return pa.list_(self.items.type())
        if "float" in self.scalars:
            return pa.float64()
        if "bool" in self.scalars:
            return pa.bool_()
        return pa.int64() if self.scalars else pa.null()

    def merge(self, other: Shape, depth: int = 0) -> None:
        """Take in what another saw at the same path; `depth` is that of the path."""
        self.scalars |= other.scalars
        self.vast |= other.vast
        if other.fields is not None:
            if self.fields is None:
                self.fields = {}
            for name, kind in other.fields.items():
                if name not in self.fields:
                    # The top is a table, and stays one.
                    if depth and (len(self.fields) >= MAX_KEYS or depth >= MAX_DEPTH):
                        self.vast = True
                        break
                    self.fields[name] = Shape()
                self.fields[name].merge(kind, depth + 1)
        if other.items is not None:
            if depth >= MAX_DEPTH:
                self.vast = True
            self.items = self.items or Shape()
            if not self.vast:
                self.items.merge(other.items, depth + 1)


_PURE: tuple[set[Scalar], ...] = (
    {"bool"},
    {"text"},
    {"float"},
    {"int", "float"},
    {"int"},
    {"wide"},
    {"big"},
    {"int", "wide"},
    {"int", "big"},
    {"wide", "big"},
    {"int", "wide", "big"},
)


_DUCKDB: dict[str, set[Scalar]] = {
    "NULL": set(),
    "BOOLEAN": {"bool"},
    "BIGINT": {"int"},
    "UBIGINT": {"int"},
    "HUGEINT": {"int"},
    "DOUBLE": {"float"},
    "VARCHAR": {"text"},
}


class Ambiguous(Exception):  # noqa: N818 - no error: the line must be looked at itself
    """DuckDB's structure does not say what was seen (`JSON` in a list is a mixture or an empty object)."""


def shape_of_structure(text: str) -> Shape:
    """Return the shape that DuckDB's `json_structure` of a line tells. Raises Ambiguous."""
    return _of_structure(json.loads(text), listed=False)


def _of_structure(node: Any, *, listed: bool) -> Shape:
    if isinstance(node, dict):
        return Shape(fields={name: _of_structure(value, listed=listed) for name, value in node.items()})
    if isinstance(node, list):
        return Shape(items=_of_structure(node[0], listed=True))
    if node == "JSON":
        if listed:
            raise Ambiguous
        return Shape(fields={})
    return Shape(scalars=set(_DUCKDB[node]))


def load(line: str) -> Any:
    """Parse a line, numbers as written; of equal keys the first counts, NaN is null. Raises ValueError, RecursionError."""
    return _DECODER.decode(line)


def _first(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else dict(reversed(pairs))


_DECODER = json.JSONDecoder(
    parse_float=Number, parse_int=Number, parse_constant=lambda _: None, object_pairs_hook=_first
)


def shape_of_value(value: Any, depth: int = 0) -> Shape:
    """Return the shape of a value that `load` gave; below the depth at which all is text, nothing is looked at."""
    if depth > MAX_DEPTH + 1 and isinstance(value, dict | list):
        return Shape(fields={})
    if isinstance(value, dict):
        return Shape(fields={name: shape_of_value(inner, depth + 1) for name, inner in value.items()})
    if isinstance(value, list):
        items = Shape()
        for inner in value:
            items.merge(shape_of_value(inner, depth + 1), depth + 1)
        return Shape(items=items)
    if value is None:
        return Shape()
    if isinstance(value, bool):
        return Shape(scalars={"bool"})
    return Shape(scalars={_number(value) if isinstance(value, Number) else "text"})


def _number(text: Number) -> Scalar:
    digits = text.removeprefix("-")
    if not digits.isdigit() or text == "-0":
        return "float"
    if len(digits) > 19:
        return "big"
    value = int(text)
    if -_INT64 <= value < _INT64:
        return "wide" if abs(value) > _EXACT else "int"
    return "big"


#: One step of a path: a key, or None for the elements of a list.
Path = tuple[str | None, ...]


def paths(shape: Shape, at: Path = ()) -> Iterator[tuple[Path, Shape]]:
    """Yield every path that has a column or field of its own, with its shape; nothing below a path that is text."""
    if at:
        yield at, shape
    if at and shape.is_text():
        return
    for name, inner in (shape.fields or {}).items():
        yield from paths(inner, (*at, name))
    if shape.items is not None:
        yield from paths(shape.items, (*at, None))


def written(value: Any) -> str:
    """Return a value that `load` gave as text: a scalar without quotes, a list or object as JSON without blanks."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    """Write JSON without recursion: a value may be nested deeper than Python calls may be."""
    parts: list[str] = []
    todo: list[tuple[bool, Any]] = [(False, value)]
    while todo:
        is_sign, item = todo.pop()
        if is_sign or isinstance(item, Number):
            parts.append(str(item))
        elif isinstance(item, dict):
            todo.append((True, "}"))
            for index, (name, inner) in reversed(list(enumerate(item.items()))):
                todo.append((False, inner))
                todo.append((True, f"{',' if index else ''}{json.dumps(name, ensure_ascii=False)}:"))
            parts.append("{")
        elif isinstance(item, list):
            todo.append((True, "]"))
            for index, inner in reversed(list(enumerate(item))):
                todo.append((False, inner))
                todo.append((True, "," if index else ""))
            parts.append("[")
        else:
            parts.append(json.dumps(item, ensure_ascii=False))
    return "".join(parts)
