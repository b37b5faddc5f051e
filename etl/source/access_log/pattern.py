"""A layout as a regular expression over one line: the exact way, for the few lines that the fast way does not take."""

from __future__ import annotations

import re
from functools import lru_cache

from etl.source.access_log.layout import Field, Layout

#: A longer line is not searched, nor one with more quotes for those that nobody escaped: servers do not write such, and
#: a pattern takes its time over them.
MOST = 65_536
MOST_QUOTES = 64

CLF = r"\d\d/[A-Za-z]{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}"
#: What may follow the last field: more fields, each with a blank before it.
TAIL = r'(?: +(?:"(?:[^"\\]|\\.)*"|[^" ]+))* *'

_BY_KIND = {
    "clf": CLF,
    "status": r"\d{1,3}|-",
    "number": r"[+-]?\d[\d.]*|-",
    "iso": r"\d{4}-\d\d-\d\d[T ]\d\d:\S+|-",
    "epoch": r"\d+(?:\.\d+)?|-",
    "host": r"(?!- )\S+?",
    "pair": r"\S+?:\d+|-",
    "user": r"(?!- )\S.*?",
    "list": r"\S+?(?:(?:, | : )\S+?)*",
}
_BY_PLACE = {
    "quotes": r'(?>(?:[^"\\]|\\.)*)',
    "brackets": r"[^\]]*",
    "bare": r"[^ ]*",
    "open": r".*?",
}


@lru_cache
def patterns(layout: Layout) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Return the pattern of a line, and one that also takes quotes that nobody escaped."""
    return _pattern(layout, lenient=False), _pattern(layout, lenient=True)


def _pattern(layout: Layout, *, lenient: bool) -> re.Pattern[bytes]:
    # Logs cut off while they were written (copytruncate) go on behind NUL bytes.
    pieces = [r"\x00*", _text(layout, 0)]
    for index, field in enumerate(layout.fields):
        final = index == len(layout.fields) - 1
        body = f"({_body(field, lenient=lenient)})"
        literal = _text(layout, index + 1)
        if index + 1 in layout.peeks:
            literal = f"(?={literal})"
        if lenient and field.quoted and field.kind in ("text", "request") and not final:
            # The first place where the next field fits too; atomic, so that no line takes for ever.
            following = layout.fields[index + 1]
            ahead = f"(?:{_body(following, lenient=False)})" if following.kind in ("status", "number") else ""
            pieces.append(f"(?>{body}{literal}(?={ahead}))")
        elif field.around == "open" and field.kind == "text":
            pieces.append(f"(?>{body}{literal})")
        else:
            pieces.append(body + literal)
    pieces.append(f"({TAIL})" if layout.tail else " *")
    return re.compile("".join(pieces).encode(), re.DOTALL)


def _body(field: Field, *, lenient: bool) -> str:
    if field.kind in _BY_KIND:
        return _BY_KIND[field.kind]
    if lenient and field.quoted:
        return ".*?"
    if field.kind == "request" and field.around == "bare":
        return ".*?"
    return _BY_PLACE[field.around]


def _text(layout: Layout, index: int) -> str:
    return re.escape(layout.literals[index].decode())
