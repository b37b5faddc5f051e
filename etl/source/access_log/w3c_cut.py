"""Cuts W3C lines into fields: those with one blank or tab between fields all at once, the others one by one."""

from __future__ import annotations

import re

import numpy as np

from etl.source.access_log.octets import Block, Flags
from etl.source.chunk import Ints

_TOKEN = re.compile(rb'"((?:[^"]|"")*)"(?=\s|$)|([^\s"]\S*)')
_TABBED = re.compile(rb'"((?:[^"]|"")*)"(?=\t|$)|([^\t]*)')
_TAB, _QUOTE = ord("\t"), b'"'


class W3cCut:
    """`starts` and `ends`, a row each line and a column each field; `fits` marks the lines that have just so many.

    `doubled` marks lines in whose quoted fields a quote is written twice.
    """

    def __init__(self, block: Block, width: int, wanted: Flags) -> None:
        separators = np.flatnonzero((block.octets == ord(" ")) | (block.octets == _TAB))
        first = np.searchsorted(separators, block.starts)
        count = np.searchsorted(separators, block.ends) - first
        self.fits = wanted & (count == width - 1) & (block.next(_QUOTE, block.starts) >= block.ends)
        self.doubled = np.zeros(len(block.starts), np.bool_)
        self.starts: Ints = np.repeat(block.starts[:, None], width, axis=1)
        self.ends: Ints = self.starts.copy()
        rows = np.flatnonzero(self.fits)
        if len(rows):
            between = separators[first[rows][:, None] + np.arange(width - 1)[None, :]]
            self.starts[rows, 1:] = between + 1
            self.ends[rows, :-1] = between
            self.ends[rows, -1] = block.ends[rows]
            # Two blanks in a row part two fields only once; between two tabs is an empty field.
            gap = (self.ends[rows] == self.starts[rows]).any(axis=1)
            self.fits[rows[gap]] = False
        for index in np.flatnonzero(wanted & ~self.fits).tolist():
            self._one(block, index, width)

    def _one(self, block: Block, index: int, width: int) -> None:
        line = block.line(index)
        tabbed = b"\t" in line
        spans = _tabbed(line) if tabbed else _spaced(line)
        if spans is None or len(spans) != width:
            return
        base = int(block.starts[index])
        self.starts[index] = [base + start for start, _ in spans]
        self.ends[index] = [base + end for _, end in spans]
        self.fits[index] = True
        self.doubled[index] = b'""' in line


def _spaced(line: bytes) -> list[tuple[int, int]] | None:
    found = list(_TOKEN.finditer(line))
    if _TOKEN.sub(b"", line).strip():
        return None
    return [match.span(1) if match[1] is not None else match.span(2) for match in found]


def _tabbed(line: bytes) -> list[tuple[int, int]]:
    spans = []
    at = 0
    while at <= len(line):
        match = _TABBED.match(line, at)
        if match is None:
            break
        spans.append(match.span(1) if match[1] is not None else match.span(2))
        at = match.end() + 1
    return spans
