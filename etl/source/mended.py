"""Rejected rows that were mended, as a source: each row stands where it stood in the input that it came from.

The file is one of `clickreplay rejects JOB --export`: the input's own form, with the columns of `marks` beside. A row's place and
the rules that may take it come from there, its values from the rest. Batches have the column RULES.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from etl.errors import InputError, JobError
from etl.source.chunk import Chunk, Ints, Unread
from etl.source.conform import conform, united
from etl.source.inputs import Input
from etl.source.json_own import own_fields
from etl.source.marks import (
    ANY,
    FILE_MARK,
    LINE,
    MARKS,
    PLACE_MARK,
    RULE_MARK,
    TEXT_MARK,
    places_of,
    rules_of,
    without_marks,
    written,
)
from etl.source.originals import originals
from etl.source.partitions import Partitions
from etl.source.reader import Batch, Source, open_source
from etl.source.settings import Format, SourceSettings
from etl.tables import ELEMENT, ORDINAL, PLACE, ROW, RULES, Renamed, is_open, opened

#: What the rules of a row say that could not be read.
_UNREAD = rf"^{ANY}: (ragged|utf8|too_long)$"
#: What they say of a row whose cart nobody knows: its keyValue or `lines` were wrong, or no rule has seen it.
_UNSETTLED = rf"(?:^|; ){ANY}\b|[ ,](?:no_contact|key\.|contact\.|lines\.|[a-z]+\.failed)"
#: Where a row of no place stands: a directive of a W3C log.
_NOWHERE = -1


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of the inputs of a run, by which its places can be read later.

    `first_rows` are the hashes of the files' first rows (RULES §1), in a job without `time`; else empty.
    """

    files: tuple[str, ...]
    first_rows: tuple[bytes, ...]
    schema: pa.Schema
    format: Format
    log_format: str | None


@dataclass(frozen=True, slots=True)
class _Index:
    """What the marks say of each row of the file, in its order."""

    ordinals: Ints  # of the rows in the file itself
    lines: Ints  # their numbers there
    file: npt.NDArray[np.int32]
    row: Ints
    rank: Ints  # of its place among all


