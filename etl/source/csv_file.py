"""A CSV file, read in blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa

from etl.errors import InputError, JobError
from etl.source.chunk import Chunk, Limits, Unread, readable
from etl.source.csv_block import Block, Dialect, parse_block
from etl.source.csv_escape import parse_escaped
from etl.source.csv_guess import columns_seen, likely, utf16
from etl.source.csv_record import parse_record, sniff_delimiter
from etl.source.inputs import Input
from etl.source.lines import whole_lines
from etl.source.names import Names, header_names
from etl.source.settings import SourceSettings
from etl.source.streams import Read, filled, open_text

_HEADER_BYTES = 1 << 20
_GUESS_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class _Head:
    """What a file's first lines say. `size` bytes and `lines` lines stand before the first row."""

    dialect: Dialect
    names: list[str]
    size: int
    lines: int


class CsvFile:
    """Reads one CSV file; every column is text, nothing is guessed. Raises InputError for a bad header."""

    def __init__(self, item: Input, number: int, settings: SourceSettings, names: Names, limits: Limits) -> None:
        self._item = item
        self._number = number
        self._settings = settings
        self._limits = limits
        self.doubts: dict[str, tuple[int, int]] = {}  # by kind: how often, and the first line
        with self._open() as read:
            self._head = _head(filled(read, _HEADER_BYTES), item, settings)
        self._names = names.of_file(self._head.names) if self._head else []
        self.schema = pa.schema([pa.field(name, pa.string()) for name in self._names])

    @property
    def delimiter(self) -> str:
        """What stands between two fields; a comma in a file without a line."""
        return self._head.dialect.delimiter.decode() if self._head else ","

    def seen(self) -> str:
        """Say which columns the header has, and how else the file may be meant where its lines say so."""
        with self._open() as read:
            data = filled(read, _GUESS_BYTES)
        position, lines = _skip_blank(data, *_skipped(data, self._settings.skip))
        said = f"{self._item.shown}, line {lines + 1:,} has the columns {columns_seen(self._names)}"
        guess = likely(data[position:].decode("utf-8", "replace"), self.delimiter, lines)
        return f"{said} (cut at {self.delimiter!r}).\n  {guess}" if guess else f"{said}."

    def first_row(self) -> bytes:
        """Return the first record's text, without its line end."""
        if self._head is None:
            return b""
        with self._open() as read:
            filled(read, self._head.size)
            size = _HEADER_BYTES
            data = filled(read, size)
            while True:
                blank = len(data) - len(data.lstrip(b"\r\n"))
                record = parse_record(data, blank, self._head.dialect.delimiter, self._head.dialect.quote)
                whole = record.closed and record.end < len(data)
                more = b"" if whole or len(data) > self._limits.record else filled(read, size)
                if not more:
                    break
                data += more
        if record.closed and len(record.fields) == self._head.dialect.width:
            return data[blank : record.end].rstrip(b"\r\n")
        return data[blank:].split(b"\n", 1)[0].rstrip(b"\r")

    def chunks(self, columns: Sequence[str] | None) -> Iterator[Chunk]:
        """Yield the rows, block by block, with those of `columns` that the file has."""
        if self._head is None:
            return
        wanted = [i for i, name in enumerate(self._names) if columns is None or name in columns]
        names = [self._names[i] for i in wanted]
        with self._open() as read:
            filled(read, self._head.size)
            line = self._head.lines + 1
            carry, exact = b"", False
            self.doubts = {}
            for lines in whole_lines(read, self._limits.block, self._limits.line):
                data = carry + (b"" if lines.too_long else lines.data)
                last = lines.final or lines.too_long or len(data) > self._limits.record
                parse = parse_escaped if self._head.dialect.escape else parse_block
                block = parse(data, self._head.dialect, wanted, last=last, exact=exact)
                exact = block.exact
                carry = data[block.consumed :]
                self._doubt(data[: block.consumed] if carry else data, block, line)
                bad = [Unread(self._number, line + at, reason, _text(raw)) for at, reason, raw in block.bad]
                rows = block.lines + line
                line += block.passed
                if lines.too_long:
                    bad.append(Unread(self._number, line, "too_long", readable(lines.data)))
                    line += 1
                if len(rows) or bad:
                    yield Chunk(block.table.rename_columns(names), rows, tuple(bad))

    def _doubt(self, data: bytes, block: Block, line: int) -> None:
        """Note what may be read otherwise than it was meant, where the job does not say how the file is written."""
        said = self._settings
        if said.quote is None and block.spanning:
            self._note("quote", len(block.spanning), line + block.spanning[0])
        if b"\\" not in data:  # found at the speed of memory, as two characters are not
            return
        if said.escape is None and (at := data.find(b'\\"')) >= 0:
            self._note("escape", data.count(b'\\"'), line + data.count(b"\n", 0, at))
        if said.null is None and not said.escape and b"\\N" in data and (found := _NULL.findall(data)):
            first = _NULL.search(data)
            self._note("null", len(found), line + data.count(b"\n", 0, first.start() if first else 0))

    def _note(self, kind: str, count: int, line: int) -> None:
        before, first = self.doubts.get(kind, (0, line))
        self.doubts[kind] = (before + count, first)

    @contextmanager
    def _open(self) -> Iterator[Read]:
        with open_text(self._item, self._settings.encoding) as read:
            yield _with_newlines(read, _quote(self._settings))


def _text(raw: bytes) -> str:
    return readable(raw).removesuffix("\n").removesuffix("\r")


