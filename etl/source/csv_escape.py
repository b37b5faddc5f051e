"""Escapes of a CSV file, such as a backslash before a quote or a line end, hidden while the block is cut into fields.

Each escaped character becomes a noncharacter of Unicode that the block does not hold, and is put back in the fields.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.source.csv_block import Block, Dialect, parse_block

_STANDINS = tuple(chr(code).encode() for code in range(0xFDD0, 0xFDF0))


@dataclass(frozen=True, slots=True)
class _Hidden:
    """What stands for what in one block: `pairs` are (stand-in, character); the newline's is the first."""

    pairs: tuple[tuple[bytes, bytes], ...]
    escape: bytes

    def raw(self, text: bytes) -> bytes:
        """Return a text as it stands in the file."""
        for standin, character in self.pairs:
            text = text.replace(standin, self.escape + character)
        return text

    def values(self, table: pa.Table) -> pa.Table:
        """Return fields with the characters that were meant."""
        for index, name in enumerate(table.column_names):
            column = table[name]
            for standin, character in self.pairs:
                column = pc.replace_substring(column, standin.decode(), character.decode())
            table = table.set_column(index, name, column)
        return table


def parse_escaped(data: bytes, dialect: Dialect, wanted: list[int], *, last: bool, exact: bool) -> Block:
    """Parse whole lines as `parse_block` does, of a dialect with an escape; an escape before any other character is text.

    Places are those of the file: an escaped line end counts as a line.
    """
    if dialect.escape not in data:
        return parse_block(data, dialect, wanted, last=last, exact=exact)
    characters = [b"\n", dialect.escape, *dict.fromkeys(c for c in (dialect.quote, dialect.delimiter, b"\r") if c)]
    free = [standin for standin in _STANDINS if standin not in data]
    hidden = _Hidden(tuple(zip(free, characters, strict=False)), dialect.escape)
    if len(hidden.pairs) < len(characters):
        raise AssertionError("the block holds every noncharacter of Unicode")
    by_character = {character: standin for standin, character in hidden.pairs}
    pattern = re.compile(re.escape(dialect.escape) + b"([" + b"".join(map(re.escape, characters)) + b"])")
    text = pattern.sub(lambda found: by_character[found[1]], data)
    newline = by_character[b"\n"]
    if last and text.endswith(newline):
        text = text.removesuffix(newline) + dialect.escape + b"\n"
    whole = text.rfind(b"\n") + 1
    block = parse_block(text[:whole], dialect, wanted, last=last, exact=exact)
    inner = np.array([found.start() for found in re.finditer(newline, text[:whole])], np.int64)
    octets = np.frombuffer(text, np.uint8)[:whole]
    starts = np.concatenate((np.zeros(1, np.int64), np.flatnonzero(octets == 0x0A) + 1))
    more = np.searchsorted(inner, starts)
    return replace(
        block,
        table=hidden.values(block.table),
        lines=block.lines + more[block.lines],
        bad=[(line + int(more[line]), reason, hidden.raw(raw)) for line, reason, raw in block.bad],
        consumed=len(hidden.raw(text[: block.consumed])),
        passed=block.passed + int(np.searchsorted(inner, block.consumed)),
    )
