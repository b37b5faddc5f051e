"""What a CSV file may be where its header has not the columns that were expected: cut at another character, or with lines above."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass

_DELIMITERS = (",", ";", "\t", "|", ":", "^")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_LINES = 60
_SHARE = 0.6  # of the lines from the header on have as many fields as it
_SHOWN, _LENGTH = 12, 40  # columns, and characters of each


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to read the lines: the header is line `first` (from 0), with `width` fields, as so many of the lines after it."""

    delimiter: str
    first: int
    width: int
    share: float


def columns_seen(names: list[str]) -> str:
    """Return a header's columns for people, cut where they are many or long."""
    shown = [f"`{name if len(name) <= _LENGTH else name[:_LENGTH] + '…'}`" for name in names[:_SHOWN]]
    more = f", … ({len(names):,} in all)" if len(names) > _SHOWN else ""
    return f"{', '.join(shown)}{more}"


def likely(text: str, delimiter: str, skipped: int) -> str | None:
    """Return which keys of the job would give `text` uniform columns, where `delimiter` does not from its first line on.

    `text` begins at the header as it was taken; `skipped` lines stand above it.
    """
    lines = text.split("\n")[: _LINES + 1]
    if len(lines) > _LINES:
        lines = lines[:-1]  # it may be cut
    plain = [_QUOTED.sub("", line.rstrip("\r")) for line in lines]
    filled = [index for index, line in enumerate(plain) if line.strip()]
    if len(filled) < 2:
        return None
    ways = [way for each in dict.fromkeys((delimiter, *_DELIMITERS)) if (way := _way(plain, filled, each)) is not None]
    present = next((way for way in ways if way.delimiter == delimiter), None)
    if present is not None and present.first == filled[0]:
        return None
    best = max(ways, key=lambda way: (round(way.share, 1), way.delimiter == delimiter, way.width), default=None)
    if best is None:
        return None
    keys = []
    if best.delimiter != delimiter:
        keys.append(f"`source.delimiter: {json.dumps(best.delimiter)}`")
    above = [lines[index] for index in filled if index < best.first]
    if above:
        is_comment = all(line.startswith("#") for line in above)
        keys.append('`source.skip: {comment: "#"}`' if is_comment else f"`source.skip: {skipped + best.first}`")
    if not keys:
        return None
    found = columns_seen([part.strip().strip('"') for part in _cut(lines[best.first].rstrip("\r"), best.delimiter)])
    return f"Is the header line {skipped + best.first + 1:,}? Write {' and '.join(keys)}: then the columns are {found}."


def _cut(line: str, delimiter: str) -> list[str]:
    """Cut a line at a delimiter outside quotes."""
    return re.findall(rf'(?:^|(?<={re.escape(delimiter)}))((?:"(?:[^"]|"")*"|[^{re.escape(delimiter)}])*)', line)


def _way(plain: list[str], filled: list[int], delimiter: str) -> _Way | None:
    widths = {index: plain[index].count(delimiter) + 1 for index in filled}
    (width, _), *_ = Counter(widths.values()).most_common(1)
    if width < 2:
        common = [found for found, _ in Counter(widths.values()).most_common() if found > 1]
        if not common:
            return None
        width = common[0]
    first = next(index for index in filled if widths[index] == width)
    after = [index for index in filled if index >= first]
    share = sum(widths[index] == width for index in after) / len(after)
    return _Way(delimiter, first, width, share) if share >= _SHARE and len(after) > 1 else None


def utf16(data: bytes) -> str | None:
    """Return which UTF-16 text without a mark may be: every second byte of its first ones is NUL. None for what is no text."""
    head = data[:400]
    half = max(len(head) // 2, 1)
    for encoding, zeros, others in (("utf-16-le", head[1::2], head[::2]), ("utf-16-be", head[::2], head[1::2])):
        if zeros.count(0) > 0.5 * half and others.count(0) == 0:
            return encoding
    return None
