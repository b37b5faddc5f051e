"""One expression of the job: read by DuckDB's own parser, its names and functions checked, before any row is seen.

What is refused: names that are no columns, subqueries, windows and aggregates, functions that are not on the list
of `allowed` (of the clock, of chance, of the settings, of files: a plan must come out the same twice), and text compared with a number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa

from etl.mapping import functions
from etl.mapping.allowed import ALLOWED
from etl.mapping.names import Names
from etl.sql import folded, quote
from etl.tables import Renamed, is_open

Node = dict[str, Any]

#: Functions and operators that give a value or null and never fail, whatever text they get: no TRY around these.
_NEVER_FAIL = frozenset(
    [
        "lower",
        "upper",
        "trim",
        "ltrim",
        "rtrim",
        "coalesce",
        "concat",
        "concat_ws",
        "||",
        "~~",
        "!~~",
        "~~*",
        "!~~*",
        "starts_with",
        "ends_with",
        "contains",
        "prefix",
        "suffix",
        "length",
        "strlen",
        "replace",
        "left",
        "right",
        "split_part",
        "nullif",
        "struct_extract",
        "struct_pack",
        "list_value",
        "len",
        "row",
        "list_contains",
        "list_transform",
        "list_filter",
        "list_apply",
        *functions.NAMES,
    ]
)
_SAFE_CLASSES = frozenset(
    {"COLUMN_REF", "CONSTANT", "COMPARISON", "CONJUNCTION", "CASE", "BETWEEN", "OPERATOR", "FUNCTION", "LAMBDA", "TYPE"}
)
_REFUSED_CLASSES = {
    "SUBQUERY": "a subquery (an expression sees one row; for a list use list_contains(list, value))",
    "WINDOW": "a window function (an expression sees one row)",
    "STAR": "`*` (name the columns)",
    "PARAMETER": "a parameter",
    "POSITIONAL_REFERENCE": "`#` (name the columns)",
    "DEFAULT": "DEFAULT",
}
_SELECT = "SELECT "
_CONSTANTS = frozenset({"null", "true", "false"})
#: Functions that tell another value each time, and that DuckDB's catalogue calls consistent.
_CLOCK = frozenset(
    {"current_localtime", "current_localtimestamp", "get_current_time", "version", "in_search_path", "ago"}
)


class ExpressionError(Exception):
    """What is wrong with an expression, in an analyst's words."""


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that may be run: its SQL, the names that it uses, and whether a value can make it fail."""

    sql: str
    uses: frozenset[str]  # columns, names of `let`, `item`
    safe: bool
    is_name: bool = False  # its text is exactly a name


@dataclass(frozen=True, slots=True)
class Scope:
    """The names that an expression may use: the source's columns, and others (`let`, `item`, lookups) that hide columns.

    `lookups` are the columns of each lookup that is there, `later` the lookups that stand below. `open`: the rows have keys of their
    own, so a name that is not known may be one that no row of this input has. `fields` is what is known of the names of such rows.
    `own` are the names beside which each row's own JSON stands, with their renamed fields.
    """

    columns: Names
    others: frozenset[str] = field(default_factory=frozenset)
    lookups: Mapping[str, Names] = field(default_factory=dict)
    later: frozenset[str] = field(default_factory=frozenset)
    fields: Mapping[str, pa.Field] = field(default_factory=dict)
    open: bool = False
    own: Mapping[str, Renamed] = field(default_factory=dict)

    def find(self, name: str) -> str | None:
        """Return the name that `name` stands for, or None."""
        for other in self.others:
            if folded(other) == folded(name):
                return other
        return self.columns.find(name)

    def named(self, text: str) -> str | None:
        """Return the name that a text as a whole stands for, or None: an expression that SQL can read is none by chance."""
        if text in self.columns.columns or text in self.others:
            return self.find(text)
        return self.find(text) if re.fullmatch(r"\w+", text) and text.lower() not in _CONSTANTS else None

    def is_ambiguous(self, name: str) -> bool:
        """Say whether a file has this name in two spellings: the source has renamed the second one to `NAME_2`."""
        columns = self.columns.columns
        return name not in columns and name not in self.others and f"{name}_2" in columns

    def plus(self, name: str, known: pa.Field | None = None) -> Scope:
        """Return this scope with one more name, and what is known of it."""
        fields = {other: one for other, one in self.fields.items() if folded(other) != folded(name)}
        if known is not None:
            fields[name] = known
        own = {other: renamed for other, renamed in self.own.items() if folded(other) != folded(name)}
        return replace(self, others=self.others | {name}, fields=fields, own=own)

    def owning(self, name: str, renamed: Renamed) -> Scope:
        """Return this scope with a name beside which the row's own JSON stands."""
        return replace(self, own={**self.own, name: renamed})

    def joined(self, lookup: str, columns: Names, known: pa.Field | None) -> Scope:
        """Return this scope with a lookup of these columns."""
        lookups = {**self.lookups, lookup: columns}
        return replace(self.plus(lookup, known), lookups=lookups, later=self.later - {lookup})


