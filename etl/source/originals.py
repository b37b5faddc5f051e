"""Rows of an input by their place, as they stand in the file: what is handed back to be mended."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from etl.source.chunk import Chunk, Ints, Limits, Unread, readable
from etl.source.csv_file import CsvFile
from etl.source.inputs import Input
from etl.source.lines import whole_lines
from etl.source.marks import LINE
from etl.source.ndjson_file import NdjsonFile
from etl.source.parquet_file import ParquetFile
from etl.source.reader import Source
from etl.source.streams import open_text

_NAMED = frozenset({b"fields", b"date", b"start-date", b"software"})  # what the lines of a W3C log below them hang on


def originals(source: Source, file: int, rows: Ints) -> Iterator[Chunk]:
    """Yield the rows of one file by their numbers (sorted).

    CSV as columns of text, Parquet in its own types, NDJSON and logs as LINE. What cannot be read is `unread`; of a log all
    lines are text. Before a line of a W3C log stand the directives that it hangs on, once. Raises InputError.
    """
    reader = source.readers[file]
    if isinstance(reader, CsvFile):
        for chunk in reader.chunks(None):
            yield _only(chunk, rows)
    elif isinstance(reader, ParquetFile):
        yield from reader.as_they_are(rows)
    elif isinstance(reader, NdjsonFile):
        for block in reader.blocks():
            yield _only(Chunk(pa.table({LINE: block.lines}), block.numbers, block.unread), rows)
    else:
        yield from _lines(source.inputs[file], source.settings.encoding, file, rows)


def _only(chunk: Chunk, rows: Ints) -> Chunk:
    kept = np.flatnonzero(np.isin(chunk.rows, rows, assume_unique=True))
    wanted = np.array([item.row for item in chunk.unread], np.int64)
    unread = tuple(chunk.unread[index] for index in np.flatnonzero(np.isin(wanted, rows)).tolist())
    return Chunk(chunk.table.take(pa.array(kept)), chunk.rows[kept], unread)


def _lines(item: Input, encoding: str, file: int, rows: Ints) -> Iterator[Chunk]:
    limits = Limits()
    first = 1
    named: dict[bytes, tuple[int, bytes]] = {}
    with open_text(item, encoding) as read:
        for lines in whole_lines(read, limits.block, limits.line):
            if lines.too_long:
                if first in rows:
                    unread = (Unread(file, first, "too_long", readable(lines.data)),)
                    yield Chunk(pa.table({LINE: pa.array([], pa.string())}), np.empty(0, np.int64), unread)
                first += 1
                continue
            count = lines.data.count(b"\n")
            wanted = rows[np.searchsorted(rows, first) : np.searchsorted(rows, first + count)]
            yield _cut(lines.data, first, wanted, named)
            first += count


def _cut(data: bytes, first: int, wanted: Ints, named: dict[bytes, tuple[int, bytes]]) -> Chunk:
    """Take the wanted lines out of a block; `named` are the directives above that have not been given out yet."""
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == 0x0A)
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1] + 1)) if len(ends) else ends
    marked = np.flatnonzero(np.frombuffer(data, np.uint8)[starts] == 0x23) if len(starts) else starts
    picked = set((wanted - first).tolist())
    taken: list[tuple[int, bytes]] = []
    for index in np.union1d(marked, wanted - first).astype(np.int64).tolist():
        line = data[starts[index] : ends[index]].removesuffix(b"\r")
        name = line[1:].partition(b":")[0].strip().lower()
        if line.startswith(b"#") and name in _NAMED:
            named[name] = (first + index, line)
        elif index in picked:
            taken += sorted(named.values())
            named.clear()
            taken.append((first + index, line))
    texts = pa.array([line.decode("utf-8", "backslashreplace") for _, line in taken], pa.string())
    return Chunk(pa.table({LINE: texts}), np.array([number for number, _ in taken], np.int64))
