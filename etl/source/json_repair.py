"""Lines of NDJSON that are no object as they stand, and are read: glued objects, a comma behind, lone surrogates."""

from __future__ import annotations

import json
import re

_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair, which stays
    rb"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\."  # any other escape, so that the u behind an escaped backslash is text
)
_GLUED = re.compile(r"\}(?:[ \t\r,]|\\[nr])*\{")
#: What stands between two objects: blanks, a comma, or a line end that was written as text.
_BETWEEN = re.compile(r"(?:[ \t\r\n,]|\\[nr])*")
_DECODER = json.JSONDecoder()


def repaired(line: bytes) -> list[bytes] | None:
    """Return the lines that are meant by one that is no JSON object (without its line end); None where there is nothing to mend."""
    mended = _ESCAPE.sub(_replaced, line) if b"\\u" in line else line
    try:
        text = mended.decode()
    except UnicodeDecodeError:
        return None
    if mended != line and _is_object(text):
        return [mended]
    if text.endswith(",") and _is_object(bare := text.rstrip(", \t")):
        return [bare.encode()]
    parts = split(text)
    return [part.encode() for part in parts] if len(parts) > 1 else None


def split(text: str) -> list[str]:
    """Return the objects that stand in one line, and behind them what cannot be read; one text alone where they are not several."""
    if _GLUED.search(text) is None:
        return [text]
    parts: list[str] = []
    at = len(text) - len(text.lstrip())
    while at < len(text) and text[at] == "{":
        try:
            _, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        parts.append(text[at:end])
        between = _BETWEEN.match(text, end)
        at = between.end() if between else end
    if len(parts) < 2:
        return [text]
    return [*parts, text[at:]] if at < len(text) else parts


def _replaced(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if escape["lone"] else escape[0]


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
