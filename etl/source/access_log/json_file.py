"""A log with one JSON object a line, in the vocabulary of all logs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.naming import snake_case
from etl.source.access_log.durations import in_seconds
from etl.source.access_log.json_keys import JsonKeys, Path, chosen
from etl.source.access_log.line_file import table_of
from etl.source.access_log.octets import Octets, array_octets
from etl.source.access_log.request import Span, split_request, split_target
from etl.source.access_log.times import any_times
from etl.source.access_log.vocabulary import VOCABULARY
from etl.source.chunk import Chunk
from etl.source.conform import conform
from etl.source.names import Names
from etl.source.ndjson_file import NdjsonFile
from etl.tables import PLACE

_TEXT = pa.string()
_METHOD = r"^[A-Z][A-Z0-9_-]* "


class JsonLogFile:
    """Reads one log. Keys with a meaning are the vocabulary; the other ones stay, values that are no object as text."""

    def __init__(self, file: NdjsonFile, keys: JsonKeys) -> None:
        self._file = file
        kind = pa.struct(list(file.schema))
        columns = file.columns
        self._places = chosen(lambda path: _type_at(kind, columns, path) is not None, keys)
        whole = {columns[str(path[0])] for path, _ in self._places.values() if len(path) == 1}
        left = [(key, column) for key, column in columns.items() if column not in whole]
        unique = Names(reserved=(*PLACE.names, *VOCABULARY))
        names = unique.of_file([snake_case(key) or "column" for key, _ in left])
        self._own = {name: column for name, (_, column) in zip(names, left, strict=True)}
        self.schema = pa.schema(
            [
                *(pa.field(name, _TEXT) for name in VOCABULARY),
                *(pa.field(name, _own_type(file.schema.field(column).type)) for name, column in self._own.items()),
            ]
        )

    def first_row(self) -> bytes:
        """Return the first line that is not blank."""
        return self._file.first_row()

    def chunks(self, columns: Sequence[str] | None) -> Iterator[Chunk]:
        """Yield the objects as rows, with those of `columns` that there are; lines that are none are unread."""
        wanted = [name for name in self.schema.names if columns is None or name in columns]
        vocabulary = [name for name in wanted if name in VOCABULARY]
        # Path, query, method and protocol may have to come from another word's place.
        sources = {path for role, (path, _) in self._places.items() if vocabulary}
        reading = {self._file.columns[str(path[0])] for path in sources}
        reading |= {self._own[name] for name in wanted if name in self._own}
        for chunk in self._file.chunks([name for name in self._file.schema.names if name in reading]):
            found = self._vocabulary(chunk.table) if vocabulary else {}
            for name in wanted:
                if name in self._own:
                    found[name] = _own(chunk.table.column(self._own[name]).combine_chunks(), self.schema.field(name))
            yield Chunk(table_of(found, wanted, len(chunk.rows)), chunk.rows, chunk.unread)

    def _vocabulary(self, table: pa.Table) -> dict[str, pa.Array]:
        found: dict[str, pa.Array] = {}
        for role, (path, unit) in self._places.items():
            values = _value_at(table, self._file.columns, path)
            if role == "time":
                found[role] = any_times(values if _is_number(values.type) else _text(values))
            elif role == "duration":
                found[role] = in_seconds(values if _is_number(values.type) else _text(values), unit)
            else:
                found[role] = _text(values)
        if "target" in found:
            _take_apart(found)
        return found


def _take_apart(found: dict[str, pa.Array]) -> None:
    """Fill what the target says: path and query; method and protocol too where it is a whole request line."""
    octets, target = _span(found["target"])
    methodless = None
    if "method" not in found and pc.any(pc.match_substring_regex(found["target"], _METHOD)).as_py():
        parts = split_request(octets, target)
        target, methodless = parts["target"], parts["method"].absent
        for name in ("method", "target", "protocol"):
            made = _made(octets, parts[name])
            found[name] = pc.coalesce(found[name], made) if name == "protocol" and name in found else made
    for name, part in split_target(octets, target, methodless).items():
        made = _made(octets, part)
        found[name] = pc.coalesce(made, found[name]) if name in found else made


def _span(values: pa.Array) -> tuple[Octets, Span]:
    octets, starts, ends = array_octets(values)
    absent = np.asarray(values.is_null().to_numpy(zero_copy_only=False), np.bool_) | octets.absent(starts, ends)
    return octets, Span(starts, ends, absent)


def _made(octets: Octets, span: Span) -> pa.Array:
    return octets.texts(span.starts, span.ends, span.absent)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _text(values: pa.Array) -> pa.Array:
    """Return values as text; `-`, `""` and blanks are null, as everywhere in logs."""
    text = values if pa.types.is_string(values.type) else conform(values, _TEXT)
    nothing = pc.match_substring_regex(text, r'^\s*(-|"")?\s*$')
    return pc.if_else(pc.fill_null(nothing, True), pa.scalar(None, _TEXT), text)


def _own_type(kind: pa.DataType) -> pa.DataType:
    return kind if pa.types.is_nested(kind) else _TEXT


def _own(values: pa.Array, field: pa.Field) -> pa.Array:
    return values if pa.types.is_nested(field.type) else _text(values)


def _type_at(kind: pa.DataType, columns: dict[str, str], path: Path) -> pa.DataType | None:
    """Return the type of a place that holds one value; None where there is none, or an object."""
    for depth, step in enumerate(path):
        name = columns.get(str(step), "") if depth == 0 else step
        if isinstance(name, int):
            if not pa.types.is_list(kind):
                return None
            kind = kind.value_type
        else:
            index = kind.get_field_index(name) if pa.types.is_struct(kind) else -1
            if index < 0:
                return None
            kind = kind.field(index).type
    return None if pa.types.is_nested(kind) or pa.types.is_null(kind) else kind


def _value_at(table: pa.Table, columns: dict[str, str], path: Path) -> pa.Array:
    values = table.column(columns[str(path[0])]).combine_chunks()
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    for step in path[1:]:
        if isinstance(step, int):
            long = pc.greater(pc.fill_null(pc.list_value_length(values), 0), step)
            values = pc.list_element(pc.if_else(long, values, pa.scalar([None], values.type)), step)
        else:
            values = pc.struct_field(values, step)
    return values
