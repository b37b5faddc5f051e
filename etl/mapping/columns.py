"""The columns of a table of text as expressions see them: only those that are named, by each name, and in the types that the job gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import duckdb

from etl.mapping import instants, kinds
from etl.mapping.binding import Binder
from etl.mapping.blank import stripped
from etl.mapping.expression import Expression, Scope, names_in
from etl.mapping.layers import Layers
from etl.mapping.names import Names
from etl.sql import folded, quote
from etl.tables import ELEMENT, FILE, ORDINAL, ROW

PLACES = (FILE, ROW, ELEMENT, ORDINAL)


def as_written(column: str) -> str:
    """The text of a typed column that is a time: its type has no place for the zone that the text may carry."""
    return f"!written:{column}"


def mentioned(names: Names, texts: Iterable[str], connection: duckdb.DuckDBPyConnection) -> dict[str, set[str]]:
    """Return the columns that any of the expressions names, and how: the rest is never read."""
    found: dict[str, set[str]] = {}
    for text in texts:
        for name in names_in(text, connection):
            if (column := names.find(name)) is not None:
                found.setdefault(column, set()).add(name)
    return found


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one table: `at` is its section of the job file, `named` those in use, by all names that they are called."""

    at: str
    scope: Scope
    named: Mapping[str, set[str]]
    bind: Binder
    types: Mapping[str, str] = field(default_factory=dict)
    decimal: str = "."
    zone: str = "UTC"  # of local times

    @property
    def names(self) -> Names:
        """The table's columns."""
        return self.scope.columns

    @property
    def used(self) -> tuple[str, ...]:
        """The columns in use, in the table's order."""
        return tuple(column for column in self.names.columns if column in self.named)

    def layers(self, table: str, extra: tuple[str, ...] = ()) -> Layers:
        """Return the columns in use of `table`, its places, and its columns `extra`, ready for expressions."""
        return self._typed(self._base(table, extra))

    def _base(self, table: str, extra: tuple[str, ...]) -> Layers:
        """The table, each column also by the other names that expressions call it by: its snake_case, another case."""
        given = {folded(column) for column in self.used}
        aliases = {
            folded(name): quote(column)
            for column in self.used
            for name in sorted(self.named[column])
            if folded(name) not in given
        }
        for column in self.used:
            if column.startswith("!"):
                self.bind.mistake(
                    self.at, f"column `{column}`: a name that begins with ! cannot be used in an expression"
                )
        columns = (*PLACES, *self.used, *extra)
        return Layers(f"SELECT {', '.join(map(quote, columns))} FROM {table}", columns).add(aliases)

    def _typed(self, layers: Layers) -> Layers:
        values: dict[str, str] = {}
        flags: dict[str, str] = {}
        for name, to in self.types.items():
            column = self.names.find(name)
            key = f"{self.at}.types.{name}"
            if column is None and not self.bind.look_for(name, key, self.scope):
                self.bind.mistake(key, f"no column `{name}`{self.names.near(name)}")
            if column not in layers.columns:
                continue
            kind = self.bind.kind_of(quote(column), layers)
            cast = kinds.typed(quote(column), kind, to, self.decimal, self.zone)
            for same in (column, *(folded(name) for name in self.named[column])):
                if same in layers.columns:
                    values[same] = cast.value
            flags[f"!bad:{column}"] = f"({cast.wrong})"
            if to == "timestamp" and kinds.is_text(kind):
                flags[as_written(column)] = instants.as_written(stripped(quote(column)), cast.value)
        added = layers.add({**values, **flags})
        return Layers(added.sql, added.columns, frozenset(c for c in self.named if f"!bad:{c}" in flags))


def untyped(time: Expression, scope: Scope, layers: Layers) -> Expression:
    """Let a time that is a column of `types` be that column's text, where there is one; it fails where it failed."""
    (column,) = time.uses if time.is_name else ("",)
    if column in scope.others or (text := as_written(column)) not in layers.columns:
        return time
    return replace(time, sql=quote(text))
