"""The fields of W3C lines as the columns of the vocabulary, and those of the format's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.source.access_log.durations import in_seconds
from etl.source.access_log.octets import Flags, Octets
from etl.source.access_log.request import Span, span_of, split_target
from etl.source.access_log.w3c_layout import W3cLayout
from etl.source.chunk import Ints

_HEADERS = frozenset({"user_agent", "referrer", "cookie"})
_TEXT = pa.string()


def w3c_columns(
    octets: Octets, layout: W3cLayout, starts: Ints, ends: Ints, doubled: Flags, wanted: Sequence[str]
) -> dict[str, pa.Array]:
    """Return those of the `wanted` columns that the layout has; `starts` and `ends` are rows of lines that fit."""

    def span(index: int) -> Span:
        return span_of(octets, starts[:, index], ends[:, index])

    def text(part: Span) -> pa.Array:
        values = octets.texts(part.starts, part.ends, part.absent)
        if doubled.any():
            values = pc.if_else(pa.array(doubled), pc.replace_substring(values, '""', '"'), values)
        return values

    def field(index: int) -> Callable[[], pa.Array]:
        return lambda: text(span(index))

    roles = layout.roles
    makers = {name: field(index) for name, index in (*roles.items(), *layout.own.items())}
    for name in _HEADERS & roles.keys():
        makers[name] = _header(field(roles[name]), layout, plussed=layout.plussed and name == "user_agent")
    if "duration" in roles:
        makers["duration"] = lambda: in_seconds(field(roles["duration"])(), layout.unit or "s")
    if "target" in roles:
        parts = split_target(octets, span(roles["target"]))
        makers |= {name: _made(text, part) for name, part in parts.items()}
    elif "path" in roles:
        makers["target"] = lambda: _target(makers["path"](), makers.get("query"))
    if {"clock", "local_clock"} & roles.keys():
        makers["time"] = lambda: _time(layout, makers, len(starts))
    return {name: makers[name]() for name in wanted if name in makers}


def _made(text: Callable[[Span], pa.Array], part: Span) -> Callable[[], pa.Array]:
    return lambda: text(part)


def _header(value: Callable[[], pa.Array], layout: W3cLayout, *, plussed: bool) -> Callable[[], pa.Array]:
    def made() -> pa.Array:
        values = value()
        if layout.encoded:
            coded = values.dictionary_encode()
            plain = [None if text is None else unquote(text) for text in coded.dictionary.to_pylist()]
            return pa.array(plain, _TEXT).take(coded.indices)
        if plussed:
            blanks = pc.match_substring(values, " ")
            return pc.if_else(blanks, values, pc.replace_substring(values, "+", " "))
        return values

    return made


def _target(path: pa.Array, query: Callable[[], pa.Array] | None) -> pa.Array:
    if query is None:
        return path
    joined = pc.binary_join_element_wise(path, query(), "?")
    return pc.coalesce(joined, path)


def _time(layout: W3cLayout, makers: dict[str, Callable[[], pa.Array]], rows: int) -> pa.Array:
    """Return date and time joined: in UTC, unless the format says that they are local."""
    local = "clock" not in layout.roles
    day, clock = ("local_date", "local_clock") if local else ("date", "clock")
    days = makers[day]() if day in layout.roles else pa.array(np.full(rows, layout.day), _TEXT)
    joined = pc.binary_join_element_wise(days, makers[clock](), "T")
    return joined if local else pc.binary_join_element_wise(joined, "Z", "")
