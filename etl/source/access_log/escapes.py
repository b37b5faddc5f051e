r"""Escapes that servers write into quoted fields: `\"`, `\\` and `\xHH`."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.source.access_log.octets import Octets
from etl.source.access_log.request import Span

_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|([\"'\\]))")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def unescaped(text: str) -> str:
    """Return a field with its escapes undone; as written where bytes come out that are no text (garbage stays seen)."""

    def plain(found: re.Match[bytes]) -> bytes:
        return bytes.fromhex(found[1].decode()) if found[1] else found[2]

    try:
        undone = _ESCAPE.sub(plain, text.encode()).decode()
    except UnicodeDecodeError:
        return text
    return text if _CONTROL.search(undone) else undone


def texts_of(octets: Octets, span: Span, *, quoted: bool) -> pa.Array:
    """Return a column as text; with `quoted` its escapes are undone."""
    values = octets.texts(span.starts, span.ends, span.absent)
    if not quoted or len(octets.places(b"\\")) == 1:
        return values
    escaped = ~span.absent & octets.holds(b"\\", span.starts, span.ends)
    if not escaped.any():
        return values
    rows = np.flatnonzero(escaped)
    mended = pa.array([unescaped(text) for text in values.take(pa.array(rows)).to_pylist()], pa.string())
    return pc.replace_with_mask(values, pa.array(escaped), mended)
