"""The functions that a job's expressions have beside DuckDB's own: for paths, queries, cookies, URLs, and GA4's event_params.

Each is a macro over DuckDB's functions, so rows are worked on in vectors and never in Python. What a call names (a template, a parameter, a
cookie) is a text in quotes: it is compiled once into a regular expression, which takes its place in the SQL that is run. None of them
fails on any text: null gives null, and what is no text in UTF-8 once decoded stays as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from etl.mapping import kinds, patterns
from etl.mapping.patterns import SCHEME, PatternError
from etl.sql import literal

Node = dict[str, Any]

_H = "[0-9a-fA-F]"
_TAIL = "%[89abAB]" + _H
#: An encoded character of UTF-8, as its standard has them: no overlong form, no half of a surrogate.
_ENCODED = "|".join([
    f"%[0-7]{_H}",
    f"%(?:[cC][2-9a-fA-F]|[dD]{_H}){_TAIL}",
    f"%[eE]0%[abAB]{_H}{_TAIL}",
    f"%[eE](?:[1-9a-cA-CeEfF]{_TAIL}|[dD]%[89]{_H}){_TAIL}",
    f"%[fF](?:0%[9abAB]{_H}|[1-3]{_TAIL}|4%8{_H}){_TAIL}{_TAIL}",
])  # fmt: skip
#: A text whose percent signs decode to UTF-8, or are no encoding at all (`100%`, `%zz`) and stay.
_DECODABLE = rf"(?s)(?:[^%]|(?:%{_H}?)*(?:{_ENCODED}|%{_H}?(?:[^0-9a-fA-F%]|$)))*"
_BLANK = r"[ \t\r\n]|%20|%09|%0[aAdD]"
_HOST_AND_PORT = f"(?:{SCHEME})?//"
#: What comes before the path, then the path.
_PATH = rf"(?s)^(?:{_HOST_AND_PORT}[^/?#]*)?([^?#]*)"
_HAS_HOST = rf"^{_HOST_AND_PORT}[^/?#]"
_HOST = rf"(?s)^{_HOST_AND_PORT}(?:[^/?#]*@)?(\[[^\]/?#]*|[^/?#:]*)"
_LOGIN = rf"(?s)^({_HOST_AND_PORT})[^/?#]*@"
#: What stands before a query. A text that does not begin as a URL or path, and has no ? before its first name, is a query itself.
_BEFORE_QUERY = rf"(?s)^(?:(?:{SCHEME}/)?/[^?]*(?:\?|$)|[^?=&]*\?)"
_WITHOUT_FRAGMENT = "split_part(url, '#', 1)"

#: What the value of a parameter may be in GA4's export (its schema: support.google.com/analytics/answer/7029846).
PARAMETER_VALUES = ("string_value", "int_value", "float_value", "double_value")


def _extract(sql: str, pattern: str) -> str:
    """SQL of what the group of a pattern matches, '' where nothing does."""
    return f"regexp_extract({sql}, {literal(pattern)}, 1)"


def _decoded(raw: str, *, blank: str, text: str) -> str:
    """SQL of the text that `raw` encodes, null where that matches `blank`.

    `text` is how the value, `!v`, stands before its percent signs are decoded.
    """
    # The lambda gives the value a name, so that it is made once; no column that an expression may use has a ! in front.
    return (
        f'list_extract(list_transform([{raw}], lambda "!v": CASE '
        f'WHEN regexp_full_match("!v", {literal(blank)}) THEN NULL '
        f"""WHEN NOT contains("!v", '%') THEN {text} """
        # url_decode fails where the bytes are no UTF-8 (measured, 2.0.0).
        f'WHEN regexp_full_match("!v", {literal(_DECODABLE)}) THEN url_decode({text}) '
        'ELSE "!v" END), 1)'
    )


def _path_param() -> str:
    return _decoded("regexp_extract(url, pattern, 1)", blank=rf"(?:{_BLANK})*", text='"!v"')


def _query_param() -> str:
    # + is a blank in queries, and in them alone.
    query = f"regexp_replace({_WITHOUT_FRAGMENT}, {literal(_BEFORE_QUERY)}, '')"
    value = f"regexp_extract('&' || {query} || '&', pattern, 1)"
    return _decoded(value, blank=rf"(?:[+]|{_BLANK})*", text="""replace("!v", '+', ' ')""")


def _url_path() -> str:
    # A URL that ends with its host asks for the path /.
    return (
        f"coalesce(nullif({_extract('url', _PATH)}, ''), "
        f"CASE WHEN regexp_matches(url, {literal(_HAS_HOST)}) THEN '/' END)"
    )


def _url_clean() -> str:
    # A pattern takes the signs around a parameter with it, so those between two are doubled.
    query = f"'&' || replace(regexp_replace({_WITHOUT_FRAGMENT}, '(?s)^[^?]*[?]?', ''), '&', '&&') || '&'"
    kept = f"array_to_string(regexp_extract_all({query}, pattern, 1), '&')"
    before = f"regexp_replace(split_part({_WITHOUT_FRAGMENT}, '?', 1), {literal(_LOGIN)}, '\\1')"
    return f"nullif({before} || coalesce('?' || nullif({kept}, ''), ''), '')"


def _event_param() -> str:
    # The cast takes fields by their names and gives null for those that are not there: no export has all four of them, and
    # BigQuery's JSON leaves nulls out.
    fields = ", ".join(f"{name} VARCHAR" for name in PARAMETER_VALUES)
    first = 'list_filter(params, lambda "!p": "!p"."key" = name)[1]."value"'
    values = ", ".join(f'"!v".{name}' for name in PARAMETER_VALUES)
    return f'list_extract(list_transform([TRY_CAST({first} AS STRUCT({fields}))], lambda "!v": coalesce({values})), 1)'


_MACROS = {
    "path_param(url, pattern)": _path_param(),
    "query_param(url, pattern)": _query_param(),
    "cookie(header, pattern)": (
        "nullif(regexp_replace(regexp_extract(header, pattern, 1), '(?s)^\"(.*)\"$', '\\1'), '')"
    ),
    "url_path(url)": _url_path(),
    "url_host(url)": f"nullif(lower(trim({_extract('url', _HOST)}, '[] ')), '')",
    "url_clean(url, pattern)": _url_clean(),
    "event_param(params, name)": _event_param(),
}

#: Characters of a text that one call of `repeat`, `lpad` or `rpad` may make.
LONGEST = 100_000


def _bounded(name: str, length: str, arguments: str) -> str:
    """SQL of one of DuckDB's functions whose `count` fails where its result would be too long: all rows of a batch have one.

    It fails by a cast: `error()` may not stand within TRY.
    """
    failed = f"CAST('{name} would make more than {LONGEST} characters' AS BIGINT)"
    return (
        f"system.main.{name}({arguments.format(count=f'CASE WHEN {length} > {LONGEST} THEN {failed} ELSE count END')})"
    )


_BOUNDED = {
    "repeat(string, count)": _bounded(
        "repeat", "CAST(strlen(CAST(string AS VARCHAR)) AS HUGEINT) * count", "string, {count}"
    ),
    "lpad(string, count, character)": _bounded("lpad", "count", "string, CAST({count} AS INTEGER), character"),
    "rpad(string, count, character)": _bounded("rpad", "count", "string, CAST({count} AS INTEGER), character"),
}


@dataclass(frozen=True, slots=True)
class _Function:
    """A function's form, and the pattern that its named values become."""

    forms: tuple[str, ...]
    counts: frozenset[int]
    named: str = ""  # what stands behind its first value
    pattern: Callable[..., str] | None = None
    many: bool = False  # that is a list
    of_records: bool = False  # it looks at a list of parameters, not at text