class MendedSource:
    """Reads one file of mended rows; a source like any other, but for RULES. Raises InputError where a row has no place.

    `run` is the name of the run that refused the rows. `files` are those that places speak of: the run's, then the file itself, for
    rows that cannot be read.
    """

    def __init__(self, path: Path, origin: Origin, settings: SourceSettings, scratch: Path) -> None:
        """Open the file and read all its marks; `scratch` is a folder for a log's lines."""
        self._origin, self.settings = origin, settings
        self._file = _open(path, origin.format, settings)
        self.inputs: list[Input] = self._file.inputs
        self.format = origin.format
        self.log_format = origin.log_format
        self.notes: tuple[str, ...] = ()
        self.files = [*origin.files, self.inputs[0].shown]
        log = scratch / "lines.log" if origin.format == "access_log" else None
        self._folders = Partitions(self.files, ["."])
        self._index, self.run = self._read_marks(log)
        self._rows = self._file if log is None else _open_log(log, origin, settings)
        self._is_log = log is not None
        self.schema = self._schema()
        self.own = self._own()

    def first_rows_hash(self, file: int) -> bytes:
        """Return the hash of the first data row of a file of the run that refused the rows."""
        return self._origin.first_rows[file] if file < len(self._origin.first_rows) else b""

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[Batch]:
        """Yield the rows with their old places, ordered by them within a batch: all columns, and those of `own` among `columns`."""
        own = [name for name in columns or () if name in self.own.names]
        rules = self._rules_of_lines() if self._is_log else None
        for batch in self._rows.batches([*self._rows.schema.names, *own]):
            at = self._at(batch.table)
            table = self._values(batch.table, self._index.file[at])
            for name in own:
                table = table.append_column(name, batch.table[name])
            elements = batch.table[ELEMENT].combine_chunks()
            if rules is None:
                allowed = self._allowed(batch.table[RULE_MARK].combine_chunks(), elements, batch.table[ROW])
            else:
                allowed = rules.take(pa.array(at))
            numbers = (self._index.file[at], self._index.row[at], self._index.rank[at])
            file, row, rank = (pa.array(values) for values in numbers)
            for field, values in zip(PLACE, (file, row, elements, rank), strict=True):
                table = table.append_column(field, values)
            table = table.append_column(RULES, allowed)
            still = self._still_unread(batch.table, at)
            unread = [self._moved(item) for item in batch.unread] + [item for _, item in still]
            kept = np.delete(np.arange(table.num_rows), [index for index, _ in still])
            order = kept[np.argsort(self._index.rank[at[kept]], kind="stable")]
            yield Batch(table.take(pa.array(order)), tuple(unread))

    def as_they_are(self, file: int, rows: Ints) -> Iterator[Chunk]:
        """Yield the mended rows of one file by their places (sorted), in the form of `originals`, without their marks."""
        if file == len(self._origin.files):  # rows of this file itself, which nobody could read
            yield from originals(self._file, 0, rows)
            return
        index = self._index
        mine = (index.file == file) & np.isin(index.row, rows)
        kept = np.flatnonzero(mine | (index.file == _NOWHERE))
        kept = kept[np.argsort(index.lines[kept], kind="stable")]
        lines, places = index.lines[kept], np.where(index.file[kept] == _NOWHERE, _NOWHERE, index.row[kept])
        for chunk in originals(self._file, 0, np.unique(lines)):
            table = chunk.table
            if self.format == "ndjson":
                table = pa.table({LINE: without_marks(table[LINE])})
            else:
                table = table.drop_columns([name for name in MARKS if name in table.column_names])
            yield Chunk(table, places[np.searchsorted(lines, chunk.rows)], chunk.unread)

    def unsettled(self) -> pa.Table:
        """The places (`file`, `row`) of rows of which nobody knew to which cart they belong: what says so was wrong itself."""
        found = []
        for batch in self._file.batches([RULE_MARK]):
            mask = pc.match_substring_regex(pc.fill_null(batch.table[RULE_MARK], ""), _UNSETTLED)
            found.append(mask.to_numpy())
        at = np.flatnonzero(np.concatenate(found))
        return pa.table({"file": self._index.file[at], "row": self._index.row[at]})

    @property
    def carrier(self) -> Source:
        """The file as it stands, with its marks."""
        return self._file

    @property
    def _shown(self) -> str:
        return self.inputs[0].shown

    def _read_marks(self, log: Path | None) -> tuple[_Index, str]:
        """Read the marks of all rows; write a log's lines to `log`, a line a row."""
        ordinals: list[Ints] = []
        numbers: list[Ints] = []
        files: list[Ints] = []
        rows: list[Ints] = []
        elements: list[Ints] = []
        runs: set[str] = set()
        encoding = self.settings.encoding if self.format in ("csv", "access_log") else "utf-8"
        names = pa.array([written(name, encoding) for name in self._origin.files], pa.string())
        with log.open("w", encoding="utf-8") if log else _no_file() as lines:
            for batch in self._file.batches([*MARKS, *([LINE] if log else [])]):
                table = batch.table
                if log and batch.unread:
                    raise self._strange(batch.unread[0].row, "the row cannot be read")
                places = places_of(table[PLACE_MARK].combine_chunks())
                index = pc.fill_null(pc.index_in(table[FILE_MARK].combine_chunks(), names), _NOWHERE).to_numpy()
                nowhere = pc.is_null(places.runs).to_numpy(zero_copy_only=False) | (index < 0)
                if log is not None:
                    text = table[LINE].combine_chunks()
                    marked = pc.fill_null(pc.starts_with(text, "#"), False).to_numpy(zero_copy_only=False)
                    nowhere &= ~marked
                    index = np.where(marked, _NOWHERE, index)
                    lines.writelines(f"{_one_line(line)}\n" for line in text.to_pylist())
                for bad in np.flatnonzero(nowhere)[:1].tolist():
                    what = f"{FILE_MARK} {table[FILE_MARK][bad].as_py()!r}, {PLACE_MARK} {table[PLACE_MARK][bad].as_py()!r}"
                    raise self._strange(table[ROW][bad].as_py(), f"{what} are no place of a run's input")
                runs |= set(places.runs.unique().to_pylist()) - {None}
                ordinals.append(table[ORDINAL].to_numpy())
                numbers.append(table[ROW].to_numpy())
                files.append(index)
                rows.append(places.rows)
                elements.append(pc.fill_null(table[ELEMENT], -1).to_numpy())
        if len(runs) > 1:
            raise InputError(
                f"{self._shown} has rows of several runs: {', '.join(sorted(runs))}",
                hint="replay the rejects of one run after the other, each from its own file",
            )
        if not runs:
            raise InputError(
                f"{self._shown} has no rows", hint="was the file cut off? With nothing to replay, leave it"
            )
        ordinal, number, file, row = (np.concatenate(parts) for parts in (ordinals, numbers, files, rows))
        rank = np.empty(len(row), np.int64)
        rank[np.lexsort((ordinal, np.concatenate(elements), row, file))] = np.arange(len(row))
        return _Index(ordinal, number, file.astype(np.int32), row, rank), next(iter(runs))

    def _strange(self, row: int, what: str) -> InputError:
        return InputError(
            f"{self._shown}:{row}: {what}",
            hint=f"leave {', '.join(MARKS)} as the export wrote them; a row of your own belongs into the input",
        )

    def _at(self, table: pa.Table) -> Ints:
        """Return the index of each row of a batch among all of the file."""
        if self._is_log:  # a line a row
            numbers: Ints = table[ROW].to_numpy() - 1
            return numbers
        found: Ints = np.searchsorted(self._index.ordinals, table[ORDINAL].to_numpy())
        return found

    def _allowed(self, texts: pa.Array, elements: pa.Array, rows: pa.ChunkedArray) -> pa.Array:
        rules, unnamed = rules_of(texts, elements)
        for bad in unnamed[:1].tolist():
            raise self._strange(rows[bad].as_py(), f"{RULE_MARK} {texts[bad].as_py()!r} names no rule")
        return rules

    def _rules_of_lines(self) -> pa.Array:
        """The rules of each line of a log; of a directive none."""
        parts = []
        for batch in self._file.batches([LINE, RULE_MARK]):
            texts = batch.table[RULE_MARK].combine_chunks()
            marked = pc.starts_with(pc.fill_null(batch.table[LINE].combine_chunks(), ""), "#")
            texts = pc.if_else(marked, "any", texts)
            parts.append(self._allowed(texts, batch.table[ELEMENT].combine_chunks(), batch.table[ROW]))
        return pa.chunked_array(parts).combine_chunks()

    def _schema(self) -> pa.Schema:
        """The columns of the run's input, in its types where the mended values have them, and those that were added."""
        origin, own = self._origin.schema, self._rows.schema
        fields = [
            pa.field(f.name, _kind(f.type, own.field(f.name).type) if f.name in own.names else f.type) for f in origin
        ]
        more = [f for f in own if f.name not in origin.names and f.name not in (*MARKS, TEXT_MARK)]
        schema = pa.schema([*fields, *more])
        return opened(schema) if is_open(own) else schema

    def _of_folders(self, name: str, files: npt.NDArray[np.int32]) -> pa.Array:
        """Return a column that stands in the folders of the run's files: the mended rows themselves do not have it."""
        known = pa.array([self._folders.value(file, name) for file in range(len(self.files))], pa.string())
        return known.take(pa.array(np.where(files < 0, len(self.files) - 1, files)))

    def _own(self) -> pa.Schema:
        """Return the columns of rows' own JSON: also where the refused run's other rows settled the type."""
        here = self._rows.schema
        if self.format != "ndjson":
            return pa.schema([])
        known = {field.name: field for field in self._rows.own}
        others: dict[str, Renamed] = {
            f.name: {} for f in self.schema if f.name in here.names and f.type != here.field(f.name).type
        }
        return pa.schema([*known.values(), *(field for field in own_fields(others) if field.name not in known)])

    def _values(self, table: pa.Table, files: npt.NDArray[np.int32]) -> pa.Table:
        columns = []
        for field in self.schema:
            if field.name in self._folders.names and field.name not in table.column_names:
                columns.append(self._of_folders(field.name, files))
                continue
            if field.name not in table.column_names:
                columns.append(pa.nulls(table.num_rows, field.type))
                continue
            values = table[field.name].combine_chunks()
            try:
                columns.append(conform(values, field.type))
            except pa.ArrowException as error:
                said = str(error).splitlines()[0]
                raise InputError(
                    f"{self._shown}, column {field.name}: {said}",
                    hint=f"the input has {field.type} there: write the same",
                ) from error
        return pa.Table.from_arrays(columns, schema=self.schema)

    def _still_unread(self, table: pa.Table, at: Ints) -> list[tuple[int, Unread]]:
        """The rows (by index) that could not be read and are as they were: the text alone stands in their first column."""
        if self.format == "csv":
            first, *others = (name for name in self._rows.schema.names if name not in MARKS)
            mask = pc.match_substring_regex(pc.fill_null(table[RULE_MARK], ""), _UNREAD)
            for name in others:
                mask = pc.and_(mask, pc.equal(pc.fill_null(table[name], ""), ""))
            if not others:
                return []
        elif self.format == "ndjson" and TEXT_MARK in table.column_names:
            first, mask = TEXT_MARK, pc.is_valid(table[TEXT_MARK])
        else:
            return []
        found = np.flatnonzero(mask.to_numpy())
        return [
            (
                index,
                Unread(
                    int(self._index.file[at[index]]),
                    int(self._index.row[at[index]]),
                    _reason(table[RULE_MARK][index].as_py()),
                    str(table[first][index].as_py()),
                ),
            )
            for index in found.tolist()
        ]

    def _moved(self, item: Unread) -> Unread:
        """An unread row with its old place, where that is known: that of a log's line."""
        if self._is_log and self._index.file[item.row - 1] != _NOWHERE:
            return replace(item, file=int(self._index.file[item.row - 1]), row=int(self._index.row[item.row - 1]))
        return replace(item, file=len(self.files) - 1)


