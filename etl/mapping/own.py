"""The row's own JSON in place of a column, where an expression is nothing but that column or a field of it.

A column of mixed values is text: whether this row has the number 5 or the text "5" there stands in the JSON beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import duckdb
import pyarrow as pa
from duckdb.sqltypes import DuckDBPyType

from etl.mapping import kinds
from etl.mapping.blank import without_json_nul, without_nul
from etl.mapping.expression import Scope, path_in
from etl.mapping.kinds import Cast
from etl.mapping.nested import inside
from etl.sql import literal, quote
from etl.tables import OWN, RENAMED, Renamed


@dataclass(frozen=True, slots=True)
class OwnJson:
    """SQL of a row's own JSON of a value, and the fields below it that have other names than their keys."""

    sql: str
    renamed: Renamed


def own_of(schema: pa.Schema) -> dict[str, Renamed]:
    """Return the columns of a source beside which each row's own JSON stands, with their renamed fields."""
    found = [column for column in schema if column.name.startswith(OWN)]
    listed = {f.name.removeprefix(OWN): json.loads((f.metadata or {}).get(RENAMED, b"[]")) for f in found}
    return {name: {tuple(way): key for way, key in renamed} for name, renamed in listed.items()}


def own_json(
    text: str, scope: Scope, kind_of: Callable[[str], str], connection: duckdb.DuckDBPyConnection
) -> OwnJson | None:
    """Return the JSON of an expression that is a name or a field below one, where that has it; else None.

    `kind_of` gives the type of SQL.
    """
    whole = scope.named(text)
    path = (whole,) if whole is not None else path_in(text, connection)
    name = scope.find(path[0]) if path else None
    if name is None or name not in scope.own:
        return None
    column, renamed = quote(f"{OWN}{name}"), scope.own[name]
    if len(path) == 1:
        return OwnJson(column, renamed)
    fields = _fields(duckdb.sqltype(kind_of(quote(name))), path[1:])
    keys = [renamed.get(fields[: depth + 1], field) for depth, field in enumerate(fields)]
    if not keys or not all(map(_can_be_named, keys)):
        return None
    way = "$" + "".join(f'."{key}"' for key in keys)
    sql = f"nullif(CAST(json_extract({column}, {literal(way)}) AS VARCHAR), 'null')"
    return OwnJson(sql, _below(renamed, fields))


def _below(renamed: Renamed, way: tuple[str | None, ...]) -> Renamed:
    return {path[len(way) :]: key for path, key in renamed.items() if path[: len(way)] == way}


def own_elements(own: OwnJson | None) -> dict[str, str]:
    """Return SQL of the JSON of each element of a list, beside the `item` that is the element."""
    if own is None:
        return {}
    return {f"{OWN}item": f"nullif(CAST(unnest(from_json({own.sql}, '[\"JSON\"]')) AS VARCHAR), 'null')"}


def item_of(own: OwnJson) -> Renamed:
    """Return the renamed fields below an element of a list."""
    return _below(own.renamed, (None,))


def _fields(kind: DuckDBPyType, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the fields that names mean without regard to case; nothing where one is not there."""
    found: list[str] = []
    for name in names:
        fields = {key.casefold(): key for key in inside(kind)} if kind.id == "struct" else {}
        field = fields.get(name.casefold())
        if field is None:
            return ()
        found.append(field)
        kind = inside(kind)[field]
    return tuple(found)


def _can_be_named(key: str) -> bool:
    return bool(key) and not any(sign in key for sign in '"\\\0*')


def own_value(own: str, wanted: str, decimal: str, *, identifies: bool) -> Cast:
    """Return SQL of a row's own JSON as the kind that is wanted: number, flag, json, text or texts."""
    match wanted:
        case "number":
            return _as_number(own, decimal)
        case "flag":
            return _as_flag(own)
        case "json":
            return Cast(_as_json(own))
        case "text":
            return Cast(_as_text(own, identifies=identifies))
    return Cast(_as_texts(own))


def _text_of(own: str) -> str:
    return f"json_extract_string({own}, '$')"


def _is_text(own: str) -> str:
    return f"starts_with({own}, '\"')"


def _as_json(own: str) -> str:
    """The JSON itself, without NUL in its texts."""
    cleaned = f"CAST(to_json({without_nul(_text_of(own))}) AS VARCHAR)"
    return f"CASE WHEN {_is_text(own)} AND contains({own}, '\\u0000') THEN {cleaned} ELSE {without_json_nul(own)} END"


def _as_text(own: str, *, identifies: bool) -> str:
    """A text as it stands, a number in its own form, an object or a list as JSON; NUL goes out where nothing is identified."""
    given = _text_of(own)
    return f"CASE WHEN {_is_text(own)} THEN {given if identifies else without_nul(given)} ELSE {own} END"


def _as_number(own: str, decimal: str) -> Cast:
    """A double; what is neither a number nor a text of one is wrong."""
    return _either(
        own, kinds.number(_text_of(own), "VARCHAR", decimal), kinds.number(f"TRY_CAST({own} AS DOUBLE)", "DOUBLE")
    )


def _as_flag(own: str) -> Cast:
    """0 or 1."""
    number = f"coalesce(TRY_CAST({own} AS DOUBLE), CASE {own} WHEN 'true' THEN 1.0 WHEN 'false' THEN 0.0 END)"
    return _either(own, kinds.flag(_text_of(own), "VARCHAR"), kinds.flag(number, "DOUBLE"))


def _either(own: str, of_text: Cast, of_number: Cast) -> Cast:
    value = f"CASE WHEN {_is_text(own)} THEN {of_text.value} ELSE {of_number.value} END"
    return Cast(value, f"({own}) IS NOT NULL AND ({value}) IS NULL", of_text.fault)


def _as_texts(own: str) -> str:
    """A list of texts: a list's elements that are not null, or the one value."""
    one = _as_text("CAST(x AS VARCHAR)", identifies=False)
    element = f"CASE WHEN json_type(x) <> 'NULL' THEN {one} END"
    each = f"list_filter(list_transform(from_json({own}, '[\"JSON\"]'), lambda x: {element}), lambda x: x IS NOT NULL)"
    single = _as_text(own, identifies=False)
    return (
        f"CASE WHEN starts_with({own}, '[') THEN CASE WHEN len({each}) > 0 THEN {each} END "
        f"WHEN ({single}) IS NOT NULL THEN [{single}] END"
    )
