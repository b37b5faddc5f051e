"""How a value of any SQL type becomes what the API wants: text, a number, a flag, a list of texts, or JSON.

Each function takes SQL and its DuckDB type and gives SQL. Blank text is null everywhere (RULES §3); NaN is null (RULES §11).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from etl.mapping import instants
from etl.mapping.blank import present, stripped, without_nul
from etl.mapping.nested import nested_json
from etl.sql import literal

_INTEGERS = frozenset({
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "BIGNUM",
})  # fmt: skip
_FLOATS = frozenset({"FLOAT", "DOUBLE"})
_STRING_OR_NAN = r'(?i)("(?:\\.|[^"\\])*")|-?(?:nan|inf(?:inity)?)'


@dataclass(frozen=True, slots=True)
class Cast:
    """The SQL of a value, and where a value can be of the wrong kind: SQL that is true there, and the fault's word."""

    value: str
    wrong: str | None = None
    fault: str = ""


def is_number(kind: str) -> bool:
    """Say whether a DuckDB type is numeric."""
    return kind in _INTEGERS or kind in _FLOATS or kind.startswith("DECIMAL")


def is_text(kind: str) -> bool:
    """Say whether a DuckDB type is text."""
    return kind == "VARCHAR"


def is_list(kind: str) -> bool:
    """Say whether a DuckDB type is a list (or an array of a fixed size)."""
    return kind.endswith("]")


def text(sql: str, kind: str, *, blank: bool = True) -> str:
    """Text as it stands; a whole number in a floating column without `.0` (RULES §3); a list or struct as JSON.

    `blank` says whether a text may be blank: a column's own texts are not, they are null then.
    """
    if is_text(kind):
        return _given(sql, blank)
    if kind in _FLOATS:
        return _float_text(sql)
    if kind.startswith("DECIMAL"):
        return f"regexp_replace(CAST({sql} AS VARCHAR), '(\\.[0-9]*?)0+$', '\\1').rtrim('.')"
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({sql}, '%Y-%m-%dT%H:%M:%S.%fZ')"
    if is_nested(kind):
        return nested_json(sql, kind, _inner)
    if kind == "JSON":
        return _without_nan(f"CAST(to_json({sql}) AS VARCHAR)")
    return f"CAST({sql} AS VARCHAR)"


def _given(sql: str, blank: bool) -> str:
    return present(sql) if blank else sql


def is_nested(kind: str) -> bool:
    """Say whether values of a DuckDB type hold others."""
    return kind.startswith(("STRUCT", "MAP", "UNION")) or is_list(kind)


def _without_nan(written: str) -> str:
    """SQL of JSON that DuckDB wrote or let pass: null for NaN and infinity, which are none, and for a whole that is null."""
    # What is outside of strings is found by matching the strings too; a character that JSON cannot hold tells them apart.
    marked = f"regexp_replace({written}, {literal(_STRING_OR_NAN)}, '\\1' || chr(1), 'g')"
    cleaned = f"replace(replace({marked}, '\"' || chr(1), '\"'), chr(1), 'null')"
    sound = f"CASE WHEN regexp_matches({written}, '(?i)nan|inf') THEN {cleaned} ELSE {written} END"
    return f"nullif(trim({sound}), 'null')"


def _float_text(sql: str) -> str:
    return (
        f"CASE WHEN NOT isfinite({sql}) THEN NULL WHEN abs({sql}) <= 9007199254740992 AND {sql} = trunc({sql}) "
        f"THEN CAST(TRY_CAST({sql} AS BIGINT) AS VARCHAR) ELSE regexp_replace(CAST(to_json({sql}) AS VARCHAR), '[.]0$', '') END"
    )