@cache
def _functions() -> Mapping[str, frozenset[str]]:
    """Return what DuckDB's catalogue says of its functions: names by kind (scalar, aggregate, macro, …, `unstable`)."""
    with duckdb.connect(":memory:") as connection:
        rows = connection.execute("SELECT function_name, function_type, stability FROM duckdb_functions()").fetchall()
    kinds: dict[str, set[str]] = {}
    for name, kind, stability in rows:
        kinds.setdefault(kind, set()).add(name.lower())
        if kind == "scalar" and stability != "CONSISTENT":
            kinds.setdefault("unstable", set()).add(name.lower())
    return {kind: frozenset(names) for kind, names in kinds.items()}


def scope_of(schema: pa.Schema, later: frozenset[str] = frozenset()) -> Scope:
    """Return the scope of the columns of a schema."""
    known = {field.name: field for field in schema} if is_open(schema) else {}
    return Scope(Names(schema.names), later=later, fields=known, open=is_open(schema))


def parse(text: str, scope: Scope, connection: duckdb.DuckDBPyConnection) -> Expression:
    """Read `text` as one SQL expression over `scope`; raise ExpressionError with what is wrong.

    A text that is exactly a column's name, or its snake_case, is that column, even where SQL reserves the word (DESIGN, job
    file).
    """
    exact = scope.named(text)
    if exact is not None:
        _refuse_ambiguous(text, scope)
        return Expression(quote(exact), frozenset({exact}), safe=True, is_name=True)
    tree = tree_of(text, connection)
    uses: set[str] = set()
    for node, bound in _nodes(tree):
        _check_node(node)
        if node["class"] != "COLUMN_REF":
            continue
        first = node["column_names"][0]
        if first.lower() in bound:
            continue
        _refuse_ambiguous(first, scope)
        found = scope.find(first)
        if found is None:
            arrow = any(n.get("syntax_type") == "SINGLE_ARROW" for n, _ in _nodes(tree))
            raise ExpressionError(
                _unknown_name(first, scope) + ("; a lambda is written `lambda x: …`" if arrow else "")
            )
        if found in scope.lookups and len(node["column_names"]) > 1:
            _check_field(found, node["column_names"][1], scope.lookups[found])
        uses.add(found)
    safe = all(_never_fails(node) for node, _ in _nodes(tree))
    return Expression(f"({_compiled(text, tree)}\n)", frozenset(uses), safe)


def _compiled(text: str, tree: Node) -> str:
    return functions.compiled(text, (node for node, _ in _nodes(tree)), start=len(_SELECT))


def _refuse_ambiguous(name: str, scope: Scope) -> None:
    if scope.is_ambiguous(name):
        raise ExpressionError(f"`{name}` may be `{scope.find(name)}` or `{name}_2`: write the one that you mean")


def tree_of(text: str, connection: duckdb.DuckDBPyConnection) -> Node:
    """Return an expression as DuckDB's own parser reads it. Raises ExpressionError."""
    answer = json.loads(connection.execute("SELECT json_serialize_sql(?)", [f"{_SELECT}{text}\n"]).fetchall()[0][0])
    if answer["error"]:
        raise ExpressionError(f"not an SQL expression: {answer['error_message']}")
    node = answer["statements"][0]["node"] if len(answer["statements"]) == 1 else {}
    if (
        node.get("type") != "SELECT_NODE"
        or len(node["select_list"]) != 1
        or node["from_table"]["type"] != "EMPTY"
        or node["where_clause"] or node["group_expressions"] or node["having"] or node["qualify"] or node["modifiers"]
        or node["select_list"][0].get("alias")
    ):  # fmt: skip
        raise ExpressionError("expected one SQL expression, without `;`, `as`, `from` or a second value")
    tree: Node = node["select_list"][0]
    return tree