#: A whole field that is a null of databases.
_NULL = re.compile(rb'(?<=[\n,;\t|"])\\N(?=[\r\n,;\t|"])|^\\N(?=[\r\n,;\t|"])')
_QUOTED = re.compile(rb'(?<![^\r\n,;\t|])"(?:[^"]|"")*"')


def _with_newlines(read: Read, quote: bytes) -> Read:
    """Turn the line ends of a file whose lines end with carriage returns alone into newlines.

    Such a file may have newlines within its quotes; they stay, and count as lines.
    """
    head = filled(read, 65_536)
    plain = _QUOTED.sub(b"", head) if quote == b'"' and b"\r" in head else head
    ends = plain.count(b"\n")
    lone = plain.count(b"\r") - plain.count(b"\r\n")
    first = plain.lstrip(b"\r\n").split(b"\n", 1)[0].rstrip(b"\r")
    translate = lone > 0 and lone >= ends and b"\r" in (first if ends else plain)
    rest = head

    def joined(size: int) -> bytes:
        nonlocal rest
        piece, rest = (rest[:size], rest[size:]) if rest else (read(size), b"")
        if not translate:
            return piece
        return _LONE_RETURN.sub(b"\n", piece)

    return joined


_LONE_RETURN = re.compile(rb"\r(?!\n)")


def _head(data: bytes, item: Input, settings: SourceSettings) -> _Head | None:
    """Read the header, or nothing where the job names the columns; None for a file without a line."""
    if data.startswith(b"PAR1"):
        raise InputError(f"{item.shown} is a Parquet file, not CSV", hint="Write `format: parquet` under `source:`.")
    position, lines = _skip_blank(data, *_skipped(data, settings.skip))
    said = data[position : position + 7].split(b"\n", 1)[0].rstrip(b"\r")
    delimiter = settings.delimiter.encode() if settings.delimiter else b""
    if said[:4].lower() == b"sep=" and len(said) == 5:  # Excel's own way of naming it
        delimiter = delimiter or said[4:5]
        position, lines = _skip_blank(data, data.find(b"\n", position) + 1 or len(data), lines + 1)
    if len(delimiter) > 1 or delimiter in (b'"', b"\n", b"\r"):
        raise JobError(
            f"source.delimiter: {settings.delimiter!r} cannot be used",
            hint="It is one ASCII character, such as ; or \\t.",
        )
    if position >= len(data):
        return None
    line = data[position:].split(b"\n", 1)[0]
    delimiter = delimiter or sniff_delimiter(line)
    if settings.columns is not None:
        return _Head(
            _dialect(delimiter, len(settings.columns), settings), header_names(settings.columns), position, lines
        )
    if b"\0" in line:
        raise _binary(data, item, lines + 1)
    if len(data) >= _HEADER_BYTES and b"\n" not in data[position:]:
        raise InputError(
            f"{item.shown}, line {lines + 1}: the header is longer than {_HEADER_BYTES >> 20} MB",
            hint=f"It begins {readable(line)[:80]!r}. Is it a text file with a line end after its header?",
        )
    record = parse_record(data if data.endswith(b"\n") else data + b"\n", position, delimiter, _quote(settings))
    if not record.closed:
        raise InputError(
            f"{item.shown}, line {lines + 1}: the header has a quote that never closes",
            hint=f"It begins {readable(line)[:80]!r}. Mend the header, or give `columns` under `source:`.",
        )
    try:
        names = header_names([value.decode() for value in record.fields])
    except UnicodeDecodeError as error:
        raise InputError(
            f"{item.shown}, line {lines + 1}: the header is not {settings.encoding} text: {readable(line)[:80]!r}",
            hint="Name the file's encoding: `encoding: cp1251` (or utf-16, cp1252, ...) under `source:`.",
        ) from error
    end = min(record.end, len(data))
    return _Head(
        _dialect(delimiter, len(names), settings), names, end, lines + max(1, data.count(b"\n", position, end))
    )


def _binary(data: bytes, item: Input, line: int) -> InputError:
    """Say what a header with NUL bytes may be."""
    encoding = utf16(data)
    if encoding is not None:
        return InputError(
            f"{item.shown}, line {line}: the header has NUL bytes; the file may be UTF-16 without a mark",
            hint=f"Write `encoding: {encoding}` under `source:`.",
        )
    return InputError(
        f"{item.shown}, line {line}: there are NUL bytes where the header should be; it is no CSV file",
        hint="Does another file lie among the exports? Name the right ones in `source.path`, `exports/*.csv` say.",
    )


def _quote(settings: SourceSettings) -> bytes:
    return b'"' if settings.quote is None else settings.quote.encode()


def _dialect(delimiter: bytes, width: int, settings: SourceSettings) -> Dialect:
    return Dialect(delimiter, width, _quote(settings), (settings.escape or "").encode(), settings.nulls)


def _skipped(data: bytes, skip: int | str) -> tuple[int, int]:
    """Return where the lines end that the job passes over, in bytes and in lines."""
    position = lines = 0
    mark = skip.encode() if isinstance(skip, str) else b""
    while position < len(data) and (lines < skip if isinstance(skip, int) else _begins(data, position, mark)):
        position = data.find(b"\n", position) + 1 or len(data)
        lines += 1
    return position, lines


def _begins(data: bytes, position: int, mark: bytes) -> bool:
    """Say whether a line begins with a mark, or is blank."""
    line = data[position : data.find(b"\n", position) + 1 or len(data)]
    return line.startswith(mark) or not line.strip()


def _skip_blank(data: bytes, position: int, lines: int) -> tuple[int, int]:
    while position < len(data) and data[position : position + 1] in b"\r\n":
        lines += data[position] == 0x0A
        position += 1
    return position, lines