def number(sql: str, kind: str, decimal: str = ".", *, blank: bool = True) -> Cast:
    """A double; text that is none is `not_a_number`. `decimal` is the decimal sign of the source's texts."""
    if is_number(kind):
        # By its text, a FLOAT that an expression made is 19.99 and not 19.989999771118164.
        value = f"CAST(CAST({sql} AS VARCHAR) AS DOUBLE)" if kind == "FLOAT" else f"CAST({sql} AS DOUBLE)"
        return Cast(f"CASE WHEN NOT isnan({value}) THEN {value} END")
    if is_text(kind):
        given = _given(sql, blank)
        value = f"TRY_CAST({point(given, decimal)} AS DOUBLE)"
        return Cast(
            f"CASE WHEN NOT isnan({value}) THEN {value} END",
            f"({given}) IS NOT NULL AND {value} IS NULL",
            "not_a_number",
        )
    return Cast("CAST(NULL AS DOUBLE)", f"({sql}) IS NOT NULL", "not_a_number")


def point(sql: str, decimal: str) -> str:
    """Return SQL of a number's text with the decimal sign as SQL writes it; a point in it then makes it none.

    `1_000` is a number in SQL and in no export.
    """
    if decimal == ".":
        return f"CASE WHEN NOT contains({sql}, '_') THEN {sql} END"
    return f"CASE WHEN NOT regexp_matches({sql}, '[._]') THEN replace({sql}, '{decimal}', '.') END"


def flag(sql: str, kind: str) -> Cast:
    """0 or 1; a boolean is turned. Other numbers pass: the model of the type refuses them."""
    if kind == "BOOLEAN":
        return Cast(f"CAST({sql} AS BIGINT)")
    if is_number(kind):
        whole = f"{sql} = trunc({sql})" if kind not in _INTEGERS else "true"
        return Cast(f"CASE WHEN {whole} THEN TRY_CAST({sql} AS BIGINT) END", f"NOT ({whole})", "not_0_or_1")
    if is_text(kind):
        given = f"lower({stripped(sql)})"
        value = f"CASE {given} WHEN '1' THEN 1::BIGINT WHEN 'true' THEN 1 WHEN '0' THEN 0 WHEN 'false' THEN 0 END"
        return Cast(value, f"{given} IS NOT NULL AND ({value}) IS NULL", "not_0_or_1")
    return Cast("CAST(NULL AS BIGINT)", f"({sql}) IS NOT NULL", "not_0_or_1")


def texts(sql: str, kind: str, *, blank: bool = True) -> str:
    """A list of texts: a list's elements that are not blank, or the one value; an empty list is null."""
    if is_list(kind):
        element = kind[: kind.rindex("[")]
        one = text(without_nul("x") if is_text(element) else "x", element)
        each = f"list_filter(list_transform({sql}, lambda x: {one}), lambda x: x IS NOT NULL)"
        return f"CASE WHEN len({each}) > 0 THEN {each} END"
    one = text(sql, kind, blank=blank)
    return f"CASE WHEN ({one}) IS NOT NULL THEN [{one}] END"


def json(sql: str, kind: str) -> str:
    """A JSON value as text: numbers and booleans as they are, times as ISO 8601, lists and structs nested."""
    if kind in _FLOATS:
        return f"CASE WHEN isfinite({sql}) THEN {_float_text(sql)} END"
    if is_number(kind):
        return text(sql, kind)
    if kind == "BOOLEAN":
        return f"CAST({sql} AS VARCHAR)"
    if kind == "JSON":
        # As it was written, but for what DuckDB lets pass and JSON does not: a comma before the end.
        given = f"CAST({sql} AS VARCHAR)"
        anew = f"CAST(to_json({sql}) AS VARCHAR)"
        return _without_nan(f"CASE WHEN regexp_matches({given}, ',\\s*[\\]}}]') THEN {anew} ELSE {given} END")
    if is_nested(kind):
        return nested_json(sql, kind, _inner)
    if kind.startswith("TIMESTAMP") and kind != "TIMESTAMP WITH TIME ZONE":
        seconds = f"strftime({sql}, '%Y-%m-%dT%H:%M:%S')"
        exact = f"CASE WHEN microsecond({sql}) % 1000000 = 0 THEN {seconds} ELSE strftime({sql}, '%Y-%m-%dT%H:%M:%S.%f') END"
        return f"CAST(to_json({exact}) AS VARCHAR)"
    return f"CAST(to_json({text(sql, kind)}) AS VARCHAR)"


