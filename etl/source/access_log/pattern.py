"""A layout as a regular expression over one line: the exact way, for the few lines that the fast way does not take."""

from __future__ import annotations

import re
from functools import lru_cache

from etl.source.access_log.layout import Field, Layout
from etl.source.access_log.strftime import time_form
from etl.source.access_log.users import is_user

#: A longer line is not searched, nor one with more quotes for those that nobody escaped: servers do not write such, and
#: a pattern takes its time over them.
MOST = 65_536
MOST_QUOTES = 64

CLF = r"\d\d/[A-Za-z]{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}"
#: What may follow the last field: more fields, each with a blank before it.
TAIL = r'(?: +(?:"(?:[^"\\]|\\.)*"|[^" ]+))* *'
#: Headers in braces, each pair with a blank behind it.
CAPTURES = r"(?:\{[^}]*\} ){0,2}"
#: What syslog writes before a line: `Feb  6 12:14:14 localhost haproxy[14389]: `.
SYSLOG = r"[^\[]{0,256}\[\d+\]: +"

# One value of a list; one that a comma ends has another behind it.
_VALUE = r"(?!: )[^ ]*[^ ,]"
_BY_KIND = {
    "clf": CLF,
    "status": r"\d{1,3}|-",
    "number": r"[+-]?\d[\d.]*|-",
    "iso": r"\d{4}-\d\d-\d\d[T ]\d\d:\S+|-",
    "epoch": r"\d+(?:\.\d+)?|-",
    "host": r"(?!- )\S*[^\s,]",
    "peer": r"\S*[^\s,]",
    "pair": r"\S+?:\d+|-",
    "user": r"[^ ]*",
    "words": r".*?",
    "list": rf"(?>{_VALUE}(?:(?: ?, +| : ){_VALUE})*)(?! ?, | : )|",
    "captures": CAPTURES,
}
# Without quotes, only the request itself says where it ends.
_BARE_REQUEST = r"(?>[A-Z][A-Z0-9_-]{0,39} [^ ]+ HTTP/[^ ]*)|-"
_BY_PLACE = {
    "quotes": r'(?>(?:[^"\\]|\\.)*)',
    "brackets": r"[^\]]*",
    "bare": r"(?:(?!: )[^ ]*[^ ,])?",
    "open": r".*?",
}
#: A comma may well end an address of the site.
ENDS_ANYHOW = frozenset({"target", "path", "query"})


@lru_cache
def patterns(layout: Layout) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Return the pattern of a line, and one that also takes quotes that nobody escaped."""
    return _pattern(layout, lenient=False), _pattern(layout, lenient=True)


def spans(layout: Layout, line: bytes) -> list[tuple[int, int]] | None:
    """Return where each field of a line, and its tail, starts and ends; None where the line does not fit."""
    strict, lenient = patterns(layout)
    match = strict.fullmatch(line)
    if match is None and line.count(b'"') <= MOST_QUOTES:
        match = lenient.fullmatch(line)
    if match is None:
        return None
    found: list[tuple[int, int]] = []
    for index in range(1, len(layout.fields) + layout.tail + 1):
        start, end = match.span(index)
        if start < 0:  # a dash in place of quotes
            start = end = found[-1][1] if found else 0
        found.append((start, end))
    for index, (field, (start, end)) in enumerate(zip(layout.fields, found, strict=False)):
        value = line[start:end].strip(b" ")
        if field.kind in ("user", "words") and not is_user(value):
            return None
        if field.kind == "words" and b" " in value and behind_ident(layout, index):
            before_start, before_end = found[index - 1]
            if line[before_start:before_end] not in (b"", b"-"):
                return None
    return found


def behind_ident(layout: Layout, index: int) -> bool:
    """Return whether a user stands right behind `ident`: several words are the user's alone only where that is `-`."""
    return index > 0 and layout.fields[index - 1].column == "ident" and layout.literals[index] == b" "


def _pattern(layout: Layout, *, lenient: bool) -> re.Pattern[bytes]:
    # Logs cut off while they were written (copytruncate) go on behind NUL bytes.
    pieces = [r"\x00*", f"(?:{SYSLOG})?" if layout.prefixed else ""]
    bare = [_may_be_dash(layout, index) for index in range(len(layout.fields))]
    texts = [literal.decode() for literal in layout.literals]
    for index, dashed in enumerate(bare):
        if dashed:
            texts[index], texts[index + 1] = texts[index][:-1], texts[index + 1][1:]
    pieces.append(re.escape(texts[0]))
    for index, field in enumerate(layout.fields):
        final = index == len(layout.fields) - 1
        body = f"({_body(field, lenient=lenient)})"
        literal = re.escape(texts[index + 1])
        if index + 1 in layout.peeks:
            literal = f"(?={literal})"
        if bare[index]:
            body = f'"{body}"'
        if lenient and field.quoted and field.kind in ("text", "request") and not final:
            # The first place where the next field fits too; atomic, so that no line takes for ever.
            following = layout.fields[index + 1]
            ahead = f"(?:{_body(following, lenient=False)})" if following.kind in ("status", "number") else ""
            opening = '(?:"|- |-$)' if bare[index + 1] else ""
            body, literal = f"(?>{body}{literal}(?={opening}{ahead}))", ""
            if bare[index]:
                body = f"(?:{body}|-{re.escape(texts[index + 1])})"
        elif field.around == "open" and field.kind == "text":
            body, literal = f"(?>{body}{literal})", ""
        elif bare[index]:
            body = f"(?:{body}|-)"
        pieces.append(body + literal)
    pieces.append(f"({TAIL})" if layout.tail else " *")
    return re.compile("".join(pieces).encode(), re.DOTALL)


def _may_be_dash(layout: Layout, index: int) -> bool:
    """Return whether a field in quotes has quotes of its own, in place of which a server may write a bare `-`."""
    before, after = layout.literals[index], layout.literals[index + 1]
    shared = (index > 0 and before == b'"' and layout.fields[index - 1].quoted) or after == b'"'
    last = index == len(layout.fields) - 1
    return layout.fields[index].quoted and (not shared or last) and index not in layout.peeks


def _body(field: Field, *, lenient: bool) -> str:
    if field.kind == "strftime":
        return time_form(field.form or "").text
    if field.kind in _BY_KIND:
        return _BY_KIND[field.kind]
    if lenient and field.quoted:
        return ".*?"
    if field.kind == "request" and field.around == "bare":
        return _BARE_REQUEST
    if field.around == "bare" and field.column in ENDS_ANYHOW:
        return "[^ ]*"
    return _BY_PLACE[field.around]
