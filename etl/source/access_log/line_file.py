"""An access log of one layout, read in blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from etl.source.access_log.columns import columns_of
from etl.source.access_log.cut import cut
from etl.source.access_log.layout import Layout
from etl.source.access_log.octets import Block
from etl.source.access_log.vocabulary import VOCABULARY
from etl.source.chunk import Chunk, Limits, Unread, readable
from etl.source.inputs import Input
from etl.source.lines import whole_lines
from etl.source.settings import SourceSettings
from etl.source.streams import filled, open_text

_HEAD = 65_536


class LineFile:
    """Reads one log; the columns are the vocabulary (null where the layout lacks one) and the layout's own, as text."""

    def __init__(self, item: Input, number: int, settings: SourceSettings, layout: Layout, limits: Limits) -> None:
        self._item = item
        self._number = number
        self._encoding = settings.encoding
        self._layout = layout
        self._limits = limits
        self.schema = pa.schema([pa.field(name, pa.string()) for name in (*VOCABULARY, *layout.columns)])

    def first_row(self) -> bytes:
        """Return the first line that is not blank, without its line end."""
        return first_line(self._item, self._encoding)

    def chunks(self, columns: Sequence[str] | None) -> Iterator[Chunk]:
        """Yield the lines that fit as rows, with those of `columns` that there are; the others are unread."""
        wanted = [name for name in self.schema.names if columns is None or name in columns]
        for line, block in blocks(self._item, self._encoding, self._limits):
            if not isinstance(block, Block):
                yield too_long(self._number, line, block)
                continue
            chunk = self._chunk(block, line, wanted)
            if len(chunk.rows) or chunk.unread:
                yield chunk

    def _chunk(self, block: Block, line: int, wanted: Sequence[str]) -> Chunk:
        filled_lines = ~block.blank()
        misread = block.misread()
        candidates = filled_lines.copy()
        candidates[misread] = False
        found = cut(block, self._layout, candidates)
        bad = np.flatnonzero(filled_lines & ~found.fits)
        unread = unread_lines(self._number, block, line, bad.tolist(), set(misread.tolist()))
        good = np.flatnonzero(found.fits)
        table = table_of(columns_of(block, self._layout, found.only(found.fits), wanted), wanted, len(good))
        return Chunk(table, good + line, unread)


def table_of(found: dict[str, pa.Array], wanted: Sequence[str], rows: int) -> pa.Table:
    """Return the wanted columns as a table; those that were not found are null."""
    arrays = [found[name] if name in found else pa.nulls(rows, pa.string()) for name in wanted]
    schema = pa.schema([pa.field(name, array.type) for name, array in zip(wanted, arrays, strict=True)])
    if not wanted:
        return pa.table({"_": pa.nulls(rows)}).select([])
    return pa.Table.from_arrays(arrays, schema=schema)


def unread_lines(file: int, block: Block, line: int, bad: Sequence[int], misread: set[int]) -> tuple[Unread, ...]:
    """Return the lines (by index in the block, whose first line is number `line`) that do not fit."""
    return tuple(
        Unread(file, line + index, "utf8" if index in misread else "log_line", readable(block.line(index)))
        for index in bad
    )


def blocks(item: Input, encoding: str, limits: Limits) -> Iterator[tuple[int, Block | bytes]]:
    """Yield a log's lines in blocks, each with the number of its first line; of a line beyond the limit its start."""
    line = 1
    with open_text(item, encoding) as read:
        for lines in whole_lines(read, limits.block, limits.line):
            if lines.too_long:
                yield line, lines.data
                line += 1
            elif lines.data:
                block = Block(lines.data)
                yield line, block
                line += len(block.starts)


def too_long(file: int, line: int, start: bytes) -> Chunk:
    """Return the chunk of a line that is longer than the limit."""
    none = pa.table({"_": pa.nulls(0)}).select([])
    return Chunk(none, np.empty(0, np.int64), (Unread(file, line, "too_long", readable(start)),))


def first_line(item: Input, encoding: str, comment: bytes | None = None) -> bytes:
    """Return the first line of a file that is not blank and does not begin with `comment`."""
    with open_text(item, encoding) as read:
        rest = b""
        while True:
            piece = filled(read, max(_HEAD, len(rest)))
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines if piece else [*lines, rest]:
                if line.strip() and not (comment and line.startswith(comment)):
                    return line.rstrip(b"\r")
            if not piece:
                return b""
