"""Blocks of NDJSON as Arrow arrays of lines, and which of them are objects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.source.chunk import Ints, Unread, is_text, readable
from etl.source.json_repair import repaired
from etl.source.lines import whole_lines
from etl.source.streams import Read

_BLANK = b" \t\r\n"
_PIECES = 4

# A string, or (outside of any) what is no JSON, but what Python's json and pandas write where a number is missing.
_STRING_OR_NAN = r'("(?:\\.|[^"\\])*")|-?(?:NaN|Infinity)'
# Nested deeper than this, a line is no event: DuckDB and Python give up at depths of their own.
_DEEPEST = 501
_NUL_KEY = re.compile(r'"(?:\\.|[^"\\])*"(?=\s*:)')
_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
_MARK = "\x01"  # stands raw in no JSON


@dataclass(frozen=True, slots=True)
class JsonLines:
    """A block: `lines` are objects (with their line ends), `numbers` their line numbers; all others are `unread`."""

    lines: pa.Array
    numbers: Ints
    unread: tuple[Unread, ...]
    count: int = 1  # of all lines
    glued: int | None = None  # the first line that stood with others on one line of the file


def json_lines(
    connection: duckdb.DuckDBPyConnection, read: Read, file: int, block: int, limit: int
) -> Iterator[JsonLines]:
    """Yield the lines of a file, block by block; blank ones are skipped, but counted.

    Objects that stand on one line (`}{`) are lines of their own: each has a number, and those below count on from there.
    """
    number = 1
    for lines in whole_lines(read, block, limit):
        if lines.too_long:
            yield JsonLines(
                pa.array([], pa.string()),
                np.empty(0, np.int64),
                (Unread(file, number, "too_long", readable(lines.data)),),
            )
            number += 1
        elif lines.data:
            block_lines = _sorted_out(connection, lines.data, file, number)
            yield block_lines
            number += block_lines.count


def _sorted_out(
    connection: duckdb.DuckDBPyConnection, data: bytes, file: int, number: int, *, again: bool = False
) -> JsonLines:
    octets = np.frombuffer(data, np.uint8)
    offsets = np.concatenate((np.zeros(1, np.int64), np.flatnonzero(octets == 0x0A) + 1))
    count = len(offsets) - 1
    raw = pa.Array.from_buffers(pa.binary(), count, [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(data)])
    opening = octets[offsets[:-1]] == ord("{")
    # Only a line that does not begin with `{` may be blank, or have blanks before it.
    skipped = np.zeros(count, np.bool_)
    for index in np.flatnonzero(~opening).tolist():
        line = data[offsets[index] : offsets[index + 1]].strip(_BLANK)
        skipped[index] = not line
        opening[index] = line.startswith(b"{")
    try:
        text = raw.cast(pa.string())
        encoded = np.ones(count, np.bool_)
    except pa.ArrowInvalid:
        high = np.concatenate((np.zeros(1, np.int64), np.cumsum(octets >= 0x80)))
        encoded = np.ones(count, np.bool_)
        for index in np.flatnonzero(np.diff(high[offsets]) > 0).tolist():
            encoded[index] = is_text(data[offsets[index] : offsets[index + 1]])
        text = pc.if_else(pa.array(encoded), raw, pa.scalar(b"")).cast(pa.string())
    sound = opening & encoded
    sound &= _valid(connection, text)
    sound &= _usable(text)
    bad = np.flatnonzero(~sound & ~skipped)
    if len(bad) and not again:
        lines_of = {at: repaired(data[offsets[at] : offsets[at + 1]].rstrip(b"\r\n")) for at in bad.tolist()}
        mended = {at: lines for at, lines in lines_of.items() if lines is not None}
        if mended:
            whole = _with(data, offsets, mended)
            glued = next((at for at, lines in mended.items() if len(lines) > 1), None)
            found = _sorted_out(connection, whole, file, number, again=True)
            first = None if glued is None else number + glued + sum(len(mended[at]) - 1 for at in mended if at < glued)
            return replace(found, glued=first)
    unread = tuple(
        Unread(
            file,
            number + index,
            "json" if encoded[index] else "utf8",
            readable(data[offsets[index] : offsets[index + 1]].rstrip(b"\r\n")),
        )
        for index in bad.tolist()
    )
    numbers = np.arange(number, number + count, dtype=np.int64)
    lines = text if sound.all() else text.filter(pa.array(sound))
    if b"NaN" in data or b"Infinity" in data:
        lines = _nan_to_null(lines)
    return JsonLines(lines, numbers[sound], unread, count)


def _with(data: bytes, offsets: Ints, mended: dict[int, list[bytes]]) -> bytes:
    """Return the data with other lines in place of some."""
    parts: list[bytes] = []
    end = 0
    for at, lines in mended.items():
        parts.append(data[end : offsets[at]])
        parts.extend(line + b"\n" for line in lines)
        end = int(offsets[at + 1])
    return b"".join([*parts, data[end:]])


def _nan_to_null(lines: pa.Array) -> pa.Array:
    """Return the lines with null for NaN and infinity, before these make a number of a column of texts or objects."""
    marked = pc.replace_substring_regex(lines, _STRING_OR_NAN, rf"\1{_MARK}")
    return pc.replace_substring(pc.replace_substring(marked, f'"{_MARK}', '"'), _MARK, "null")


def _valid(connection: duckdb.DuckDBPyConnection, text: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    valid = ask(connection, text, "json_valid(line)")
    return np.asarray(valid.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _usable(text: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Mark the lines that are not nested too deep and have no NUL in a key: the few suspects are looked at one by one."""
    usable = np.ones(len(text), np.bool_)
    deep = pc.greater(pc.add(pc.count_substring(text, "{"), pc.count_substring(text, "[")), _DEEPEST)
    suspects = pc.or_(deep, pc.match_substring(text, "\\u0000"))
    for index in np.flatnonzero(suspects.to_numpy(zero_copy_only=False)).tolist():
        line = text[index].as_py()
        keys = _NUL_KEY.findall(line) if "\\u0000" in line else []
        usable[index] = _depth(_STRING.sub("", line)) <= _DEEPEST and not any("\\u0000" in key for key in keys)
    return usable


