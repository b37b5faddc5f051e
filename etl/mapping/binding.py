"""Expressions bound against the columns that they see: their types, and what is wrong with them in an analyst's words."""

from __future__ import annotations

import re
from collections.abc import Mapping

import duckdb
import pyarrow as pa

from etl.job.mistakes import Mistake
from etl.job.models import Job
from etl.mapping import functions, kinds
from etl.mapping.absent import NOTHING, Absent, like, without_absent
from etl.mapping.expression import (
    Expression,
    ExpressionError,
    Scope,
    comparisons,
    compiled,
    first_values,
    parse,
    text_of,
    tree_of,
)
from etl.mapping.layers import Layers
from etl.mapping.spellings import refuse_two_spellings
from etl.sql import fetch, quote
from etl.tables import is_always_null

#: What stands for an expression that is a mistake, while the other mistakes are looked for.
NULL = Expression("CAST(NULL AS VARCHAR)", frozenset(), safe=True)
FALSE = Expression("false", frozenset(), safe=True)
NO_LIST = Expression("CAST(NULL AS STRUCT(none INTEGER)[])", frozenset(), safe=True)

#: A text that SQL cannot read and that may be the key of a row all the same.
_KEY = re.compile(r"[\w.@#/ -]+")


class Binder:
    """Binds expressions and notes every mistake, each at its key in the job file."""

    def __init__(
        self, job: Job, connection: duckdb.DuckDBPyConnection, at: str = "source", *, new: bool = False
    ) -> None:
        """`at` is the section of the job file whose `types` settle the columns.

        `new`: the job has never run, so a name that no row has, and that is like one that rows have, is a mistake.
        """
        self._job = job
        self._connection = connection
        self._at = at
        self._new = new
        self.mistakes: list[Mistake] = []
        self.absent: dict[str, None] = {}  # names that no row of the input has, in the order of the job
        self._tables: dict[str, str] = {}
        self._kinds: dict[tuple[str, str], str] = {}

    def mistake(self, key: str, message: str) -> None:
        """Note a mistake."""
        self.mistakes.append(self._job.mistake(key, message))

    def expression(self, text: str, key: str, scope: Scope, layers: Layers) -> Expression:
        """Return an expression of any type; null in place of a mistake."""
        e = self._checked(text, key, scope, layers)
        if e is not None and (scope.open or scope.fields) and self.kind_of(e.sql, layers) == '"NULL"':
            return NULL
        return e or NULL

    def known(self, text: str, scope: Scope, layers: Layers) -> pa.Field | None:
        """Return what is known of the value of an expression; None where nothing is, as of a mistake, which is noted elsewhere."""
        if not scope.fields and not scope.open:
            return None
        try:
            given, found = self._present(text, scope)
            if found is not None:
                return found
            sql = parse(given, scope, self._connection).sql
            if self.kind_of(sql, layers) == '"NULL"':
                return NOTHING
        except (ExpressionError, duckdb.Error):
            return None
        return fetch(self._connection, f"SELECT {sql} AS v FROM {self._empty(layers)}").schema.field(0)

    def look_for(self, name: str, key: str, scope: Scope) -> bool:
        """Say whether a name that is no column may be one that no row of this input has, and note it."""
        if not scope.open:
            return False
        try:
            self._note({name: like(name, [*scope.columns.columns, *scope.others])})
        except ExpressionError as error:
            self.mistake(key, str(error))
        return True

    def _present(self, text: str, scope: Scope) -> tuple[str, pa.Field | None]:
        """Return an expression with null in place of the names that no row has, and what is known of it as a whole."""
        if not scope.fields and not scope.open:
            return text, None
        exact = scope.named(text)
        if exact is not None:
            found = scope.fields.get(exact)
            return ("NULL", NOTHING) if found is not None and is_always_null(found) else (text, found)
        try:
            tree = tree_of(text, self._connection)
        except ExpressionError:
            if not scope.open or _KEY.fullmatch(text) is None:
                raise
            self._note({text: like(text, scope.columns.columns)})
            return "NULL", NOTHING
        absent = Absent()
        replaced, found = without_absent(tree, scope, absent)
        self._note(absent.names)
        return (text if replaced == tree else text_of(replaced, self._connection)), found

    def _note(self, names: Mapping[str, str]) -> None:
        for name, near in names.items():
            if near and self._new:
                raise ExpressionError(
                    f"no row has `{name}`; did you mean `{near}`? (Once the job has run, a name that no row of a day has is null)"
                )
            self.absent.setdefault(name)

    def _checked(self, text: str, key: str, scope: Scope, layers: Layers) -> Expression | None:
        """Parse and bind one expression; a mistake is noted and None returned."""
        try:
            refuse_two_spellings(text, scope, self._connection)
            given, _ = self._present(text, scope)
            e = parse(given, scope, self._connection)
            if not e.is_name:
                self._refuse_mixed_comparisons(given, layers)
                self._refuse_what_a_function_cannot_take(given, layers)
            self.kind_of(e.sql, layers)
        except ExpressionError as error:
            self.mistake(key, f"`{text}`: {error}")
            return None
        except duckdb.Error as error:
            self.mistake(key, f"`{text}`: {_words(error, self._at)}")
            return None
        return e

    def _refuse_mixed_comparisons(self, text: str, layers: Layers) -> None:
        for left, right in comparisons(text, self._connection):
            try:
                types = self._kind_of_part(left, layers), self._kind_of_part(right, layers)
            except duckdb.Error:
                continue  # the whole expression is bound next, and says it better
            if any(map(kinds.is_text, types)) and any(map(_is_numberish, types)):
                shown = left if kinds.is_text(types[0]) else right
                if shown.startswith("'"):
                    raise ExpressionError(
                        f"compares a number with text ({left} with {right}): write the number without quotes"
                    )
                raise ExpressionError(
                    f"compares text with a number ({left} with {right}): give the column a type in {self._types(shown)}, "
                    f"or write try_cast({shown} as double)"
                )

    def _types(self, sql: str) -> str:
        """Where the column of an expression gets its type: in the source or in its lookup."""
        owner = sql.partition(".")[0]
        return f"`{f'lookups.{owner}' if owner in self._job.lookups else self._at}.types`"

    def _refuse_what_a_function_cannot_take(self, text: str, layers: Layers) -> None:
        for name, value in first_values(text, self._connection):
            try:
                kind = self._kind_of_part(value, layers)
            except duckdb.Error:
                continue
            if (what := functions.complaint(name, kind)) is not None:
                raise ExpressionError(f"{name}() looks at {what}, and {value} is {kind}")

    def _kind_of_part(self, text: str, layers: Layers) -> str:
        return self.kind_of(compiled(text, self._connection), layers)

    def boolean(self, text: str, key: str, scope: Scope, layers: Layers) -> Expression:
        """Return an expression that is true or false."""
        e = self._checked(text, key, scope, layers)
        if e is not None and (kind := self.kind_of(e.sql, layers)) not in ("BOOLEAN", '"NULL"'):
            self.mistake(key, f"`{text}`: expected something that is true or false, this is {kind}")
        return e or FALSE

    def list_of(self, text: str, key: str, scope: Scope, layers: Layers) -> Expression:
        """Return an expression that is a list."""
        e = self._checked(text, key, scope, layers)
        if e is None:
            return NO_LIST
        kind = self.kind_of(e.sql, layers)
        if kind == '"NULL"':
            return NO_LIST
        if not kinds.is_list(kind):
            self.mistake(
                key,
                f"`{text}`: expected a list, this is {kind}"
                + (
                    ' (a JSON text becomes one by from_json(column, \'[{"id": "VARCHAR"}]\'))'
                    if kinds.is_text(kind)
                    else ""
                ),
            )
            return NO_LIST
        return e

    def kind_of(self, sql: str, layers: Layers) -> str:
        """Return the DuckDB type of an expression; EXPLAIN also folds its constants, which DESCRIBE does not."""
        table = self._empty(layers)
        if (sql, table) not in self._kinds:
            statement = f"SELECT {sql} AS v FROM {table}"
            self._connection.execute(f"EXPLAIN {statement}").fetchall()
            self._kinds[sql, table] = str(self._connection.execute(f"DESCRIBE {statement}").fetchall()[0][1])
        return self._kinds[sql, table]

    def _empty(self, layers: Layers) -> str:
        """An empty table with the columns of these layers: much quicker to bind against than the layers themselves."""
        if layers.sql not in self._tables:
            table = quote(
                f"!{self._at}.{len(self._tables)}"
            )  # a name that no column has: `name.x` is a field of a column
            self._tables[layers.sql] = table
            self._connection.execute(f"CREATE TEMP TABLE {table} AS {layers.sql} LIMIT 0")
        return self._tables[layers.sql]


def _is_numberish(kind: str) -> bool:
    return kinds.is_number(kind) or kind == "INTEGER_LITERAL"


def _words(error: duckdb.Error, at: str) -> str:
    """DuckDB's own words without its headings and its picture of the statement."""
    text = str(error).split("\n\nLINE ")[0].split("\nLINE ")[0]
    text = text.split("Error: ", 1)[-1].strip()
    text = " ".join(text.split("Candidate functions:")[0].split())
    if "VARCHAR" in text and re.search(r"INTEGER|BIGINT|DOUBLE|DECIMAL|FLOAT", text):
        text += f" (text is no number: give the column a type in `{at}.types`, or write try_cast(column as double))"
    return text