def _reason(text: str) -> str:
    """The reason in `any: ragged`."""
    return text.partition(":")[2].strip() or "ragged"


def _kind(theirs: pa.DataType, ours: pa.DataType) -> pa.DataType:
    """The type of a column: the input's, wider where mended numbers or objects need it."""
    numbers = all(pa.types.is_integer(k) or pa.types.is_floating(k) or pa.types.is_decimal(k) for k in (theirs, ours))
    if numbers or (pa.types.is_nested(theirs) and pa.types.is_nested(ours)):
        return united(theirs, ours)
    return theirs


def marked_run(path: Path, fmt: Format, settings: SourceSettings) -> str:
    """Return the name of the run whose rejects stand in a file; `fmt` is the form of the run's input. Raises InputError."""
    source = _open(path, fmt, settings)
    for batch in source.batches([PLACE_MARK]):
        runs = places_of(batch.table[PLACE_MARK].combine_chunks()).runs.drop_null()
        if len(runs):
            return str(runs[0])
    raise InputError(
        f"{source.inputs[0].shown}: no row says in {PLACE_MARK} where it came from",
        hint="--replay takes the file that --export wrote, its rows mended, its columns as they were",
    )


def _open(path: Path, fmt: Format, settings: SourceSettings) -> Source:
    """Open the file by the form that the export gave it; raise InputError where it has no marks."""
    source = _opened(path, fmt, settings)
    missing = [name for name in MARKS if name not in source.schema.names]
    if missing:
        raise InputError(
            f"{source.inputs[0].shown} has no column {missing[0]}",
            hint="--replay takes the file that --export wrote, its rows mended, its columns as they were",
        )
    return source