def _depth(signs: str) -> int:
    """Return how deep a JSON text without its strings is nested."""
    depth = deepest = 0
    for sign in signs:
        if sign in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif sign in "}]":
            depth -= 1
    return deepest


def ask(connection: duckdb.DuckDBPyConnection, lines: pa.Array, expression: str, rows: str = "lines") -> pa.Array:
    """Evaluate one SQL expression over each `line` of the table `lines`; the answers stand in the order of the lines.

    `rows` is what it is evaluated over instead: a subquery of `lines`.
    """
    # Several pieces, so that several threads have work.
    size = max(len(lines) // _PIECES + 1, 2_048)
    chunks = pa.chunked_array([lines.slice(at, size) for at in range(0, len(lines), size)], lines.type)
    connection.register("lines", pa.table({"line": chunks}))
    try:
        answer = connection.sql(f"SELECT {expression} AS answer FROM {rows}").to_arrow_table().column(0)
    finally:
        connection.unregister("lines")
    return answer.combine_chunks() if answer.num_chunks != 1 else answer.chunk(0)


def matching(lines: pa.Array, pattern: str, digits: int) -> pa.Array:
    """Mark the lines that match a pattern that needs so many digits in a row; without, nothing is searched."""
    run = _digit_run(lines, digits)
    return pc.match_substring_regex(lines, pattern) if run else pa.array(np.zeros(len(lines), np.bool_))


def _digit_run(lines: pa.Array, digits: int) -> bool:
    if not len(lines) or lines.buffers()[2] is None:
        return False
    found = (np.frombuffer(lines.buffers()[2], np.uint8) - np.uint8(0x30)) < 10
    length = 1
    while length < digits and len(found) > length:
        # A run of n here and a run of n `step` further on are a run of n + step.
        step = min(length, digits - length)
        found = found[:-step] & found[step:]
        length += step
    return length == digits and bool(found.any())
