r"""Lines of JSON logs as JSON: without what a console writes before each object, nginx's `\xHH` as JSON's own escapes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from etl.source.streams import Read, filled

_PREFIX = re.compile(rb'(?m)^[^{\n]{1,256}(?=\{")')
# Runs of them, since one character is several bytes; every other escape is passed over whole.
_ESCAPED = re.compile(rb"(?:\\x[0-9A-Fa-f]{2})+|\\.", re.DOTALL)
_CONTROLS = bytes([*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20)])
_CONTROL = re.compile(b"[" + re.escape(_CONTROLS) + b"]")
_LOST = re.compile(rb"(?m)^\x00+")


def without_prefix(data: bytes) -> bytes:
    """Return lines without what a console writes before each object (`caddy  | {...}`)."""
    return _PREFIX.sub(b"", data)


def with_json_escapes(data: bytes) -> bytes:
    r"""Return lines in which `\xHH`, which nginx writes unless its format says `escape=json`, is what JSON has for it.

    Bytes that are no text stay as they are written. Control characters that stand raw become escapes too, since JSON has
    no place for them but in its texts; NUL before a line, where a file was cut off under the server's hands, goes.
    """
    if b"\\x" in data:
        data = _ESCAPED.sub(_in_json, data)
    if len(data.translate(None, _CONTROLS)) < len(data):
        data = _CONTROL.sub(lambda found: b"\\u%04x" % found[0][0], _LOST.sub(b"", data))
    return data


def _in_json(found: re.Match[bytes]) -> bytes:
    written = found[0]
    if not written.startswith(b"\\x") or len(written) < 4:
        return written
    try:
        text = bytes.fromhex(written.replace(b"\\x", b"").decode()).decode()
    except UnicodeDecodeError:
        text = written.decode()
    return json.dumps(text, ensure_ascii=False)[1:-1].encode()


def json_reading(*, prefixed: bool) -> Callable[[Read], Read]:
    """Return what makes a reader of a JSON log one of JSON, line by line."""

    def reading(read: Read) -> Read:
        carry = b""
        rest = b""

        def mended(size: int) -> bytes:
            nonlocal carry, rest
            while not rest:
                piece = filled(read, 1 << 20)
                lines, newline, tail = (carry + piece).rpartition(b"\n")
                carry = tail if piece else b""
                whole = with_json_escapes(lines + newline if piece else lines + newline + tail)
                rest = without_prefix(whole) if prefixed else whole
                if not piece:
                    break
            part, rest = rest[:size], rest[size:]
            return part

        return mended

    return reading
