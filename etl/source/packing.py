"""What a file is by its first bytes: packings are taken off, layer by layer; what is no text at all is refused by its name."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Callable
from typing import Protocol

import pyarrow as pa

from etl.errors import InputError

#: Gives up to so many bytes; none at the end.
Read = Callable[[int], bytes]

#: How much of a file tells what it is: a block of a tar archive.
_HEAD = 512
_LAYERS = 4
_PIECE = 1 << 20

_GZIP, _ZSTD, _BZIP2, _LZ4 = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\x04\x22\x4d\x18"

_REPACK = "Unpack it first, or pack it as gz, zst or bz2."
_UNPACK = "Unpack it first, and name the files in it under `source.path`."
_SAVE_AS_CSV = "Open it and save it as CSV (UTF-8), or let the system that made it export CSV."
_EXPORT_TEXT = "Export it as CSV, NDJSON or Parquet."
_MARKS: tuple[tuple[bytes, str, str], ...] = (
    (_LZ4, "it is packed with lz4", _REPACK),
    (b"\x02\x21\x4c\x18", "it is packed with lz4", _REPACK),
    (b"\xfd7zXZ\0", "it is packed with xz", _REPACK),
    (b"\x1f\x9d", "it is packed with compress (.Z)", _REPACK),
    (b"\xff\x06\0\0sNaPpY", "it is packed with snappy", _REPACK),
    (b"\x89LZO\0", "it is packed with lzop", _REPACK),
    (b"LZIP", "it is packed with lzip", _REPACK),
    (b"7z\xbc\xaf\x27\x1c", "it is a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "it is a rar archive", _UNPACK),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "it is an Excel workbook (xls)", _SAVE_AS_CSV),
    (b"%PDF-", "it is a PDF", _EXPORT_TEXT),
    (b"SQLite format 3\0", "it is an SQLite database", _EXPORT_TEXT),
    (b"Obj\x01", "it is an Avro file", _EXPORT_TEXT),
    (b"ORC", "it is an ORC file", _EXPORT_TEXT),
)
_ARCHIVES = ("it is a tar archive", "it is a zip archive", "it is a 7z archive", "it is a rar archive")
_PAGES = (b"<!doctype html", b"<html")


class UnfitError(InputError):
    """A file that is no text, whatever is taken off it. `archive`: there are files in it, which may be text."""

    def __init__(self, shown: str, what: str, hint: str) -> None:
        super().__init__(f"cannot read {shown}: {what}", hint=hint)
        self.what = what
        self.archive = what in _ARCHIVES


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Peeked:
    """A stream of which some bytes were read already; it gives these first. A file as unpackers want it."""

    def __init__(self, head: bytes, rest: _Stream) -> None:
        self._head = head
        self._rest = rest
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def read(self, size: int = -1, /) -> bytes:
        if self._head:
            piece = self._head if size < 0 else self._head[:size]
            self._head = self._head[len(piece) :]
            return piece
        return self._rest.read(_PIECE if size < 0 else size)


def unpacked(shown: str, file: _Stream) -> Read:
    """Return a reader of what is packed in a file: gzip, zstd and bzip2 in any order, a few layers of them.

    Raises UnfitError for what is no text; OSError, EOFError and zlib.error, in reading too, for what is damaged.
    """
    stream: _Stream = file
    for _ in range(_LAYERS):
        head = filled(stream.read, _HEAD)
        refuse(shown, head)
        peeked = _Peeked(head, stream)
        if head.startswith(_GZIP):
            stream = gzip.GzipFile(fileobj=peeked)  # type: ignore[call-overload]
        elif _is_zstd(head):
            stream = pa.CompressedInputStream(pa.PythonFile(peeked, mode="r"), "zstd")
        elif head.startswith(_BZIP2) and head[3:4].isdigit() and head[4:10] in (_BLOCK, _NO_BLOCK):
            stream = pa.CompressedInputStream(pa.PythonFile(peeked, mode="r"), "bz2")
        else:
            return peeked.read
    raise UnfitError(shown, f"it is packed {_LAYERS} times or more", "Unpack it first.")


_BLOCK, _NO_BLOCK = b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"


def refuse(shown: str, head: bytes) -> None:
    """Raise UnfitError where the first bytes of a file say that it is no text."""
    for mark, what, hint in _MARKS:
        if head.startswith(mark):
            raise UnfitError(shown, what, hint)
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"):
        if any(sign in head for sign in (b"[Content_Types].xml", b"_rels/.rels", b"xl/")):
            raise UnfitError(shown, "it is an Excel workbook (xlsx)", _SAVE_AS_CSV)
        if b"opendocument" in head:
            raise UnfitError(shown, "it is an OpenDocument sheet (ods)", _SAVE_AS_CSV)
        raise UnfitError(shown, "it is a zip archive", _UNPACK)
    if _skipped_lz4(head):
        raise UnfitError(shown, "it is packed with lz4", _REPACK)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:14].lower().startswith(_PAGES):
        raise UnfitError(
            shown, "it is a web page, not an export", "Was a login or an error page saved? Fetch the file again."
        )
    if b"\0" in head and _is_tar(head):
        raise UnfitError(shown, "it is a tar archive", _UNPACK)


def _is_skippable(head: bytes) -> bool:
    """Say whether a skippable frame stands first, as pzstd writes one before each frame."""
    return head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F


def _behind_skippable(head: bytes) -> bytes:
    while _is_skippable(head) and len(head) >= 8:
        head = head[8 + int.from_bytes(head[4:8], "little") :]
    return head


def _is_zstd(head: bytes) -> bool:
    return head.startswith(_ZSTD) or _is_skippable(head)


def _skipped_lz4(head: bytes) -> bool:
    """lz4 has the same skippable frames as zstd: what stands behind them tells."""
    return _is_skippable(head) and _behind_skippable(head).startswith(_LZ4)


def _is_tar(head: bytes) -> bool:
    """Say whether a block is the header of a tar archive, whose checksum is right."""
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def filled(read: Read, size: int) -> bytes:
    """Read `size` bytes, fewer only at the end: a packed stream may give them in small pieces."""
    pieces: list[bytes] = []
    while size > 0 and (piece := read(min(size, _PIECE))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
