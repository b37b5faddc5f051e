"""The fields of lines as the columns of the vocabulary, and those of the format's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.source.access_log.cut import Cut
from etl.source.access_log.durations import in_seconds, summed
from etl.source.access_log.escapes import texts_of
from etl.source.access_log.known import SUMMED
from etl.source.access_log.layout import CAPTURED, Field, Layout, port_of
from etl.source.access_log.octets import Octets
from etl.source.access_log.request import Span, span_of, split_request, split_target
from etl.source.access_log.times import CLF_WIDTH, clf_times, epoch_times, parsed_times
from etl.source.access_log.vocabulary import DURATIONS, EXTRA
from etl.source.chunk import Ints

_PORT = r":([0-9]{1,5})$"
_Make = Callable[[], pa.Array]


def columns_of(octets: Octets, layout: Layout, cut: Cut, wanted: Sequence[str]) -> dict[str, pa.Array]:
    """Return those of the `wanted` columns that the layout has, a value for each line of the cut: all of them fit."""
    makers: dict[str, _Make] = {}
    for field, starts, ends in zip(layout.fields, cut.starts, cut.ends, strict=False):
        makers.update(_makers(octets, field, span_of(octets, starts, ends)))
    if layout.clock is not None:
        makers["time"] = _joined(octets, layout, cut, layout.clock)
    if layout.tail:
        makers.update(_tail_makers(octets, layout, cut))
    if "duration" not in makers and all(name in makers for name in SUMMED):
        makers["duration"] = lambda: summed([makers[name]() for name in SUMMED])
    return {name: makers[name]() for name in wanted if name in makers}


def _joined(octets: Octets, layout: Layout, cut: Cut, clock: int) -> _Make:
    """Return how a time is made whose day and clock are two fields."""
    day = next(index for index, field in enumerate(layout.fields) if field.column == "time")
    form = f"{layout.fields[day].form} {layout.fields[clock].form}"

    def made() -> pa.Array:
        halves = [octets.texts(cut.starts[index], cut.ends[index]) for index in (day, clock)]
        return parsed_times(pc.binary_join_element_wise(*halves, " "), form)

    return made


def _tail_makers(octets: Octets, layout: Layout, cut: Cut) -> dict[str, _Make]:
    """Return how the columns of the fields behind the last one are made."""

    def text(part: Span) -> _Make:
        return lambda: octets.texts(part.starts, part.ends, part.absent)

    makers: dict[str, _Make] = {}
    at, ends = cut.starts[-1], cut.ends[-1]
    for name in layout.more:
        starts = np.minimum(at + 1, ends)
        at = np.minimum(octets.next(b" ", starts), ends)
        makers[name] = text(span_of(octets, starts, at))
    return makers | {EXTRA: text(_tail(octets, at, ends))}


def _tail(octets: Octets, starts: Ints, ends: Ints) -> Span:
    """Return what follows the last field, without the blank before it."""
    starts = np.minimum(starts + 1, ends)
    dash = octets.stands(b'"-"', starts) & (ends - starts == 3)
    return Span(starts, ends, octets.absent(starts, ends) | dash)


def _makers(octets: Octets, field: Field, span: Span) -> dict[str, _Make]:
    """Return how each column of a field is made, for those that are wanted."""

    def text(part: Span) -> _Make:
        return lambda: texts_of(octets, part, quoted=field.quoted)

    column, kind = field.column, field.kind
    if field.plain:
        return {column: text(span)}
    if kind == "request":
        parts = split_request(octets, span)
        parts |= split_target(octets, parts["target"], methodless=parts["method"].absent)
        return {name: text(part) for name, part in parts.items()}
    if kind == "target" and column == "target":
        return {"target": text(span), **{name: text(part) for name, part in split_target(octets, span).items()}}
    if kind == "query":
        begins = octets.at(span.starts) == ord("?")
        return {column: text(span_of(octets, np.minimum(span.starts + begins, span.ends), span.ends))}
    if kind in ("pair", "vhost"):
        return {column: lambda: _host(text(span)()), port_of(column): lambda: _port(text(span)())}
    if kind == "clf":
        return {column: lambda: clf_times(octets.window(span.starts, CLF_WIDTH))}
    if kind == "epoch":
        return {column: lambda: epoch_times(text(span)())}
    if kind == "captures":
        return _captured(text(span))
    if kind in ("user", "words"):
        return {column: text(span_of(octets, *octets.trimmed(span.starts, span.ends)))}
    if kind == "strftime":
        form = field.form or ""
        return {column: lambda: parsed_times(text(span)(), form)}
    if kind in DURATIONS:
        return {column: lambda: in_seconds(text(span)(), kind)}
    return {column: text(span)}


def _captured(values: _Make) -> dict[str, _Make]:
    """Return how the headers are made that stand in braces, one pair or two; the column itself is that of a lone pair."""

    def part(pattern: str) -> _Make:
        def made() -> pa.Array:
            found = pc.struct_field(pc.extract_regex(values(), pattern), "x")
            return pc.if_else(pc.equal(found, ""), pa.scalar(None, pa.string()), found)

        return made

    request, response = CAPTURED
    return {
        "captured_headers": part(r"^\{(?P<x>[^}]*)\} $"),
        request: part(r"^\{(?P<x>[^}]*)\} \{"),
        response: part(r"\} \{(?P<x>[^}]*)\} $"),
    }


def _host(pairs: pa.Array) -> pa.Array:
    """Return `10.0.0.1` of `10.0.0.1:443`, `::1` of `[::1]:443`."""
    return pc.replace_substring_regex(pc.replace_substring_regex(pairs, _PORT, ""), r"^\[(.*)\]$", r"\1")


def _port(pairs: pa.Array) -> pa.Array:
    found = pc.match_substring_regex(pairs, _PORT)
    return pc.if_else(found, pc.replace_substring_regex(pairs, r"^.*:", ""), pa.scalar(None, pa.string()))
