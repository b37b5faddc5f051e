"""The way into the source room: `open_source` gives a `Source`, which yields the job's input in Arrow batches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
import pyarrow as pa

from etl.errors import InputError
from etl.source.access_log import Detected, detect_log, open_access_log
from etl.source.chunk import Chunk, FileReader, Ints, Limits, Unread
from etl.source.conform import conform, united
from etl.source.csv_file import CsvFile
from etl.source.explode import element_counts, explode, exploded_schema, find_list, has_list, pieces
from etl.source.formats import format_of
from etl.source.inputs import Input, find_inputs
from etl.source.json_own import exploded, own_fields
from etl.source.names import Names
from etl.source.ndjson_file import NdjsonFile, open_ndjson
from etl.source.parquet_file import ParquetFile
from etl.source.partitions import Partitions
from etl.source.settings import Format, SourceSettings
from etl.source.streams import check_encoding
from etl.tables import OWN, PLACE, hollow, is_hollow, opened


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows. `table` has the source's columns (or those asked for) and the place columns of `etl.tables.PLACE`.

    `unread` are the rows among them that cannot be read. Batches follow each other in order, so `_ordinal` only grows;
    an unread row takes an ordinal too, so every row read is counted: `table.num_rows + len(unread)`.
    """

    table: pa.Table
    unread: tuple[Unread, ...]


