"""The body of an answer out of its packing. Some edges pack answers unasked, and some of those do not say so."""

from __future__ import annotations

import zlib

_GZIP = b"\x1f\x8b"
_ANY_GZIP = 16 + zlib.MAX_WBITS


class UnreadableError(Exception):
    """The body cannot be read; says why."""


def unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    """Return a body without its Content-Encoding (gzip, deflate), at most `limit` bytes of it; also gzip that says nothing.

    Raises UnreadableError for any other encoding, and for what is broken or ends too early.
    """
    names = [name.strip().lower() for name in encoding.split(",")]
    names = [name for name in names if name and name != "identity"]
    if not body:
        return body
    for name in reversed(names):
        if name in ("gzip", "x-gzip"):
            body = _gunzip(body, limit)
        elif name == "deflate":
            body = _inflate(body, limit)
        else:
            raise UnreadableError(f"the answer is packed ({name[:20]!r}), which nobody asked for")
    return _gunzip(body, limit) if body.startswith(_GZIP) else body


def _gunzip(body: bytes, limit: int) -> bytes:
    """Return what gzip packed: one member or several; zeros behind them are padding."""
    out = b""
    while body.rstrip(b"\0"):
        piece, body = _decompress(body, _ANY_GZIP, limit - len(out))
        out += piece
        if len(out) >= limit:
            break
    return out


def _inflate(body: bytes, limit: int) -> bytes:
    """Return what deflate packed: with zlib's head, as the standard has it, or bare, as some servers do."""
    try:
        return _decompress(body, zlib.MAX_WBITS, limit)[0]
    except UnreadableError:
        return _decompress(body, -zlib.MAX_WBITS, limit)[0]


def _decompress(body: bytes, kind: int, limit: int) -> tuple[bytes, bytes]:
    """Return what one stream holds, at most `limit` bytes, and what stands behind it."""
    stream = zlib.decompressobj(kind)
    try:
        out = stream.decompress(body, limit)
    except zlib.error:
        raise UnreadableError("the answer is packed (gzip or deflate), and broken") from None
    if not stream.eof and len(out) < limit:
        raise UnreadableError("the answer is packed (gzip or deflate), and ends too early")
    return out, stream.unused_data
