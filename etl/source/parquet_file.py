"""A Parquet file, read a batch at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from etl.errors import InputError
from etl.source.chunk import BATCH_ROWS, Chunk, Ints
from etl.source.conform import conform, plain
from etl.source.inputs import Input
from etl.source.names import Names
from etl.source.parquet_pieces import batch_rows, pieces, repeating

#: Bytes of all columns' buffers, about.
_BUFFERS = 128 << 20


class ParquetFile:
    """Reads one Parquet file; rows are numbered from 1. Raises InputError where the file is damaged or none."""

    def __init__(self, item: Input, names: Names, rows: int = BATCH_ROWS) -> None:
        self._item = item
        self._repeating: list[str] = []
        self._buffer = 1 << 20
        with self._open() as file:
            own = file.schema_arrow
            leaves = file.metadata.num_columns
            self._repeating = repeating(file.metadata)
            self._rows = batch_rows(file.metadata, rows)
            instants = _int96(file)
        # Each column being read has a buffer: many columns have small ones.
        self._buffer = max(1 << 20, min(item.origin.piece, _BUFFERS // max(leaves, 1)))
        self._own = own.names
        self._odd = "" in self._own or len(set(self._own)) < len(self._own)
        named = names.of_file([name or "column" for name in self._own])
        # Spark, Hive and Trino write INT96 in UTC; Arrow shows it as a time without a zone.
        kinds = [pa.timestamp("us", "UTC") if field.name in instants else plain(field.type) for field in own]
        self.schema = pa.schema([pa.field(name, kind) for name, kind in zip(named, kinds, strict=True)])

    def first_row(self) -> bytes:
        """Return the first row as JSON, the same whatever the file's compression or encoding."""
        with self._open() as file:
            for batch in file.iter_batches(batch_size=1):
                for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    row = dict(zip(self._own, values, strict=True))
                    return json.dumps(row, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")
        return b""

    def chunks(self, columns: Sequence[str] | None) -> Iterator[Chunk]:
        """Yield the rows with those of `columns` that the file has."""
        wanted = [i for i, name in enumerate(self.schema.names) if columns is None or name in columns]
        leaves = self._leaves(wanted)
        row = 1
        with self._open(self._repeating) as file:
            batches = file.iter_batches(batch_size=self._rows, columns=leaves)
            for batch in (piece for whole in batches for piece in pieces(whole)):
                given = [batch.column(i if leaves is None else self._own[i]) for i in wanted]
                arrays = [conform(array, self.schema.field(i).type) for i, array in zip(wanted, given, strict=True)]
                schema = pa.schema([self.schema.field(i) for i in wanted])
                count = batch.num_rows
                table = pa.Table.from_arrays(arrays, schema=schema) if wanted else _columnless(count)
                yield Chunk(table, np.arange(row, row + count, dtype=np.int64))
                row += count
        self._item.prove()

    @property
    def own_schema(self) -> pa.Schema:
        """The columns and types as the file has them."""
        with self._open() as file:
            own: pa.Schema = file.schema_arrow
        return own

    def as_they_are(self, rows: Ints) -> Iterator[Chunk]:
        """Yield the rows of these numbers (sorted) in the file's own types; row groups without any are not read."""
        with self._open() as plain_file:
            schema = plain_file.schema_arrow
        with self._open(self._repeating) as file:
            first = 1
            for group in range(file.num_row_groups):
                count = file.metadata.row_group(group).num_rows
                if np.searchsorted(rows, first) < np.searchsorted(rows, first + count):
                    row = first
                    batches = file.iter_batches(batch_size=self._rows, row_groups=[group])
                    for batch in (piece for whole in batches for piece in pieces(whole)):
                        found = rows[np.searchsorted(rows, row) : np.searchsorted(rows, row + batch.num_rows)]
                        if len(found):
                            taken = batch.take(pa.array(found - row))
                            yield Chunk(pa.Table.from_batches([taken]).cast(schema), found)
                        row += batch.num_rows
                first += count

    def _leaves(self, wanted: Sequence[int]) -> list[str] | None:
        """Return what to ask the file for: its names of the wanted columns; None is all of them, as where names are no help."""
        return None if self._odd or len(wanted) == len(self._own) else [self._own[i] for i in wanted]

    @contextmanager
    def _open(self, repeating: Sequence[str] = ()) -> Iterator[parquet.ParquetFile]:
        try:
            # Pages are read as they are needed (no pre_buffer), so a large row group does not stand in memory whole.
            # Microseconds for old int96 times: nanoseconds end in 2262.
            with (
                self._item.arrow() as source,
                parquet.ParquetFile(
                    source,
                    pre_buffer=False,
                    buffer_size=self._buffer,
                    coerce_int96_timestamp_unit="us",
                    read_dictionary=list(repeating) or None,
                ) as file,
            ):
                yield file
        except (OSError, pa.ArrowException) as error:
            self._item.prove()
            said = str(error).splitlines()[0]
            raise InputError(
                f"cannot read {self._item.shown} as Parquet: {said}",
                hint="Is the file whole? If it is another format, name it: `format:` under `source:`.",
            ) from error


def _int96(file: parquet.ParquetFile) -> frozenset[str]:
    """Return the names of the columns that are INT96 timestamps."""
    leaves = (file.schema.column(index) for index in range(file.metadata.num_columns))
    return frozenset(leaf.path for leaf in leaves if leaf.physical_type == "INT96")


def _columnless(rows: int) -> pa.Table:
    """Return a table of so many rows and no columns."""
    return pa.table({"_": pa.nulls(rows)}).select([])
