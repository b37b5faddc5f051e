"""What a reader of one file gives: rows with their numbers, and the rows that nobody can read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]

#: How much of an unreadable row is kept, in characters.
KEPT_TEXT = 10_000

#: Rows of a batch, at most (about: a row that explodes into more elements than this stays whole).
BATCH_ROWS = 98_304


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes of text.

    `block` is read at a time. A quoted CSV field may run over lines for `record`; beyond it is a lone quote. A
    physical line longer than `line` is unread, `too_long`.
    """

    block: int = 16 << 20
    record: int = 32 << 20
    line: int = 128 << 20


@dataclass(frozen=True, slots=True)
class Unread:
    """A row that cannot be read.

    `file` is the index in the list of inputs, `row` its line. `reason` is `ragged` (too many or too few fields, or a
    quote that never closes), `utf8` (bytes that are no text in the file's encoding), `json` (no JSON object),
    `log_line` (not of the log's format) or `too_long`. `text` is the original, cut at 10,000 characters; bytes that are
    no text show escaped.
    """

    file: int
    row: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of one file in their order: `rows` holds the number of each row of `table`; `unread` is ordered by row."""

    table: pa.Table
    rows: Ints
    unread: tuple[Unread, ...] = ()


class FileReader(Protocol):
    """Reads one file. `schema` has the job's column names, unique without regard to case, and the file's own types."""

    schema: pa.Schema

    def chunks(self, columns: Sequence[str] | None) -> Iterator[Chunk]:
        """Yield the rows with those of `columns` that the file has (all when None). Raises InputError."""
        ...

    def first_row(self) -> bytes:
        """Return the first data row as it stands in the file; empty when there is none. Raises InputError."""
        ...


def readable(raw: bytes) -> str:
    """Return `raw` as text for people: cut, and what is no UTF-8 escaped."""
    return raw[: KEPT_TEXT * 4].decode("utf-8", "backslashreplace")[:KEPT_TEXT]


def is_text(raw: bytes) -> bool:
    """Return whether `raw` is text in UTF-8."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
