"""A file as a stream of UTF-8 bytes: unpacked by its first bytes, and recoded."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from etl.errors import InputError, JobError
from etl.source.inputs import Input
from etl.source.packing import Read, filled, unpacked

__all__ = ["Read", "check_encoding", "filled", "open_text"]

_ERRORS = "clickreplay-unreadable"


def _mark(error: UnicodeError) -> tuple[str, int]:
    """Stand in for bytes that are no text: lone surrogates, which UTF-8 refuses, so the row is told apart later."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_ERRORS, _mark)


def check_encoding(encoding: str) -> str:
    """Return the normal name of an encoding. Raises JobError where there is no such text encoding."""
    try:
        "".encode(encoding)  # refuses what is a codec but no encoding of text, such as base64
        return codecs.lookup(encoding).name
    except LookupError as error:
        raise JobError(
            f"source.encoding: {encoding!r} is no encoding known here",
            hint="Common ones: utf-8, utf-16, cp1251, cp1252, iso-8859-1.",
        ) from error


@contextmanager
def open_text(item: Input, encoding: str) -> Iterator[Read]:
    """Open an input as UTF-8 without a byte order mark.

    gzip (several members too), zstd and bzip2 are known by their first bytes, whatever the name; what is no text at all
    is refused by what it is. Bytes that are no text in `encoding` come out as bytes that are no UTF-8. A UTF-16 or UTF-32
    mark overrides the default encoding. Raises
    InputError, in `read` too, for a file that is gone, cut short or damaged.
    """
    try:
        with item.open() as file:
            with _telling(item):
                read = unpacked(item.shown, file)
            # The recoder reads ahead: what it reads is guarded as well as what it gives.
            yield _guarded(item, _recoded(_guarded(item, read), check_encoding(encoding)))
    except OSError as error:
        raise InputError(f"cannot read {item.shown}: {error.strerror or error}") from error


@contextmanager
def open_bytes(item: Input) -> Iterator[Read]:
    """Open an input as the bytes that it holds: text unpacked and not recoded, Parquet as it is.

    Raises InputError, in `read` too, as `open_text` does.
    """
    try:
        with item.open() as file:
            is_parquet = file.read(4) == b"PAR1"
            file.seek(0)
            with _telling(item):
                read = file.read if is_parquet else unpacked(item.shown, file)
            yield _guarded(item, read)
    except OSError as error:
        raise InputError(f"cannot read {item.shown}: {error.strerror or error}") from error


def _guarded(item: Input, read: Read) -> Read:
    def guarded(size: int) -> bytes:
        with _telling(item):
            return read(size)

    return guarded


@contextmanager
def _telling(item: Input) -> Iterator[None]:
    """Turn what can go wrong in reading and unpacking into an InputError that says so."""
    try:
        yield
    except EOFError as error:
        raise _damaged(item, "it is cut short") from error
    except UnicodeError as error:
        raise InputError(f"{item.shown} is not in its encoding: {error}", hint="Check source.encoding.") from error
    except (zlib.error, OSError, pa.ArrowException) as error:
        if _says_trailing(error):
            raise InputError(
                f"cannot read {item.shown} to its end: bytes stand behind the end of what is packed in it",
                hint="Fetch it again: a part may be damaged. Or unpack it, look at its end, and give the unpacked file.",
            ) from error
        raise _damaged(item, "it is cut short" if "Truncated" in str(error) else str(error)) from error


def _damaged(item: Input, what: str) -> InputError:
    return InputError(
        f"cannot unpack or read {item.shown}: {what}",
        hint="Was the file still being written, or its download interrupted? Fetch it again.",
    )


def _says_trailing(error: Exception) -> bool:
    """Say whether an unpacker came upon bytes that are no packing, behind some that are."""
    said = str(error)
    return any(words in said for words in ("Not a gzipped file", "Unknown frame descriptor", "no magic header"))


def _recoded(read: Read, encoding: str) -> Read:
    """Return a reader of UTF-8 over a reader of `encoding`."""
    head = read(4)
    while 0 < len(head) < 4 and (more := read(4 - len(head))):
        head += more
    if encoding in ("utf-8", "utf-8-sig"):
        # These bytes cannot start UTF-8, so the file says what it is.
        if head in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
            encoding = "utf-32"
        elif head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            encoding = "utf-16"
        else:
            return _joined(head.removeprefix(codecs.BOM_UTF8), read)
    decoder = codecs.getincrementaldecoder(encoding)(_ERRORS)
    return _decoded(_joined(head, read), decoder)


def _joined(head: bytes, read: Read) -> Read:
    rest = head

    def joined(size: int) -> bytes:
        nonlocal rest
        if rest:
            part, rest = rest[:size], rest[size:]
            return part
        return read(size)

    return joined


def _decoded(read: Read, decoder: codecs.IncrementalDecoder) -> Read:
    started = ended = False

    def decoded(size: int) -> bytes:
        nonlocal started, ended
        while not ended:
            raw = read(size)
            ended = not raw
            text = decoder.decode(raw, final=ended)
            if text and not started:
                started = True
                text = text.removeprefix("\ufeff")
            if text:
                return text.encode("utf-8", "surrogatepass")
        return b""

    return decoded