def _nodes(node: Any, bound: frozenset[str] = frozenset()) -> Iterator[tuple[Node, frozenset[str]]]:
    """Yield every node of an expression with the names that lambdas around it have bound."""
    if isinstance(node, list):
        for child in node:
            yield from _nodes(child, bound)
    elif isinstance(node, dict):
        # `column -> 'key'` is JSON's arrow; DuckDB parses it as the lambda of old.
        if node.get("class") == "LAMBDA" and node.get("syntax_type") != "SINGLE_ARROW":
            names = frozenset(
                n["column_names"][0].lower() for n, _ in _nodes(node["lhs"]) if n["class"] == "COLUMN_REF"
            )
            yield node, bound
            yield from _nodes(node["expr"], bound | names)
            return
        if "class" in node:
            yield node, bound
        for child in node.values():
            yield from _nodes(child, bound)


def _check_node(node: Node) -> None:
    if node["class"] in _REFUSED_CLASSES:
        raise ExpressionError(f"{_REFUSED_CLASSES[node['class']]} is not possible here")
    if functions.is_call(node):
        try:
            functions.check(node)
        except functions.CallError as error:
            raise ExpressionError(str(error)) from None
    elif node["class"] == "FUNCTION" and not node.get("is_operator"):
        _check_function(node["function_name"].lower(), len(node["arguments"]))


def _check_function(name: str, arguments: int) -> None:
    catalogue = _functions()
    if name in ALLOWED and not (name == "age" and arguments < 2):
        return
    if name == "unnest":
        raise ExpressionError("unnest() is not possible here: use `each:` for one event an element")
    if name in catalogue["aggregate"] or name in catalogue["window"]:
        raise ExpressionError(f"{name}() is an aggregate: an expression sees one row")
    if name in catalogue["unstable"] or name in _CLOCK or name == "age":
        raise ExpressionError(f"{name}() is not possible here: a plan must come out the same twice")
    if any(name in names for names in catalogue.values()):
        raise ExpressionError(f"{name}() is not possible here: an expression sees the row and nothing else")
    close = get_close_matches(name, [*ALLOWED, *functions.NAMES], n=1)
    raise ExpressionError(f"no function `{name}`" + (f"; did you mean `{close[0]}`?" if close else ""))


def _check_field(lookup: str, name: str, columns: Names) -> None:
    if columns.find(name) is None:
        raise ExpressionError(f"no column `{name}` in lookup `{lookup}`{columns.near(name)}")
    _refuse_ambiguous(name, Scope(columns))


def _unknown_name(name: str, scope: Scope) -> str:
    if any(folded(name) == folded(lookup) for lookup in scope.later):
        return f"the lookup `{name}` is not there yet: `let` comes before the lookups, and each sees those above it"
    return (
        f"no column `{name}`{scope.columns.near(name, scope.others)} (text is written as SQL writes it: \"'{name}'\")"
    )


def _never_fails(node: Node) -> bool:
    if node["class"] == "CAST":
        return bool(node["try_cast"])
    if node["class"] not in _SAFE_CLASSES:
        return False
    return node["class"] != "FUNCTION" or node["function_name"].lower() in _NEVER_FAIL


