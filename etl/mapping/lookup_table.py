"""A lookup's table, read and held: its keys in DuckDB, its partners in Arrow; one partner a key, or one a key and moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from etl.errors import InputError
from etl.job.shown import shown
from etl.mapping import instants
from etl.mapping.blank import blank_to_null
from etl.mapping.lookups import INPUT, KEY, TIME, VALUE, WRONG, TableProgram
from etl.masking import masked_id
from etl.sql import fetch, quote
from etl.tables import FILE, PLACE, ROW

#: Bytes of keys and partners in all lookups of a job: they stand in memory while it is planned.
LIMIT = 256 << 20

Ints = npt.NDArray[np.int64]

_NUMBER = "n"


@dataclass(frozen=True, slots=True)
class LookupInput:
    """The files of a lookup: their columns, their names, and a way to read some of the columns, with the places of the rows."""

    schema: pa.Schema
    files: Sequence[str]
    read: Callable[[Sequence[str]], Iterator[pa.Table]]


@dataclass(frozen=True, slots=True)
class Moments:
    """Which row of a key is the newest at a moment: rows in the order of key and time, both as one number that grows."""

    times: Ints  # all times, in order, each once
    marks: Ints  # of each row: its key's code, then the rank of its time
    codes: Ints
    rows: Ints

    def find(self, codes: Ints, times: Ints) -> Ints:
        """Return the row of each code at its time; -1 where the key has none yet."""
        ranks = np.searchsorted(self.times, times, side="right")
        at = np.searchsorted(self.marks, codes * (len(self.times) + 1) + ranks, side="right") - 1
        if not len(self.rows):
            return np.full(len(codes), -1, np.int64)
        return np.where((at >= 0) & (self.codes[at] == codes), self.rows[at], -1)


@dataclass(frozen=True, slots=True)
class LookupTable:
    """A lookup at hand: `values` are the partners, `keys` the table of DuckDB that knows the number of each key."""

    values: pa.Array
    keys: str
    moments: Moments | None
    bytes: int

    def partners(
        self, asked: pa.ChunkedArray, times: pa.Array | None, connection: duckdb.DuckDBPyConnection
    ) -> pa.Array:
        """Return which of `values` each key finds, null where none; `times` are µs, and decide where the lookup is as-of."""
        found = np.full(len(asked), -1, np.int64)
        numbers = pa.array(np.arange(len(asked)))
        connection.register("asked", pa.table({KEY: asked, "row": numbers}))
        # The order that a join gives its rows in is its own affair: each says where it belongs.
        joined = fetch(connection, f'SELECT "row", {_NUMBER} FROM asked JOIN {self.keys} USING ({quote(KEY)})')
        connection.unregister("asked")
        rows, codes = (joined[name].to_numpy().astype(np.int64) for name in ("row", _NUMBER))
        if self.moments is not None and times is not None:
            present = pc.is_valid(times).to_numpy(zero_copy_only=False)[rows]
            rows, codes = rows[present], codes[present]
            moments = pc.fill_null(times, 0).to_numpy(zero_copy_only=False)[rows]
            codes = self.moments.find(codes, moments)
        found[rows] = codes
        return pa.array(found, mask=found < 0)


def load(program: TableProgram, given: LookupInput, connection: duckdb.DuckDBPyConnection, held: int) -> LookupTable:
    """Read a lookup's files and settle which row is the partner of each key.

    `held` are the bytes of the lookups before it. Raises InputError for a row that does not fit, a key that stands twice, and a
    table too large to be held.
    """
    rows = _read(program, given, connection, held)
    size = rows.nbytes
    keys = quote(f"!keys.{program.name}")
    numbered = pa.table({KEY: rows[KEY], _NUMBER: pa.array(np.arange(rows.num_rows))})
    connection.register("numbered", numbered)
    try:
        if program.lookup.as_of is None:
            _one_a_key(program, given, rows, keys, connection)
            moments = None
        else:
            moments = _many_a_key(program, given, rows, keys, connection)
    except duckdb.OutOfMemoryException as error:
        raise _too_large(program) from error
    finally:
        connection.unregister("numbered")
    return LookupTable(rows[VALUE].combine_chunks(), keys, moments, size)


def _read(program: TableProgram, given: LookupInput, connection: duckdb.DuckDBPyConnection, held: int) -> pa.Table:
    """Return place, key, partner and (as-of) time in µs of every row that `where` keeps, in the order of the files."""
    none = pa.schema([*PLACE, *(given.schema.field(name) for name in program.columns)]).empty_table()
    parts: list[pa.Table] = []
    for batch in chain([none], given.read(program.columns)):
        connection.register(INPUT, blank_to_null(batch))
        try:
            part = fetch(connection, program.statement)
        except duckdb.Error as error:  # what TRY misses, an unknown zone say; its words may hold what the row holds
            first, last = (_place(given, batch, row) for row in (0, -1))
            raise InputError(f"lookup {program.name}: an expression of it fails between {first} and {last}") from error
        parts.append(_in_time(program, part))
        _refuse_wrong(program, given, parts[-1])
        held += parts[-1].nbytes
        if held > LIMIT:
            raise _too_large(program)
    connection.unregister(INPUT)
    return pa.concat_tables(parts)


def _in_time(program: TableProgram, part: pa.Table) -> pa.Table:
    """Turn what SQL read of the time into µs, null where the row has none; one that cannot be read is wrong."""
    as_of = program.lookup.as_of
    if as_of is None:
        return part
    raw = (part[name].combine_chunks() for name in (instants.UTC_COLUMN, instants.LOCAL_COLUMN, instants.KIND_COLUMN))
    utc, local, kind = raw
    settled = instants.settle(utc, local, kind, as_of.zone, None).values
    unread = pc.and_(part[TIME], pc.is_null(settled))
    wrong = pc.if_else(unread, pc.coalesce(part[WRONG], pa.scalar("as_of")), part[WRONG])
    return (
        part.select([FILE, ROW, KEY, VALUE]).append_column(WRONG, wrong).append_column(TIME, settled.cast(pa.int64()))
    )


def _refuse_wrong(program: TableProgram, given: LookupInput, part: pa.Table) -> None:
    wrong = part.filter(pc.is_valid(part[WRONG]))
    if wrong.num_rows:
        what = wrong[WRONG][0].as_py()
        raise InputError(
            f"lookup {program.name}: {_place(given, wrong, 0)}: `{what}` does not fit this row",
            hint=f"mend the row, or leave it out by `lookups.{program.name}.where`; try_cast gives null instead",
        )


def _one_a_key(
    program: TableProgram, given: LookupInput, rows: pa.Table, keys: str, connection: duckdb.DuckDBPyConnection
) -> None:
    """Make the table of keys: of each the number of its row, the first or the last of several as `keep` says."""
    keep = program.lookup.keep
    if keep == "error":
        again = fetch(
            connection,
            f"SELECT first, again FROM (SELECT {_NUMBER} AS again, min({_NUMBER}) OVER (PARTITION BY {quote(KEY)}) AS first "
            f"FROM numbered WHERE {quote(KEY)} IS NOT NULL) WHERE again > first ORDER BY again LIMIT 1",
        )
        if again.num_rows:
            raise _twice(program, given, rows, again["first"][0].as_py(), again["again"][0].as_py())
    chosen = "max" if keep == "last" else "min"
    connection.execute(
        f"CREATE TABLE {keys} AS SELECT {quote(KEY)}, {chosen}({_NUMBER}) AS {_NUMBER} FROM numbered "
        f"WHERE {quote(KEY)} IS NOT NULL GROUP BY {quote(KEY)}"
    )


def _many_a_key(
    program: TableProgram, given: LookupInput, rows: pa.Table, keys: str, connection: duckdb.DuckDBPyConnection
) -> Moments:
    """Make the table of keys, each with a code, and the order of their rows in time. A row without a time is never anyone's."""
    connection.execute(
        f"CREATE TABLE {keys} AS SELECT {quote(KEY)}, CAST(row_number() OVER () - 1 AS BIGINT) AS {_NUMBER} "
        f"FROM (SELECT DISTINCT {quote(KEY)} FROM numbered WHERE {quote(KEY)} IS NOT NULL)"
    )
    coded = fetch(
        connection,
        f"SELECT numbered.{_NUMBER} AS row, keys.{_NUMBER} AS code FROM numbered JOIN {keys} AS keys USING ({quote(KEY)})",
    )
    numbers, codes = (coded[name].to_numpy() for name in ("row", "code"))
    times = rows[TIME].combine_chunks()
    present = pc.is_valid(times).to_numpy(zero_copy_only=False)[numbers]
    numbers, codes = numbers[present], codes[present]
    moments = pc.fill_null(times, 0).to_numpy(zero_copy_only=False)[numbers]
    order = np.lexsort((numbers, moments, codes))
    numbers, codes, moments = numbers[order], codes[order], moments[order]
    same = (codes[1:] == codes[:-1]) & (moments[1:] == moments[:-1])
    if program.lookup.keep == "error" and same.any():
        at = np.flatnonzero(same)
        first = at[np.argmin(numbers[at + 1])]
        raise _twice(program, given, rows, int(numbers[first]), int(numbers[first + 1]))
    none = np.zeros(min(1, len(numbers)), dtype=bool)
    kept = ~(np.concatenate([same, none]) if program.lookup.keep == "last" else np.concatenate([none, same]))
    numbers, codes, moments = numbers[kept], codes[kept], moments[kept]
    all_times = np.unique(moments)
    ranks = np.searchsorted(all_times, moments, side="right")
    return Moments(all_times, codes * (len(all_times) + 1) + ranks, codes, numbers)


