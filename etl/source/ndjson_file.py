"""NDJSON files: one object a line, of any shapes; the columns are the union of them all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.errors import InputError
from etl.source.chunk import Chunk, Limits, Unread, readable
from etl.source.conform import conform
from etl.source.inputs import Input
from etl.source.json_lines import JsonLines, ask, json_lines
from etl.source.json_own import own_values
from etl.source.json_repair import repaired
from etl.source.json_scan import scan
from etl.source.json_sql import any_of, from_json, holds
from etl.source.names import Names
from etl.source.settings import SourceSettings
from etl.source.shape import Path, Shape, load, paths, written
from etl.source.streams import Read, filled, open_text
from etl.sql import connect
from etl.tables import OWN, Renamed, hollow

_MEMORY = "2GB"

#: The first line of a JSON document over several lines, or of an array: `[`, `{`, `[ {`, `{"events": [`.
_DOCUMENT = re.compile(rb"\[\s*(\{|$)|\{$|\{[^{}]*[\[{]$")


class Plan:
    """How lines become columns.

    `names` maps each top key to its column. `odd` are the keys that DuckDB cannot read beside the others: empty ones,
    and those that differ from another only in case. `inexact` are the text paths where it would print a number anew.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        keys = list(shape.fields or {})
        self.names = dict(zip(keys, Names().of_file([key or "column" for key in keys]), strict=True))
        self.odd = frozenset(_odd(shape, ()))
        fields = shape.fields or {}
        renamed = {name: dict(_renamings(fields[key])) for key, name in self.names.items()}
        #: The columns of keys that hold values of several types or fields with other names than their keys: these.
        self.own = {name: renamed[name] for key, name in self.names.items() if renamed[name] or fields[key].varies()}
        self.inexact = [path for path, at in paths(shape) if at.inexact()]
        self.sometimes_empty = [path for path, at in paths(shape) if at.sometimes_empty_list() and not at.is_text()]
        self.schema = pa.schema([_field(name, (shape.fields or {})[key]) for key, name in self.names.items()])

    def exact_lines(self, keys: Sequence[str]) -> str:
        """Return the condition for lines that must be read the exact, slow way for these top keys."""
        wanted = set(keys)
        odd = (holds(path, "json_type", "true") for path in self.odd if path[0] in wanted)
        other = (
            holds(path, "json_type", "x IN ('DOUBLE', 'OBJECT', 'ARRAY')") for path in self.inexact if path[0] in wanted
        )
        empty = (holds(path, "json_type", "x = 'ARRAY'") for path in self.sometimes_empty if path[0] in wanted)
        return any_of([*odd, *other, *empty])


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(load(line.decode()), dict)
    except (ValueError, RecursionError):
        return False


def _odd(shape: Shape, at: Path) -> Iterator[Path]:
    if at and shape.is_text():
        return
    seen: set[str] = set()
    for name, inner in (shape.fields or {}).items():
        if not name or name.casefold() in seen:
            yield (*at, name)
        else:
            yield from _odd(inner, (*at, name))
        seen.add(name.casefold())
    if shape.items is not None:
        yield from _odd(shape.items, (*at, None))


def _field(name: str, shape: Shape) -> pa.Field:
    return hollow(name, null=False) if shape.is_empty_object() else pa.field(name, _renamed(shape))


def _renamed(shape: Shape) -> pa.DataType:
    """Return a shape's type with the keys of objects made unique without regard to case."""
    if shape.is_text():
        return pa.string()
    if shape.fields is not None:
        return pa.struct([_field(name, inner) for name, inner in _unique(shape.fields)])
    return pa.list_(_field("item", shape.items)) if shape.items is not None else shape.type()


