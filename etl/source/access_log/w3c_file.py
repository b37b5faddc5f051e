"""A log in the W3C extended format: what its fields are stands in the file, and may change on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from etl.source.access_log.line_file import blocks, first_line, table_of, too_long, unread_lines
from etl.source.access_log.octets import Block, Flags
from etl.source.access_log.vocabulary import VOCABULARY
from etl.source.access_log.w3c_columns import w3c_columns
from etl.source.access_log.w3c_cut import W3cCut
from etl.source.access_log.w3c_layout import Directives, W3cLayout
from etl.source.chunk import Chunk, Ints, Limits, readable
from etl.source.inputs import Input
from etl.source.lines import whole_lines
from etl.source.settings import SourceSettings
from etl.source.streams import open_text

_MARK = ord("#")


class W3cFile:
    """Reads one log. All of it is searched for directives first, since any of them may name further columns.

    `given` is the layout of lines that stand before a directive. Directive lines are no rows.
    """

    def __init__(
        self, item: Input, number: int, settings: SourceSettings, given: W3cLayout | None, limits: Limits
    ) -> None:
        self._item = item
        self._number = number
        self._encoding = settings.encoding
        self._given = given
        self._limits = limits
        names = list(VOCABULARY)
        for layout in self._layouts():
            names += [name for name in layout.own if name not in names]
        self.schema = pa.schema([pa.field(name, pa.string()) for name in names])

    def first_row(self) -> bytes:
        """Return the first line that is neither blank nor a directive, without its line end."""
        return first_line(self._item, self._encoding, b"#")

    def chunks(self, columns: Sequence[str] | None) -> Iterator[Chunk]:
        """Yield the lines that fit as rows, with those of `columns` that there are; the others are unread."""
        wanted = [name for name in self.schema.names if columns is None or name in columns]
        directives = Directives(self._given)
        for line, block in blocks(self._item, self._encoding, self._limits):
            if isinstance(block, Block):
                yield from self._block(block, line, directives, wanted)
            else:
                yield too_long(self._number, line, block)

    def _layouts(self) -> Iterator[W3cLayout]:
        directives = Directives(self._given)
        if self._given is not None:
            yield self._given
        with open_text(self._item, self._encoding) as read:
            for lines in whole_lines(read, self._limits.block, self._limits.line):
                for text in _marked(lines.data):
                    if directives.take(text) and directives.layout is not None:
                        yield directives.layout

    def _block(self, block: Block, line: int, directives: Directives, wanted: Sequence[str]) -> Iterator[Chunk]:
        """Yield a chunk for each run of lines that are read alike."""
        misread = block.misread()
        for layout, rows in runs(block, directives):
            candidates = rows.copy()
            candidates[misread] = False
            fits, found = np.zeros(len(rows), np.bool_), dict[str, pa.Array]()
            if layout is not None:
                cut, fits = cut_run(block, layout, candidates)
                found = w3c_columns(block, layout, cut.starts[fits], cut.ends[fits], cut.doubled[fits], wanted)
            good: Ints = np.flatnonzero(fits)
            bad = np.flatnonzero(rows & ~fits).tolist()
            unread = unread_lines(self._number, block, line, bad, set(misread.tolist()))
            yield Chunk(table_of(found, wanted, len(good)), good + line, unread)


def runs(block: Block, directives: Directives) -> Iterator[tuple[W3cLayout | None, Flags]]:
    """Yield runs of rows of a block, each marked, with the layout that the directives before it name."""
    marked = block.at(block.starts) == _MARK
    rows = ~(marked | block.blank())
    begins = 0
    for index in [*np.flatnonzero(marked).tolist(), len(rows)]:
        layout = directives.layout
        if index == len(rows) or directives.take(readable(block.line(index))):
            run = np.zeros(len(rows), np.bool_)
            run[begins:index] = rows[begins:index]
            if run.any():
                yield layout, run
            begins = index


def cut_run(block: Block, layout: W3cLayout, rows: Flags) -> tuple[W3cCut, Flags]:
    """Cut the marked lines; mark those that fit: so many fields, with a date and a time where these should be."""
    cut = W3cCut(block, len(layout.names), rows)
    fits = cut.fits.copy()
    for role, mark, place in (("date", b"-", 4), ("local_date", b"-", 4), ("clock", b":", 2), ("local_clock", b":", 2)):
        if role in layout.roles:
            fits &= block.stands(mark, cut.starts[:, layout.roles[role]] + place)
    return cut, fits


def _marked(data: bytes) -> Iterator[str]:
    """Yield the lines of a block that begin with `#`."""
    at = 0 if data.startswith(b"#") else data.find(b"\n#") + 1
    while at or data.startswith(b"#"):
        end = data.find(b"\n", at)
        yield readable(data[at : end if end >= 0 else len(data)])
        following = data.find(b"\n#", end)
        if end < 0 or following < 0:
            return
        at = following + 1
