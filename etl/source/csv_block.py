"""A block of CSV lines as an Arrow table: fast where Arrow can be trusted, exact everywhere.

Fast: Arrow parses the whole block; when it gives a row for every line, each line is one record and the numbers follow.
Otherwise the exact way finds where each record begins, reads the few odd ones itself, and hands Arrow only what is
sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from etl.source.chunk import Ints, is_text
from etl.source.csv_record import parse_record, write_record

_NEWLINE, _RETURN = 0x0A, 0x0D


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file is cut into fields: one byte between them, and how many there are.

    `quote` and `escape` are one byte, or empty where the file has none; `nulls` are fields that mean null.
    """

    delimiter: bytes
    width: int
    quote: bytes = b'"'
    escape: bytes = b""
    nulls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """What a block gave. `lines` are offsets from the block's first line, of each row of `table`.

    `bad` holds the unread records as (line, reason, raw bytes). `consumed` bytes and `passed` lines are dealt with;
    what follows them is a record that goes on beyond the block. `exact` says that the fast way did not do.
    """

    table: pa.Table
    lines: Ints
    bad: list[tuple[int, str, bytes]]
    consumed: int
    passed: int
    exact: bool
    spanning: tuple[int, ...] = ()  # lines where a record begins whose field spans lines and holds the delimiter


def parse_block(data: bytes, dialect: Dialect, wanted: Sequence[int], *, last: bool, exact: bool) -> Block:
    """Parse whole lines; the first begins a record.

    `wanted` are the positions of the fields to keep. `last`: nothing follows, so a quote still open is a lone one.
    `exact`: do not try the fast way.
    """
    if not data:
        return Block(_parse(b"", dialect, wanted)[0], np.empty(0, np.int64), [], 0, 0, exact=False)
    if not exact:
        fast = _fast(data, dialect, wanted)
        if fast is not None:
            return fast
    return _exact(data, dialect, wanted, last=last)


def _fast(data: bytes, dialect: Dialect, wanted: Sequence[int]) -> Block | None:
    """Return the block if each of its lines is one sound record, else None."""
    count = data.count(b"\n")
    # Arrow takes a lone carriage return for a newline.
    if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
        return None
    # A quote left open on the last line would swallow the newline unseen; on any other line a row is missing.
    start = data.rfind(b"\n", 0, len(data) - 1) + 1
    quote = dialect.quote
    if quote and data.find(quote, start) >= 0 and not parse_record(data, start, dialect.delimiter, quote).closed:
        return None
    try:
        table, ragged = _parse(data, dialect, wanted)
    except pa.ArrowInvalid:
        return None  # bytes that are no UTF-8
    if ragged or table.num_rows != count:
        return None
    return Block(table, np.arange(count, dtype=np.int64), [], len(data), count, exact=False)


@dataclass(slots=True)
class _Layout:
    """Where records begin.

    `inner` marks lines that belong to the record before them; `blank` are empty lines that look like more.
    """

    starts: Ints
    ends: Ints
    inner: npt.NDArray[np.bool_]
    passed: int
    bad: dict[int, str] = field(default_factory=dict)
    rewritten: dict[int, bytes] = field(default_factory=dict)
    blank: list[int] = field(default_factory=list)
    spanning: list[int] = field(default_factory=list)


def _exact(data: bytes, dialect: Dialect, wanted: Sequence[int], *, last: bool) -> Block:
    layout = _layout(data, dialect, last=last)
    leads = np.flatnonzero(~layout.inner[: layout.passed])
    starts = layout.starts[leads]
    consumed = int(layout.ends[layout.passed - 1]) if layout.passed else 0
    ends = np.append(starts[1:], consumed) if len(starts) else starts
    sizes = ends - starts
    octets = np.frombuffer(data, np.uint8)
    filled = (sizes > 2) | ((sizes == 2) & (octets[starts] != _RETURN))
    leads, starts, ends = leads[filled], starts[filled], ends[filled]
    bad = [(line, reason, data[layout.starts[line] : layout.ends[line]]) for line, reason in layout.bad.items()]
    keep = ~np.isin(leads, np.array([*layout.bad, *layout.blank], np.int64))
    keep &= _sound_text(data, octets, starts, ends, leads, bad, keep, consumed)
    rewrite = np.isin(leads, np.array([*layout.rewritten], np.int64))
    table, ragged = _parse(_kept(data, starts, ends, leads, keep, rewrite, layout.rewritten), dialect, wanted)
    kept = np.flatnonzero(keep)
    odd = kept[ragged]
    for index in odd.tolist():
        raw = data[starts[index] : ends[index]]
        if raw.strip():  # a line of blanks is a blank line, unless it has the right number of fields
            bad.append((int(leads[index]), "ragged", raw))
    rows = leads[np.delete(kept, ragged)]
    if table.num_rows != len(rows):  # must not happen: rather no result than rows with wrong numbers
        raise AssertionError(f"CSV rows out of step: {table.num_rows} rows for {len(rows)} records")
    return Block(table, rows, sorted(bad), consumed, layout.passed, exact=True, spanning=tuple(layout.spanning))


