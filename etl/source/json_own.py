"""A row's own JSON: the text of a value that says the same whatever other rows of the input hold.

A column of mixed values is text, which no longer tells the number 5 from the text "5". Beside such a column stands this
one: objects without null keys, in the order of names; numbers with a point or an exponent in their shortest form, whole
ones without `.0`; integers beyond 64 bits as texts, with every digit; blank texts are null.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from etl.source.chunk import Ints
from etl.source.json_lines import ask
from etl.source.json_sql import pointer
from etl.source.shape import Number, load, written
from etl.sql import literal
from etl.tables import OWN, RENAMED, Renamed

# What DuckDB writes as it is meant here: a flag, an integer that surely fits 64 bits, a text that begins with a sign.
_READY = r'^(true|false|-?(0|[1-9][0-9]{0,17})|"[!#-\[\]-~].*)$'
_INT64 = 1 << 63
# Powers of ten beyond which DuckDB's JSON writes an exponent.
_SMALLEST, _LARGEST = -7, 21


def own_fields(columns: Mapping[str, Renamed]) -> pa.Schema:
    """Return the columns of rows' own JSON beside these."""
    return pa.schema(
        [
            pa.field(f"{OWN}{name}", pa.string(), metadata={RENAMED: json.dumps(list(renamed.items()))})
            for name, renamed in columns.items()
        ]
    )


def own_values(connection: duckdb.DuckDBPyConnection, lines: pa.Array, key: str) -> pa.Array:
    """Return each line's own JSON of the value of a top key, null where it has none."""
    place = pointer((key,))
    if place is None:
        return pa.array([_text(load(line).get(key)) for line in lines.to_pylist()], pa.string())
    if not len(lines):
        return pa.array([], pa.string())
    found = ask(connection, lines, f"CAST(json_extract(line, {literal(place)}) AS VARCHAR)")
    ready = pc.match_substring_regex(found, _READY)
    if pc.all(ready).as_py():
        return found
    others = pc.dictionary_encode(pc.if_else(ready, None, found))
    values = pa.array([_text(load(text)) for text in others.dictionary.to_pylist()], pa.string())
    return pc.if_else(pc.fill_null(ready, False), found, values.take(others.indices))


def exploded(texts: pa.Array, way: tuple[str, ...], counts: Ints) -> pa.Array:
    """Return the text of each element of the list at `way` below each value, in the rest of that value; null for a null list.

    `counts` says how many rows each value becomes.
    """
    found: list[str | None] = []
    for text, count in zip(texts.to_pylist(), counts.tolist(), strict=True):
        value = None if text is None else load(text)
        items = value
        for name in way:
            items = items.get(name) if isinstance(items, dict) else None
        elements = items if isinstance(items, list) and items else [None] * count
        found += [_text(_with(value, way, element)) for element in elements]
    return pa.array(found, pa.string())


def _with(value: Any, way: tuple[str, ...], element: Any) -> Any:
    """Return a value in which `element` stands at `way`."""
    if not way:
        return element
    if not isinstance(value, dict):
        return value
    return {**value, way[0]: _with(value.get(way[0]), way[1:], element)}


#: A control character as Python's json escapes it; SQL writes its digits in capitals. Escaped backslashes are passed over first.
_ESCAPE = re.compile(r"\\(?:\\|u00[01][0-9a-f])")


def _text(value: Any) -> str | None:
    sound = _sound(value)
    if sound is None:
        return None
    is_text = isinstance(sound, str) and not isinstance(sound, Number)
    text = json.dumps(sound, ensure_ascii=False) if is_text else written(sound)
    return _ESCAPE.sub(lambda found: found[0].upper().replace("U", "u"), text)


def _sound(value: Any) -> Any:
    """Return a value that `load` gave as it is meant here: one call a level, since a value may be nested deep."""
    if isinstance(value, dict):
        fields: dict[str, Any] = {}
        for name in sorted(value):
            inner = _sound(value[name])
            if inner is not None:
                fields[name] = inner
        return fields
    if isinstance(value, list):
        return list(map(_sound, value))
    if isinstance(value, Number):
        return _number(value)
    return None if isinstance(value, str) and (not value or value.isspace()) else value


def _number(text: Number) -> Number | str | None:
    """Return a number in its own form; a text where it is an integer beyond 64 bits, null beyond the range of floats."""
    if text.removeprefix("-").isdigit():
        value = int(text)
        return Number(value) if -_INT64 <= value < _INT64 else str(text)
    number = float(text)
    if not math.isfinite(number):
        return None
    exact = Decimal(repr(number)).normalize()
    if not number or _SMALLEST < exact.adjusted() < _LARGEST:
        return Number(format(exact + 0, "f"))  # a zero without a sign
    first, *more = map(str, exact.as_tuple().digits)
    mantissa = f"{first}.{''.join(more)}" if more else first
    return Number(f"{'-' if exact < 0 else ''}{mantissa}e{exact.adjusted()}")