def _opened(path: Path, fmt: Format, settings: SourceSettings) -> Source:
    # The export is written with quotes, from its first line on, whatever the input.
    given = replace(settings, paths=(str(path.absolute()),), format=fmt, log_format=None)
    # The columns in folders are those of the run's files, not of where the mended rows lie.
    given = replace(given, quote='"', escape="", skip=0, null=settings.nulls, folders=False)
    if fmt == "access_log":
        return open_source(replace(given, format="csv", explode=None, delimiter=None, columns=None), path.parent)
    if fmt != "csv":
        return open_source(given, path.parent)
    if settings.columns is not None:
        return open_source(replace(given, columns=(*settings.columns, *MARKS)), path.parent)
    try:
        source = open_source(given, path.parent)
        if all(name in source.schema.names for name in MARKS):
            return source
    except JobError:
        pass
    return open_source(replace(given, delimiter=None), path.parent)  # a spreadsheet has its own way


def _open_log(log: Path, origin: Origin, settings: SourceSettings) -> Source:
    given = replace(
        settings, paths=(str(log),), format="access_log", log_format=origin.log_format, encoding="utf-8", folders=False
    )
    return open_source(given, log.parent)


def _one_line(text: str | None) -> str:
    return " ".join((text or "").splitlines())


class _Nothing:
    """Stands for a file that is not written."""

    def writelines(self, lines: Sequence[str] | Iterator[str]) -> None:
        """Take nothing."""

    def __enter__(self) -> _Nothing:
        return self

    def __exit__(self, *_: object) -> None:
        return


def _no_file() -> _Nothing:
    return _Nothing()
