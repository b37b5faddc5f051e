"""Record batches of a Parquet file, in pieces whose rows take a bounded number of bytes once they are written out.

A file may hold a long value once and millions of rows that point at it. Such columns are read as dictionaries, cut by the bytes
that their rows stand for, and written out a piece at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from etl.source.chunk import Ints

#: Bytes that the texts of a piece take, about: a row that takes more stands alone.
PIECE = 64 << 20

#: A column of more bytes than a dictionary has is read as it stands where a value takes so many of them: few are repeated.
_DICTIONARY, _OWN_BYTES = 4 << 20, 8


def repeating(metadata: parquet.FileMetaData) -> list[str]:
    """Return the paths of the columns of text whose values are written once and pointed at."""
    found = set()
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for leaf in range(row_group.num_columns):
            column = row_group.column(leaf)
            bulk = column.total_uncompressed_size >= max(_DICTIONARY, _OWN_BYTES * column.num_values)
            if column.physical_type == "BYTE_ARRAY" and column.has_dictionary_page and not bulk:
                found.add(column.path_in_schema)
    return sorted(found)


def batch_rows(metadata: parquet.FileMetaData, most: int) -> int:
    """Return how many rows to read at once: as many as take about the bytes of a piece, at most `most`."""
    rows = most
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        each = row_group.total_byte_size / max(row_group.num_rows, 1)
        rows = min(rows, max(1, int(PIECE / each))) if each > 0 else rows
    return rows


def pieces(batch: pa.RecordBatch, most: int = PIECE) -> Iterator[pa.RecordBatch]:
    """Cut a batch into pieces of about `most` bytes of what its dictionaries stand for; a row is never cut."""
    sizes = sum((_sizes(column) for column in batch.columns), np.zeros(batch.num_rows, np.int64))
    total = np.cumsum(sizes)
    start, done = 0, 0
    while start < batch.num_rows:
        stop = max(start + 1, int(np.searchsorted(total, done + most, side="right")))
        yield batch.slice(start, stop - start)
        start, done = stop, int(total[stop - 1])


def _sizes(array: pa.Array) -> Ints:
    """Return the bytes of each row that dictionaries stand for, at any depth."""
    if isinstance(array, pa.DictionaryArray):
        values = array.dictionary
        if not (pa.types.is_string(values.type) or pa.types.is_binary(values.type)):
            return np.zeros(len(array), np.int64)
        lengths = pc.fill_null(pc.binary_length(values), 0).take(array.indices)
        return np.asarray(pc.fill_null(lengths, 0).to_numpy(zero_copy_only=False), np.int64)
    if not _has_dictionary(array.type):
        return np.zeros(len(array), np.int64)
    if pa.types.is_struct(array.type):
        return sum((_sizes(part) for part in array.flatten()), np.zeros(len(array), np.int64))
    if pa.types.is_map(array.type):
        inner = _sizes(array.keys) + _sizes(array.items)
        ends: Ints = array.offsets.to_numpy().astype(np.int64)
    else:
        inner, ends = _sizes(array.values), array.offsets.to_numpy().astype(np.int64)
    summed = np.concatenate((np.zeros(1, np.int64), np.cumsum(inner)))
    return np.asarray(summed[ends[1:]] - summed[ends[:-1]], np.int64)


def _has_dictionary(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return True
    return any(_has_dictionary(kind.field(i).type) for i in range(kind.num_fields))