def _renamings(shape: Shape, at: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield the way to each field that has another name than its key, and the key."""
    if shape.is_text():
        return
    for (name, inner), key in zip(_unique(shape.fields or {}), shape.fields or {}, strict=True):
        if name != key:
            yield (*at, name), key
        yield from _renamings(inner, (*at, name))
    if shape.items is not None:
        yield from _renamings(shape.items, (*at, None))


def _unique(fields: dict[str, Shape]) -> list[tuple[str, Shape]]:
    names = Names(reserved=()).of_file([name or "column" for name in fields])
    return list(zip(names, fields.values(), strict=True))


def _converter(shape: Shape) -> Callable[[Any], Any]:
    """Return what turns a value that `load` gave (no null) into what Arrow takes for the shape's type."""
    if shape.is_text():
        return written
    if shape.fields is not None:
        steps = [
            (key, name, _converter(inner))
            for key, (name, inner) in zip(shape.fields, _unique(shape.fields), strict=True)
        ]
        # A list here is `[]`, as PHP writes an object without keys.
        return lambda value: (
            {name: convert(value[key]) for key, name, convert in steps if value.get(key) is not None}
            if isinstance(value, dict)
            else None
        )
    if shape.items is not None:
        convert = _converter(shape.items)
        return lambda value: [None if inner is None else convert(inner) for inner in value]
    return float if "float" in shape.scalars else int if shape.scalars & {"int", "wide"} else lambda value: value


class NdjsonFile:
    """Reads one NDJSON file by the plan of all."""

    def __init__(
        self,
        item: Input,
        number: int,
        settings: SourceSettings,
        limits: Limits,
        connection: duckdb.DuckDBPyConnection,
        reading: Callable[[Read], Read] | None = None,
    ) -> None:
        """`reading`, where given, stands between the file and what is read of it."""
        self._item = item
        self._number = number
        self._encoding = settings.encoding
        self._reading = reading
        self._limits = limits
        self._connection = connection
        self._plan = Plan(Shape(fields={}))
        #: The first row that stands with others on one line, once the lines have been read.
        self.glued: int | None = None
        self.schema = pa.schema([])

    @contextmanager
    def _open(self) -> Iterator[Read]:
        with open_text(self._item, self._encoding) as read:
            yield self._reading(read) if self._reading else read

    @property
    def columns(self) -> dict[str, str]:
        """The column of each top key."""
        return self._plan.names

    @property
    def own(self) -> Mapping[str, Renamed]:
        """The columns of which each row should also have its own JSON, with their fields that are not named as their keys."""
        return self._plan.own

    def follow(self, plan: Plan) -> None:
        """Take the plan, known when all files have been scanned."""
        self._plan = plan
        self.schema = plan.schema

    def blocks(self) -> Iterator[JsonLines]:
        """Yield the file's lines."""
        with self._open() as read:
            for block in json_lines(self._connection, read, self._number, self._limits.block, self._limits.line):
                self.glued = self.glued or block.glued
                yield block

    def check(self) -> None:
        """Raise InputError for a file that is Parquet, or JSON but not an object a line: no line would be read."""
        with self._open() as read:
            first = filled(read, 65_536).lstrip()
        if first.startswith(b"PAR1"):
            raise InputError(
                f"{self._item.shown} is a Parquet file, not NDJSON", hint="Write `format: parquet` under `source:`."
            )
        line = first.split(b"\n", 1)[0].rstrip()
        if _DOCUMENT.match(line):
            raise InputError(
                f"{self._item.shown} is one JSON document, not one object a line: it begins {readable(line)[:40]!r}",
                hint="Turn it into lines: `jq -c '.[]' FILE > FILE.ndjson` for an array, `jq -c . FILE` for objects.",
            )

    def first_row(self) -> bytes:
        """Return the first line that is not blank, without blanks around it."""
        with self._open() as read:
            data = filled(read, 65_536)
            while b"\n" not in data.lstrip() and (more := filled(read, len(data))):
                data += more
        line = data.lstrip().split(b"\n", 1)[0].rstrip()
        parts = repaired(line) if b"{" in line[1:] else None
        return parts[0] if parts is not None and len(parts) > 1 and not _is_object(line) else line

    def chunks(self, columns: Sequence[str] | None) -> Iterator[Chunk]:
        """Yield the rows with those of `columns` that any file has."""
        keys = [key for key, name in self._plan.names.items() if columns is None or name in columns]
        own = [(key, f"{OWN}{name}") for key, name in self._plan.names.items() if f"{OWN}{name}" in (columns or ())]
        for block in self.blocks():
            table, lost = self._table(block.lines, keys)
            numbers, unread = block.numbers, block.unread
            if lost:
                more = (
                    Unread(self._number, int(numbers[i]), "json", readable(block.lines[i].as_py().strip().encode()))
                    for i in lost
                )
                unread = tuple(sorted((*unread, *more), key=lambda item: item.row))
                numbers = np.delete(numbers, lost)
            lines = block.lines.take(pa.array(np.delete(np.arange(len(block.lines)), lost))) if lost else block.lines
            for key, name in own:
                table = table.append_column(name, own_values(self._connection, lines, key))
            if len(numbers) or unread:
                yield Chunk(table, numbers, unread)

    def _table(self, lines: pa.Array, keys: Sequence[str]) -> tuple[pa.Table, list[int]]:
        """Return the lines as columns, and the indices of those that could not be read after all."""
        condition = self._plan.exact_lines(keys)
        if condition == "false" or not len(lines):
            return self._fast(lines, keys), []
        flags = ask(self._connection, lines, condition)
        if not pc.any(flags).as_py():
            return self._fast(lines, keys), []
        slow = np.flatnonzero(flags.to_numpy(zero_copy_only=False))
        quick = np.flatnonzero(~flags.to_numpy(zero_copy_only=False).astype(np.bool_))
        exact, lost = self._exact(lines.take(pa.array(slow)), keys)
        order = np.concatenate((quick, np.delete(slow, lost)))
        both = pa.concat_tables([self._fast(lines.take(pa.array(quick)), keys), exact])
        return both.take(pa.array(np.argsort(order))), slow[lost].tolist()

    def _fast(self, lines: pa.Array, keys: Sequence[str]) -> pa.Table:
        schema = pa.schema([self._plan.schema.field(self._plan.names[key]) for key in keys])
        reading = from_json(self._plan.shape, keys, self._plan.odd)
        parts: dict[str, pa.Array] = {}
        if reading is not None and len(lines):
            expression, fields = reading
            struct = ask(self._connection, lines, expression)
            parts = dict(zip(fields, struct.flatten(), strict=True))
        arrays = [
            conform(parts[key], field.type) if key in parts else pa.nulls(len(lines), field.type)
            for key, field in zip(keys, schema, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=schema)

    def _exact(self, lines: pa.Array, keys: Sequence[str]) -> tuple[pa.Table, list[int]]:
        rows: list[dict[str, Any]] = []
        lost: list[int] = []
        for index, line in enumerate(lines.to_pylist()):
            try:
                rows.append(load(line))
            except (ValueError, RecursionError):
                lost.append(index)
        fields = self._plan.shape.fields or {}
        schema = pa.schema([self._plan.schema.field(self._plan.names[key]) for key in keys])
        arrays = []
        for key, column in zip(keys, schema, strict=True):
            convert = _converter(fields[key])
            cells = (row.get(key) for row in rows)
            arrays.append(pa.array([None if cell is None else convert(cell) for cell in cells], column.type))
        return pa.Table.from_arrays(arrays, schema=schema), lost


def open_ndjson(
    inputs: Sequence[Input],
    settings: SourceSettings,
    limits: Limits,
    reading: Callable[[Read], Read] | None = None,
) -> list[NdjsonFile]:
    """Open NDJSON inputs: all are read through once, to learn the columns. Raises InputError.

    `reading`, where given, stands between each file and what is read of it.
    """
    connection = connect(memory=_MEMORY)
    files = [NdjsonFile(item, number, settings, limits, connection, reading) for number, item in enumerate(inputs)]
    for file in files:
        file.check()
    plan = Plan(scan(connection, lambda: (block for file in files for block in file.blocks())))
    for file in files:
        file.follow(plan)
    return files