class Source:
    """A job's input, whatever its format; read it as often as needed.

    `inputs` are the files, in order; a place's `_file` is an index into them. `schema` has the columns of all files, by
    name, without the place columns: known before any row is read. `own` has the columns of each row's own JSON, beside
    those whose types all rows settle: read where they are asked for. `settings` are the ones it was opened with (`decimal`
    is the mapping's). `format` is what the files are; `notes` are lines for people about what was found out of them.
    `log_format` names the format of logs as `source.log_format` takes it; `readers` read a file each.
    """

    def __init__(
        self,
        settings: SourceSettings,
        inputs: list[Input],
        files: Sequence[FileReader],
        fmt: Format,
        log: Detected | None = None,
    ) -> None:
        self.settings = settings
        self.inputs = inputs
        self.format = fmt
        self.notes: tuple[str, ...] = (log.note,) if log is not None else ()
        self.log_format = _name_of(log, settings) if log is not None else None
        self.readers = files
        self._is_open = fmt == "ndjson" or (log is not None and log.keyed)
        own = _united_schema(files)
        self._folders = Partitions(self.files if settings.folders else [], own.names)
        self.notes += self._folders.notes()
        self._united = pa.schema([*own, *(pa.field(name, pa.string()) for name in self._folders.names)])
        self._way = self._list_to_explode()
        schema = exploded_schema(self._united, self._way) if self._way else self._united
        self.schema = pa.schema([_settled(field) for field in schema])
        if self._is_open:
            self.schema = opened(self.schema)
        self.own = own_fields(files[0].own) if files and isinstance(files[0], NdjsonFile) else pa.schema([])

    def _list_to_explode(self) -> tuple[str, ...]:
        """Return the way to the list that is exploded; none where no row of this input has it, though another day's may."""
        wanted = self.settings.explode
        if wanted is None or (self._is_open and not has_list(self._united, wanted)):
            return ()
        return find_list(self._united, wanted)

    @property
    def files(self) -> list[str]:
        """The files that places speak of, as they are shown."""
        return [item.shown for item in self.inputs]

    @property
    def inside(self) -> pa.Schema:
        """The columns that stand in the files, without those of folders."""
        return pa.schema([field for field in self.schema if field.name not in self._folders.names])

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[Batch]:
        """Yield all rows in order, a bounded number at a time.

        `columns` are the ones wanted, in the schema's order (all of it when None), then those of `own`; one that a file
        has not is null. Raises InputError for a file that turns out damaged.
        """
        own = [name for name in columns or () if name.startswith(OWN)]
        unknown = [name for name in columns or () if name.removeprefix(OWN) not in self.schema.names]
        if unknown:
            raise KeyError(f"no such columns in the source: {unknown}")
        wanted = [name for name in self.schema.names if columns is None or name in columns]
        read = [name for name in self.schema.names if name in wanted or (self._way and name == self._way[0])] + own
        wanted += own
        ordinal = 0
        for number, file in enumerate(self.readers):
            for chunk in file.chunks(read):
                for batch in self._batches(chunk, number, ordinal, wanted, read):
                    ordinal += batch.table.num_rows + len(batch.unread)
                    yield batch

    def doubts(self) -> list[str]:
        """Say what of the rows read may be meant otherwise, and which key of the job settles it."""
        found = []
        for item, file in zip(self.inputs, self.readers, strict=True):
            for kind, (count, line) in file.doubts.items() if isinstance(file, CsvFile) else ():
                found.append(_DOUBTS[kind].format(place=f"{item.shown}:{line}", count=f"{count:,}"))
            if isinstance(file, NdjsonFile) and file.glued is not None:
                found.append(
                    f"{item.shown}: several objects stand on one line, the first at {file.glued}: each is a row, and from there on "
                    "the numbers of its rows count objects, not lines"
                )
        return found

    def first_rows_hash(self, file: int) -> bytes:
        """Return a hash (16 bytes) of the content of a file's first data row.

        RULES §1, a job without `time`: a longer, renamed or recompressed copy of the file has the same.
        """
        return hashlib.sha256(b"clickreplay first row 1\n" + self.readers[file].first_row()).digest()[:16]

    def _batches(
        self, chunk: Chunk, number: int, ordinal: int, wanted: Sequence[str], read: Sequence[str]
    ) -> Iterator[Batch]:
        arrays = {
            name: self._folders.column(number, name, len(chunk.rows))
            if name in self._folders.names
            else self._column(chunk.table, name, number)
            for name in read
        }
        rows = chunk.rows
        counts = element_counts(arrays[self._way[0]], self._way[1:]) if self._way else np.ones(len(rows), np.int64)
        bad = np.array([item.row for item in chunk.unread], np.int64)
        # The ordinal of each row's first element: all before it, rows that became several and unread ones too.
        first = ordinal + np.cumsum(counts) - counts + np.searchsorted(bad, rows)
        given = 0
        for part in pieces(counts):
            last = part.stop == len(rows)
            upto = len(bad) if last else int(np.searchsorted(bad, rows[part.stop - 1]))
            size = part.stop - part.start
            sliced = {name: array.slice(part.start, size) for name, array in arrays.items()}
            table = self._table(sliced, wanted, number, rows[part], first[part], counts[part])
            yield Batch(table, chunk.unread[given:upto])
            given = upto
        if not len(rows) and chunk.unread:
            none = np.empty(0, np.int64)
            yield Batch(self._table(arrays, wanted, number, none, none, none), chunk.unread)

    def _column(self, table: pa.Table, name: str, number: int) -> pa.Array:
        kind = pa.string() if name.startswith(OWN) else self._united.field(name).type
        if name not in table.column_names:
            return pa.nulls(table.num_rows, kind)
        column = table.column(name)
        array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        try:
            return conform(array, kind)
        except pa.ArrowInvalid as error:
            raise InputError(
                f"{self.inputs[number].shown}, column {name}: {array.type} does not fit {kind}: {error}",
                hint="Write the files with one type for this column.",
            ) from error

    def _table(
        self, arrays: dict[str, pa.Array], wanted: Sequence[str], number: int, rows: Ints, first: Ints, counts: Ints
    ) -> pa.Table:
        """Return the rows with their places, exploded where the job says so."""
        total = int(counts.sum())
        source = np.repeat(np.arange(len(rows)), counts)
        columns: list[pa.Array] = []
        elements = pa.nulls(total, pa.int32())
        ordinals = first
        if self._way:
            column, elements = explode(arrays[self._way[0]], self._way[1:], source)
            ordinals = first[source] + np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
        for name in wanted:
            array = arrays[name]
            if self._way:
                if name == OWN + self._way[0]:
                    array = exploded(array, self._way[1:], counts)
                else:
                    array = column if name == self._way[0] else array.take(pa.array(source))
            columns.append(array if name.startswith(OWN) else conform(array, self.schema.field(name).type))
        places = [
            pa.array(np.full(total, number, np.int32)),
            pa.array(rows[source]),
            elements,
            pa.array(ordinals, pa.int64()),
        ]
        kinds = [pa.field(n, pa.string()) if n.startswith(OWN) else self.schema.field(n) for n in wanted]
        schema = pa.schema([*kinds, *PLACE])
        return pa.Table.from_arrays([*columns, *places], schema=schema)


