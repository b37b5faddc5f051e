"""`rejects --export`: refused rows in the input's own form, with three columns that say where each came from and why it was refused."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from etl.delivery.checkpoint import Checkpoint, RunRow
from etl.errors import JobError
from etl.files import replaced
from etl.flow.beside import Beside, open_beside
from etl.flow.cart_lines import lines_of
from etl.flow.inputs import JobInputs, settings_of
from etl.flow.origin import Read, read_origin, refuse_changed
from etl.flow.rejected import rejected
from etl.flow.state import Place
from etl.job.models import Job
from etl.source.chunk import Chunk, Ints
from etl.source.conform import conform
from etl.source.csv_file import CsvFile
from etl.source.formats import format_of_name
from etl.source.marks import (
    FILE_MARK,
    LINE,
    MARKS,
    PLACE_MARK,
    RULE_MARK,
    TEXT_MARK,
    UNENCODABLE,
    UNENCODABLE_IN_JSON,
    place_text,
    with_marks,
)
from etl.source.mended import MendedSource
from etl.source.originals import originals
from etl.source.parquet_file import ParquetFile
from etl.source.reader import Source, open_source

_FORMULA = r"^[=+\-@\t\r]"
_SIGNED = r"^[+-][0-9 ().,/-]*$"


@dataclass(frozen=True, slots=True)
class Exported:
    """How many rows were written, and where to; no file where there was nothing to write."""

    file: Path | None
    rows: int
    formulas: int = 0
    purged: int = 0  # rows left out, since a purge has taken their person away


def export(
    job: Job, place: Place, checkpoint: Checkpoint, run: RunRow, file: Path, *, quarantine: bool, dead: bool
) -> Exported:
    """Write the refused rows of a run to `file`, which its owner alone can read: the `quarantine`'s, those of `dead` letters.

    Raises InputError where an input is gone or has changed, JobError where the file is there or its name tells another form.
    """
    read = read_origin(place.run(run.name))
    _refuse_name(file, read)
    letters = checkpoint.dead_letters(run.run) if dead else None
    with opened(job, place, run, read) as source:
        with rejected(job, place, run, source.files, letters, quarantine=quarantine) as found:
            events = found.dead_places()
            inputs = JobInputs(source, open_beside(job, run.day) if len(events) else Beside())
            rows = found.rows(lines_of(job, run, read, inputs, events))
            purged = found.purged()
        if rows.num_rows == 0:
            return Exported(None, 0, purged=purged)
        try:
            with replaced(file) as part, _writer(part, source) as writer:
                for at in np.unique(rows["nth"].to_numpy()).tolist():
                    mine = rows.filter(pc.equal(rows["nth"], at))
                    numbers: Ints = mine["row"].to_numpy()
                    for chunk in _chunks(source, at, numbers):
                        _write(
                            writer, chunk, _Marks(source.files[at], run.name, numbers, mine["rules"].combine_chunks())
                        )
            formulas = writer.formulas if isinstance(writer, _Csv) else 0
        except OSError as error:
            raise JobError(f"{file} cannot be written: {error.strerror}", hint="name another file") from error
    return Exported(file, rows.num_rows, formulas, purged)


@contextmanager
def opened(job: Job, place: Place, run: RunRow, read: Read) -> Iterator[Source | MendedSource]:
    """Open again what a run has read, each file as it was; raise InputError where one is gone or has changed."""
    refuse_changed(run.name, read.source)
    settings = settings_of(job, run.day)
    if read.mended is None:
        paths = tuple(found.address for found in read.source)
        source = open_source(replace(settings, paths=paths, format=read.origin.format), job.folder)
        # As the run showed them: its places speak of them so.
        source.inputs = [replace(i, shown=kept.shown) for i, kept in zip(source.inputs, read.source, strict=True)]
        yield source
        return
    before = read_origin(place.run(read.mended)).origin
    with TemporaryDirectory(prefix="clickreplay-") as scratch:
        yield MendedSource(Path(read.source[0].address), before, settings, Path(scratch))


def _refuse_name(file: Path, read: Read) -> None:
    if file.exists():
        raise JobError(f"{file} is there already", hint="it may hold rows that you have mended: name another file")
    form = "csv" if read.origin.format == "access_log" else read.origin.format
    told = format_of_name(file.name)
    if told is not None and told != form:
        raise JobError(
            f"the export is {form}, as the input is, and {file.name} says {told}", hint=f"name it {file.stem}.{form}"
        )


def _chunks(source: Source | MendedSource, at: int, rows: Ints) -> Iterator[Chunk]:
    return source.as_they_are(at, rows) if isinstance(source, MendedSource) else originals(source, at, rows)


@dataclass(frozen=True, slots=True)
class _Marks:
    """What the three columns say of the rows of one file."""

    file: str
    run: str
    rows: Ints
    rules: pa.Array

    def of(self, rows: Ints) -> list[pa.Array]:
        """The columns for these rows; null for one that was not asked for: a directive of a log."""
        at = np.searchsorted(self.rows, rows)
        known = (at < len(self.rows)) & (self.rows[np.minimum(at, len(self.rows) - 1)] == rows)
        taken = pa.array(np.where(known, at, 0), mask=~known)
        files = pa.array([self.file], pa.string()).take(pa.array(np.zeros(len(rows), np.int64), mask=~known))
        return [files, place_text(self.run, pa.array(self.rows).take(taken)), self.rules.take(taken)]


class _Writer(Protocol):
    def write(self, chunk: Chunk, marks: list[pa.Array], unread: list[pa.Array]) -> None:
        """Write rows in their order, with their marks; `unread` are the marks of the chunk's unread rows."""