def _twice(program: TableProgram, given: LookupInput, rows: pa.Table, first: int, again: int) -> InputError:
    at = f"lookups.{program.name}"
    if program.lookup.as_of is None:
        what, hint = "stands twice", f"say which one counts: `{at}.keep: first` or `last`; or `{at}.as_of`, by the time"
    else:
        what, hint = "stands twice at one time", f"say which one counts: `{at}.keep: first` or `last`"
    places = f"{_place(given, rows, first)} and {_place(given, rows, again)}"
    return InputError(
        f"lookup {program.name}: the key {_told(program, rows[KEY][again].as_py())} {what}: {places}", hint=hint
    )


def _too_large(program: TableProgram) -> InputError:
    return InputError(
        f"lookup {program.name} is too large: the lookups of a job may hold {LIMIT >> 20} MB in memory",
        hint="leave rows out by `where`, or join the tables before the export",
    )


def _place(given: LookupInput, rows: pa.Table, row: int) -> str:
    return f"{given.files[rows[FILE][row].as_py()]}:{rows[ROW][row].as_py()}"


def _told(program: TableProgram, key: object) -> str:
    """Return a key for a message: the places beside it tell the row, so of a person's id only what its owner knows again."""
    return f"`{masked_id(str(key))}`" if program.personal else shown(str(key))