_FUNCTIONS: Mapping[str, _Function] = {
    "path_param": _Function(
        ("path_param(path, '/product/{sku}')", "path_param(path, '/c/{cat}/{sku}', 'sku')"),
        frozenset({2, 3}),
        "a template in quotes",
        patterns.path,
    ),
    "query_param": _Function(
        ("query_param(query, 'q')",), frozenset({2}), "a parameter's name in quotes", patterns.parameter
    ),
    "cookie": _Function(("cookie(cookie, 'uid')",), frozenset({2}), "a cookie's name in quotes", patterns.cookie),
    "url_path": _Function(("url_path(url)",), frozenset({1})),
    "url_host": _Function(("url_host(url)",), frozenset({1})),
    "url_clean": _Function(
        ("url_clean(url, ['utm_source'])",),
        frozenset({2}),
        "a list of the parameters to keep, each in quotes ([] keeps none)",
        patterns.parameters,
        many=True,
    ),
    "event_param": _Function(
        ("event_param(event_params, 'page_location')",),
        frozenset({2}),
        "a parameter's name in quotes",
        str,
        of_records=True,
    ),
}

NAMES = frozenset(_FUNCTIONS)


class CallError(Exception):
    """What is wrong with a call, in an analyst's words."""


def complaint(name: str, kind: str) -> str | None:
    """Return what a function takes, where that is not a value of DuckDB's type `kind`; None where it is."""
    if kind == '"NULL"':
        return None
    if _FUNCTIONS[name].of_records:
        record = re.fullmatch(r'STRUCT\(.*"?key"? VARCHAR.*\)\[\]', kind) and "value" in kind
        known = record and any(value in kind for value in PARAMETER_VALUES)
        return None if known else "a list of records with key and value, as GA4 exports event_params"
    return None if kinds.is_text(kind) or kind.startswith("ENUM") else "text"