def names_in(text: str, connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Return every name that an expression mentions, columns or not; nothing for a text that cannot be read."""
    try:
        nodes = list(_nodes(tree_of(text, connection)))
    except ExpressionError:
        return {text}
    return {text, *(node["column_names"][0] for node, _ in nodes if node["class"] == "COLUMN_REF")}


def dotted_names(text: str, connection: duckdb.DuckDBPyConnection) -> list[list[str]]:
    """Return the names with dots (`user.id`) of an expression, each in its parts; nothing for a text that cannot be read."""
    try:
        nodes = list(_nodes(tree_of(text, connection)))
    except ExpressionError:
        return []
    found = [(n["column_names"], bound) for n, bound in nodes if n["class"] == "COLUMN_REF"]
    return [names for names, bound in found if len(names) > 1 and names[0].lower() not in bound]


def paths_in(text: str, connection: duckdb.DuckDBPyConnection) -> set[tuple[str, ...]]:
    """Return the columns that an expression mentions, each with the fields taken of it: `crm.email` is ("crm", "email").

    A column of which it asks only whether it is null comes with one field, "".
    """
    try:
        nodes = [(node, bound) for node, bound in _nodes(tree_of(text, connection))]
    except ExpressionError:
        return {(text,)}
    null_tests = ("OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL")
    tested = {id(child) for node, _ in nodes if node["type"] in null_tests for child in node["children"]}
    found: set[tuple[str, ...]] = set()
    for node, bound in nodes:
        if node["class"] == "COLUMN_REF" and node["column_names"][0].lower() not in bound:
            path = tuple(node["column_names"])
            found.add((*path, "") if len(path) == 1 and id(node) in tested else path)
    return found


def path_in(text: str, connection: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Return the column and the fields below it that an expression is as a whole (`p.a`, `p['a']`); nothing for any other."""
    try:
        return _path(tree_of(text, connection))
    except ExpressionError:
        return ()


def _path(node: Node) -> tuple[str, ...]:
    if node["class"] == "COLUMN_REF":
        return tuple(node["column_names"])
    if node["type"] in ("ARRAY_EXTRACT", "STRUCT_EXTRACT"):
        below, step = node["children"]
        at = _path(below)
        if at and step["class"] == "CONSTANT" and step["literal"]["kind"] == "STRING":
            return (*at, step["literal"]["text"])
    return ()


def names_a_field(name: str, connection: duckdb.DuckDBPyConnection) -> bool:
    """Say whether `name.x` is a field of a column in SQL: of a word that SQL reserves it is not."""
    return paths_in(f"{name}.x", connection) == {(name, "x")}


def complaint(text: str, connection: duckdb.DuckDBPyConnection) -> str | None:
    """Return what is wrong with an expression whatever the columns are, or None."""
    try:
        for node, _ in _nodes(tree_of(text, connection)):
            _check_node(node)
    except ExpressionError as error:
        # It may be the name of a column, which nobody knows here.
        return None if re.fullmatch(r"[\w .\-()/#%&\"]+", text) else str(error)
    return None


def comparisons(text: str, connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    """Yield the pairs of SQL texts that an expression compares for being equal.

    DuckDB refuses `text > 1` by itself, but lets `text = 1` and `text in (1, 2)` pass and compares the texts (measured, 2.0.0).
    """
    for node, bound in _nodes(tree_of(text, connection)):
        sides: list[Node] = []
        if node["class"] == "COMPARISON":
            sides = [node["left"], node["right"]]
        elif node["type"] in ("COMPARE_IN", "COMPARE_NOT_IN"):
            sides = node["children"]
        elif node["class"] == "FUNCTION" and node["function_name"].lower() == "nullif":
            sides = [argument["expression"] for argument in node["arguments"]]
        if not bound:
            for other in sides[1:]:
                yield text_of(sides[0], connection), text_of(other, connection)


def first_values(text: str, connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    """Yield the name of each function of ours that an expression calls, with the SQL of what it looks at."""
    for node, bound in _nodes(tree_of(text, connection)):
        if functions.is_call(node) and not bound:
            yield node["function_name"].lower(), text_of(node["arguments"][0]["expression"], connection)


def compiled(text: str, connection: duckdb.DuckDBPyConnection) -> str:
    """Return a part of an expression, in its own words, as it can be run."""
    return _compiled(text, tree_of(text, connection))


def text_of(node: Node, connection: duckdb.DuckDBPyConnection) -> str:
    """Return a part of an expression as SQL."""
    statement = json.loads(connection.execute("SELECT json_serialize_sql('SELECT 1')").fetchall()[0][0])
    statement["statements"][0]["node"]["select_list"] = [node]
    rows = connection.execute("SELECT json_deserialize_sql(?)", [json.dumps(statement)]).fetchall()
    return str(rows[0][0]).removeprefix("SELECT ").rstrip(";")