def _write(writer: _Writer, chunk: Chunk, marks: _Marks) -> None:
    if len(chunk.rows) or chunk.unread:
        unread = np.array([item.row for item in chunk.unread], np.int64)
        writer.write(chunk, marks.of(chunk.rows), marks.of(unread))


@contextmanager
def _writer(path: Path, source: Source | MendedSource) -> Iterator[_Writer]:
    """Give the writer of the source's form."""
    file = source.carrier if isinstance(source, MendedSource) else source
    with ExitStack() as stack:
        if source.format == "parquet":
            yield stack.enter_context(_Parquet(path, file))
        elif source.format == "ndjson":
            yield _Ndjson(stack.enter_context(_text_file(path, file, UNENCODABLE_IN_JSON)))
        else:
            stream = stack.enter_context(_text_file(path, file, UNENCODABLE))
            if source.format == "csv":
                names = [name for name in file.inside.names if name not in MARKS]
                first = file.readers[0]
                delimiter = first.delimiter if isinstance(first, CsvFile) else ","
                yield _Csv(stream, names, delimiter, headed=file.settings.columns is None)
            else:
                yield _Csv(stream, [LINE], ",", headed=True)


def _text_file(path: Path, file: Source, errors: str) -> IO[str]:
    """Open a file in the input's encoding. What that lacks can stand in the marks and in unread rows only: it is escaped."""
    return path.open("w", encoding=file.settings.encoding, errors=errors, newline="")


class _Csv:
    """Columns of text; an unread row stands as text in the first. `formulas` counts the cells that a spreadsheet would run."""

    def __init__(self, stream: IO[str], names: list[str], delimiter: str, *, headed: bool) -> None:
        self._names = names
        self.formulas = 0
        self._rows = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
        if headed:
            self._rows.writerow([*names, *MARKS])

    def write(self, chunk: Chunk, marks: list[pa.Array], unread: list[pa.Array]) -> None:
        table, empty = chunk.table, [""] * len(chunk.rows)
        values = [table[n].to_pylist() if n in table.column_names else empty for n in self._names]
        found = [*zip(chunk.rows.tolist(), zip(*values, *(m.to_pylist() for m in marks), strict=True), strict=True)]
        blank = [""] * (len(self._names) - 1)
        for item, *said in zip(chunk.unread, *(m.to_pylist() for m in unread), strict=True):
            found.append((item.row, (item.text, *blank, *said)))
        if chunk.unread:
            found.sort(key=lambda one: one[0])
        columns = [table[n] for n in self._names if n in table.column_names]
        self.formulas += sum(map(_formulas, [*columns, marks[0], pa.array([item.text for item in chunk.unread])]))
        self._rows.writerows(row for _, row in found)


def _formulas(texts: pa.Array | pa.ChunkedArray) -> int:
    """Count the texts that a spreadsheet takes for a formula: numbers and phones with a sign it takes for numbers."""
    if not pa.types.is_string(texts.type) and not pa.types.is_large_string(texts.type):
        return 0
    found = pc.and_not(pc.match_substring_regex(texts, _FORMULA), pc.match_substring_regex(texts, _SIGNED))
    return int(pc.sum(found).as_py() or 0)


class _Ndjson:
    """Lines, each with the marks as its first members; what is no object is the text of a member."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, chunk: Chunk, marks: list[pa.Array], unread: list[pa.Array]) -> None:
        lines = with_marks(chunk.table[LINE], *marks).to_pylist() if len(chunk.rows) else []
        found = [*zip(chunk.rows.tolist(), lines, strict=True)]
        for item, *said in zip(chunk.unread, *(m.to_pylist() for m in unread), strict=True):
            members = dict(zip((FILE_MARK, PLACE_MARK, RULE_MARK), said, strict=True)) | {TEXT_MARK: item.text}
            found.append((item.row, json.dumps(members, ensure_ascii=False)))
        if chunk.unread:
            found.sort(key=lambda one: one[0])
        self._stream.writelines(f"{line}\n" for _, line in found)


class _Parquet:
    """Columns in the files' own types; in the types that hold them all where these differ."""

    def __init__(self, path: Path, source: Source) -> None:
        own = [reader.own_schema for reader in source.readers if isinstance(reader, ParquetFile)]
        alike = all(schema.equals(own[0]) for schema in own) and len(set(own[0].names)) == len(own[0].names)
        self._schema = own[0].remove_metadata() if alike else source.inside
        self._alike = alike
        kept = [field for field in self._schema if field.name not in MARKS]
        self._schema = pa.schema(kept)
        marked = pa.schema([*kept, *(pa.field(name, pa.string()) for name in MARKS)])
        self._file = pq.ParquetWriter(path, marked, compression="zstd")

    def __enter__(self) -> _Parquet:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, chunk: Chunk, marks: list[pa.Array], unread: list[pa.Array]) -> None:  # noqa: ARG002 - none is unread
        table = chunk.table.drop_columns([n for n in chunk.table.column_names if n in MARKS])
        table = table.replace_schema_metadata(None) if self._alike else self._conformed(table)
        for name, values in zip(MARKS, marks, strict=True):
            table = table.append_column(name, values)
        self._file.write_table(table)

    def _conformed(self, table: pa.Table) -> pa.Table:
        known = {name.casefold(): name for name in table.column_names}
        arrays = [
            conform(table[known[f.name.casefold()]].combine_chunks(), f.type)
            if f.name.casefold() in known
            else pa.nulls(table.num_rows, f.type)
            for f in self._schema
        ]
        return pa.Table.from_arrays(arrays, schema=self._schema)