def create(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the functions known to a DuckDB, and bound those of its own that make a long text of a short one."""
    for form, sql in {**_MACROS, **_BOUNDED}.items():
        connection.execute(f"CREATE OR REPLACE MACRO {form} AS {sql}")


def check(call: Node) -> None:
    """Raise CallError where a parsed call of one of the functions does not have what the function takes."""
    _edit(call)


def compiled(text: str, nodes: Iterable[Node], start: int) -> str:
    """Return an expression with a pattern in place of what each call names.

    `nodes` are those of the expression, in a statement where it begins at byte `start`.
    """
    edits = [edit for node in nodes if is_call(node) and (edit := _edit(node)) is not None]
    written = text.encode()
    for first, last, sql in sorted(edits, reverse=True):
        written = written[: first - start] + sql.encode() + written[last - start :]
    return written.decode()


def is_call(node: Node) -> bool:
    """Say whether a node calls one of the functions."""
    return node["class"] == "FUNCTION" and node["function_name"].lower() in NAMES


def _edit(call: Node) -> tuple[int, int, str] | None:
    """The place of what a call names, in bytes of the statement, and the SQL that stands there instead."""
    name = call["function_name"].lower()
    function = _FUNCTIONS[name]
    arguments = [argument["expression"] for argument in call["arguments"]]
    if len(arguments) not in function.counts or any(argument["name"] for argument in call["arguments"]):
        raise CallError(f"{name}() is written {' or '.join(function.forms)}")
    if function.pattern is None:
        return None
    read = _texts if function.many else _text
    named = [read(argument) for argument in arguments[1:]]
    if None in named:
        raise CallError(f"{name}() is written {function.forms[0]}: behind the first value stands {function.named}")
    try:
        pattern = function.pattern(*named)
    except PatternError as error:
        raise CallError(f"{name}(): {error}") from None
    first, last = arguments[1], arguments[-1]
    return first["query_location"], last["query_location"] + last["query_location_length"], literal(pattern)


def _text(node: Node) -> str | None:
    """The text that a node writes out, or None."""
    if node["class"] == "CONSTANT" and node["literal"]["kind"] == "STRING":
        text: str = node["literal"]["text"]
        return text
    return None


def _texts(node: Node) -> list[str] | None:
    """The texts of a list that a node writes out, or None."""
    if node.get("function_name") != "list_value":
        return None
    texts = [_text(argument["expression"]) for argument in node["arguments"]]
    return [text for text in texts if text is not None] if None not in texts else None