def _layout(data: bytes, dialect: Dialect, *, last: bool) -> _Layout:
    """Find where each record begins, reading only the lines that may not be a whole record of their own."""
    octets = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(octets == _NEWLINE) + 1
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1]))
    layout = _Layout(starts, ends, np.zeros(len(ends), np.bool_), len(ends))
    returns = _lone_returns(octets, ends)
    special = _irregular(octets, starts, ends, dialect)
    special[returns] = True
    lone_return = set(returns.tolist())
    following = 0
    for line in np.flatnonzero(special).tolist():
        if line < following:
            continue
        following = line + 1
        record = parse_record(data, int(starts[line]), dialect.delimiter, dialect.quote)
        if not record.closed:
            if not last:
                layout.passed = line
                break
            layout.bad[line] = "ragged"
            continue
        final = int(np.searchsorted(ends, record.end))
        fits = len(record.fields) == dialect.width
        if final > line and not (fits and record.clean):
            # A lone quote that ran into the next one: this line alone is lost, not all between.
            layout.bad[line] = "ragged"
            continue
        if any(b"\n" in value and dialect.delimiter in value for value in record.fields if final > line):
            layout.spanning.append(line)
        if lone_return.intersection(range(line, final + 1)):
            if fits:
                if dialect.quote:
                    layout.rewritten[line] = write_record(record.fields, dialect.delimiter, dialect.quote)
                else:  # nothing can hold a carriage return without quotes
                    layout.bad[line] = "ragged"
            elif data[starts[line] : record.end].strip():
                layout.bad[line] = "ragged"
            else:
                layout.blank.append(line)
        layout.inner[line + 1 : final + 1] = True
        following = final + 1
    return layout


def _irregular(octets: npt.NDArray[np.uint8], starts: Ints, ends: Ints, dialect: Dialect) -> npt.NDArray[np.bool_]:
    """Mark the lines whose quotes do not pair off within the line, were it the start of a record.

    In a line that is not marked the quotes are even in number, and each one that opens (the first, third, ...) stands
    at the start of a field or doubles the one before it: so the line is a whole record.
    """
    marked = np.zeros(len(starts), np.bool_)
    if not dialect.quote:
        return marked
    quote, delimiter = dialect.quote[0], dialect.delimiter[0]
    quotes = np.flatnonzero(octets == quote)
    if not len(quotes):
        return marked
    line = np.searchsorted(ends, quotes, side="right")
    rank = np.arange(len(quotes)) - np.searchsorted(quotes, starts)[line]
    before = octets[np.maximum(quotes - 1, 0)]
    at_start = (quotes == starts[line]) | (before == delimiter)
    doubled = (rank > 0) & (before == quote)
    marked[line[(rank % 2 == 0) & ~at_start & ~doubled]] = True
    marked |= np.bincount(line, minlength=len(starts)) % 2 == 1
    return marked


def _lone_returns(octets: npt.NDArray[np.uint8], ends: Ints) -> Ints:
    """Return the lines with a carriage return that no newline follows."""
    returns = np.flatnonzero(octets == _RETURN)
    lone = returns[octets[returns + 1] != _NEWLINE]
    return np.unique(np.searchsorted(ends, lone, side="right"))


def _sound_text(
    data: bytes,
    octets: npt.NDArray[np.uint8],
    starts: Ints,
    ends: Ints,
    leads: Ints,
    bad: list[tuple[int, str, bytes]],
    keep: npt.NDArray[np.bool_],
    consumed: int,
) -> npt.NDArray[np.bool_]:
    """Mark the records that are UTF-8; add the others to `bad`, unless they are there already (`keep` false)."""
    sound = np.ones(len(starts), np.bool_)
    if is_text(data[:consumed]):
        return sound
    high: Ints = np.concatenate((np.zeros(1, np.int64), np.cumsum(octets[:consumed] >= 0x80, dtype=np.int64)))
    for index in np.flatnonzero(high[ends] - high[starts]).tolist():
        raw = data[starts[index] : ends[index]]
        if not is_text(raw):
            sound[index] = False
            if keep[index]:
                bad.append((int(leads[index]), "utf8", raw))
    return sound


def _kept(
    data: bytes,
    starts: Ints,
    ends: Ints,
    leads: Ints,
    keep: npt.NDArray[np.bool_],
    rewrite: npt.NDArray[np.bool_],
    rewritten: dict[int, bytes],
) -> bytes:
    """Join the kept records: runs of neighbours as they stand, rewritten ones in their place."""
    if not len(starts):
        return b""
    breaks = np.flatnonzero((starts[1:] != ends[:-1]) | (keep[1:] != keep[:-1]) | rewrite[1:] | rewrite[:-1]) + 1
    pieces: list[bytes] = []
    for first, stop in zip([0, *breaks.tolist()], [*breaks.tolist(), len(starts)], strict=True):
        if keep[first]:
            line = int(leads[first])
            pieces.append(rewritten[line] if rewrite[first] else data[starts[first] : ends[stop - 1]])
    return b"".join(pieces)


def _parse(data: bytes, dialect: Dialect, wanted: Sequence[int]) -> tuple[pa.Table, list[int]]:
    """Let Arrow parse; return the wanted columns, named by position, and the indices of ragged records."""
    names = [str(position) for position in range(dialect.width)]
    picked = [names[position] for position in wanted]
    if not data:
        return pa.table({name: pa.array([], pa.string()) for name in picked}), []
    ragged: list[int] = []

    def skip(row: csv.InvalidRow) -> str:
        ragged.append(row.number - 1)
        return "skip"

    reading = picked or names[:1]
    table = csv.read_csv(
        pa.BufferReader(data),
        # One block and no threads: only then does Arrow number the rows that it skips.
        read_options=csv.ReadOptions(column_names=names, block_size=len(data) + 1, use_threads=False),
        parse_options=csv.ParseOptions(
            delimiter=dialect.delimiter.decode(),
            quote_char=dialect.quote.decode() or False,
            newlines_in_values=bool(dialect.quote) and dialect.quote in data,
            invalid_row_handler=skip,
        ),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(reading, pa.string()),
            include_columns=reading,
            strings_can_be_null=bool(dialect.nulls),
            null_values=list(dialect.nulls),
            quoted_strings_can_be_null=True,
        ),
    )
    return table if picked else table.select([]), ragged