def _inner(sql: str, kind: str) -> str:
    """The JSON of a value inside of others."""
    return f"CAST(to_json({sql}) AS VARCHAR)" if is_text(kind) or kind.startswith("UNION") else json(sql, kind)


def typed(sql: str, kind: str, to: str, decimal: str, zone: str) -> Cast:
    """A column of `source.types`: the value, and where it does not fit (RULES §3). `zone` is that of local times."""
    given = stripped(sql) if is_text(kind) else sql
    of_text = to == "timestamp" and is_text(kind)
    value = instants.local(given, zone) if of_text else _TYPES[to](given, is_text(kind), decimal)
    if to == "text" and not is_text(kind):
        value = text(sql, kind)
    return Cast(value, f"({given}) IS NOT NULL AND ({value}) IS NULL", "type")


def _int(sql: str, from_text: bool, decimal: str) -> str:
    if not from_text:
        return (
            f"CASE WHEN TRY_CAST({sql} AS DOUBLE) = trunc(TRY_CAST({sql} AS DOUBLE)) THEN TRY_CAST({sql} AS BIGINT) END"
        )
    # TRY_CAST alone would round '5.7' to 6.
    sign = "." if decimal == "." else decimal
    return f"CASE WHEN regexp_full_match({sql}, '[+-]?[0-9]+([{sign}]0*)?') THEN TRY_CAST({point(sql, decimal)} AS BIGINT) END"


def _cast(to: str) -> Callable[[str, bool, str], str]:
    return lambda sql, *_: f"TRY_CAST({sql} AS {to})"


def _numeric(to: str) -> Callable[[str, bool, str], str]:
    return lambda sql, from_text, decimal: f"TRY_CAST({point(sql, decimal) if from_text else sql} AS {to})"


def _exact_decimal(sql: str, from_text: bool, decimal: str) -> str:
    """A decimal of 9 places; a text with more of them, or one so small that it would vanish, does not fit."""
    value = _numeric("DECIMAL(38, 9)")(sql, from_text, decimal)
    if not from_text:
        return value
    mark = "[.]" if decimal == "." else decimal
    more = literal(f"(?i){mark}[0-9]{{9}}0*[1-9]")
    same = f"TRY_CAST({point(sql, decimal)} AS DOUBLE) = CAST({value} AS DOUBLE)"
    return f"CASE WHEN NOT regexp_matches({sql}, {more}) AND (NOT regexp_matches({sql}, '(?i)e') OR {same}) THEN {value} END"


def _finite(sql: str, from_text: bool, decimal: str) -> str:
    """A double; a number beyond its range does not fit."""
    value = _numeric("DOUBLE")(sql, from_text, decimal)
    return f"CASE WHEN NOT isinf({value}) THEN {value} END"


def _date(sql: str, from_text: bool, decimal: str) -> str:  # noqa: ARG001 - the form of all types
    """A date; a text that carries a clock or an offset does not fit: the cast would drop them."""
    if not from_text:
        return f"TRY_CAST({sql} AS DATE)"
    return f"CASE WHEN NOT contains({sql}, ':') THEN TRY_CAST({sql} AS DATE) END"


_TYPES: dict[str, Callable[[str, bool, str], str]] = {
    "int": _int,
    "decimal": _exact_decimal,
    "float": _finite,
    "bool": _cast("BOOLEAN"),
    "text": _cast("VARCHAR"),
    "date": _date,
    "timestamp": _cast("TIMESTAMP"),
}