def open_source(settings: SourceSettings, folder: Path, limits: Limits | None = None) -> Source:
    """Find a job's inputs and learn their columns; relative paths start at `folder`.

    CSV headers and Parquet footers are read, NDJSON is read through once; of access logs the first lines tell the
    format. Raises InputError (exit 4) for an input that is missing or cannot be read, JobError (exit 2) for a format,
    encoding, delimiter or `explode` that will not do.
    """
    limits = limits or Limits()
    check_encoding(settings.encoding)
    inputs = find_inputs(settings.paths, folder)
    fmt = format_of(inputs, settings)
    names = Names()
    files: Sequence[FileReader]
    log: Detected | None = None
    if fmt == "csv":
        files = [CsvFile(item, number, settings, names, limits) for number, item in enumerate(inputs)]
    elif fmt == "parquet":
        files = [ParquetFile(item, names) for item in inputs]
    elif fmt == "ndjson":
        files = open_ndjson(inputs, settings, limits)
    else:
        log = detect_log(inputs, settings.encoding, settings.log_format)
        files = open_access_log(inputs, settings, log, limits)
    return Source(settings, inputs, files, fmt, log)


_DOUBTS = {
    "quote": "{count} quoted fields span lines and hold the delimiter, the first at {place}: lone quotes may have swallowed rows; "
    "write `source.quote: none` where quotes are text, or `source.quote: '\"'` where this is right",
    "escape": "a backslash stands before a quote {count} times, the first at {place}; "
    "write `source.escape: \\` where it escapes the quote, or `source.escape: none` where it is text",
    "null": "{count} values are \\N, the first at {place}; "
    "write `source.null: \\N` where it means null, or `source.null: []` where it is text",
}


def _name_of(log: Detected, settings: SourceSettings) -> str | None:
    """Return what `log_format` would say of a log: its name, or the server's own format string as the job has it."""
    return settings.log_format if log.given else log.name


def _united_schema(files: Sequence[FileReader]) -> pa.Schema:
    """Return the columns of all files by name, in order of first appearance."""
    found: dict[str, list[pa.Field]] = {}
    for file in files:
        for field in file.schema:
            found.setdefault(field.name, []).append(field)
    return pa.schema([_united(fields) for fields in found.values()])


def _united(fields: Sequence[pa.Field]) -> pa.Field:
    """Return the field that holds all of these; where they are alike it keeps what is known of it."""
    first = fields[0]
    kind = reduce(united, [field.type for field in fields])
    alike = kind.equals(first.type) and all(is_hollow(field) for field in fields) == is_hollow(first)
    return first if alike else pa.field(first.name, kind)


def _settled(field: pa.Field) -> pa.Field:
    """Return a field with text where nothing but null was seen, and the mark that it holds nothing."""
    kind = field.type
    if pa.types.is_null(kind):
        return hollow(field.name, null=True)
    if is_hollow(field):
        return field
    if pa.types.is_list(kind):
        return pa.field(field.name, pa.list_(_settled(kind.value_field)))
    if pa.types.is_struct(kind):
        return pa.field(field.name, pa.struct([_settled(inner) for inner in kind]))
    return pa.field(field.name, kind)
