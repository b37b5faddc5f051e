"""SQL built in layers: each adds columns to the one below, and knows where a value can have failed.

An expression that may fail on a value is bound as `TRY(struct_pack(v := …))`, which tells null from failure (RULES §11). Its failure is a
boolean column of its own, and spreads to every expression that uses its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etl.mapping.expression import Expression
from etl.sql import folded, quote


def bad_name(name: str) -> str:
    """Return the name of the column that says that the value `name` has failed."""
    return f"!bad:{name}"


@dataclass(frozen=True, slots=True)
class Layers:
    """A query with the names of its columns, and those of them whose value can fail."""

    sql: str
    columns: tuple[str, ...]
    fallible: frozenset[str] = frozenset()

    def add(self, items: Mapping[str, str]) -> Layers:
        """Add columns given as SQL; one that has an existing name (as DuckDB sees it) takes its place."""
        if not items:
            return self
        new = {folded(name) for name in items}
        hidden = [column for column in self.columns if folded(column) in new]
        star = f"* EXCLUDE ({', '.join(map(quote, hidden))})" if hidden else "*"
        added = ", ".join(f"{sql} AS {quote(name)}" for name, sql in items.items())
        columns = tuple(column for column in self.columns if column not in hidden) + tuple(items)
        return Layers(f"SELECT {star}, {added} FROM ({self.sql})", columns, self.fallible)

    def without(self, prefixes: tuple[str, ...]) -> Layers:
        """Leave out the columns whose names start with one of `prefixes`."""
        gone = [column for column in self.columns if column.startswith(prefixes)]
        if not gone:
            return self
        columns = tuple(column for column in self.columns if column not in gone)
        return Layers(f"SELECT {', '.join(map(quote, columns))} FROM ({self.sql})", columns, self.fallible)

    def only(self, columns: Sequence[str]) -> Layers:
        """Keep these columns and nothing else, so that no other column can be taken for one of ours."""
        kept = (*columns, *(bad_name(column) for column in columns if column in self.fallible))
        sql = f"SELECT {', '.join(map(quote, kept))} FROM ({self.sql})"
        return Layers(sql, kept, self.fallible & set(columns))

    def where(self, condition: str) -> Layers:
        """Keep the rows for which `condition` is true."""
        return Layers(f"SELECT * FROM ({self.sql}) WHERE {condition}", self.columns, self.fallible)

    def unnest(self, items: str, item: str, position: str, beside: Mapping[str, str]) -> Layers:
        """Give one row for each element of the list column `items`: the element as `item`, its index from 0 as `position`.

        `beside` are further columns, as SQL that unnests lists of the same length.
        """
        given = {folded(name) for name in (item, position, *beside)}
        hidden = [column for column in self.columns if folded(column) in given]
        star = f"* EXCLUDE ({', '.join(map(quote, hidden))})" if hidden else "*"
        added = (
            f"unnest({quote(items)}) AS {quote(item)}, "
            f"CAST(generate_subscripts({quote(items)}, 1) - 1 AS INTEGER) AS {quote(position)}"
        ) + "".join(f", {sql} AS {quote(name)}" for name, sql in beside.items())
        columns = (*(column for column in self.columns if column not in hidden), item, position, *beside)
        return Layers(f"SELECT {star}, {added} FROM ({self.sql})", columns, self.fallible)

    def evaluate(self, expressions: Mapping[str, Expression]) -> Layers:
        """Add the value of each expression under its name, and `bad_name(name)` where it can fail."""
        tried = {f"!try:{name}": e for name, e in expressions.items() if not e.safe}
        raw = self.add({name: f"TRY(struct_pack(v := {e.sql}))" for name, e in tried.items()})
        values: dict[str, str] = {}
        flags: dict[str, str] = {}
        for name, e in expressions.items():
            failed = [quote(bad_name(used)) for used in sorted(e.uses) if used in self.fallible]
            if e.safe:
                values[name] = e.sql
            else:
                values[name] = f"{quote(f'!try:{name}')}.v"
                failed.insert(0, f"{quote(f'!try:{name}')} IS NULL")
            if failed:
                flags[bad_name(name)] = f"({' OR '.join(failed)})"
        added = raw.add({**values, **flags})
        fallible = (added.fallible - set(expressions)) | {n for n in expressions if bad_name(n) in flags}
        kept = added.columns if not tried else tuple(c for c in added.columns if c not in tried)
        sql = added.sql if not tried else f"SELECT * EXCLUDE ({', '.join(map(quote, tried))}) FROM ({added.sql})"
        return Layers(sql, kept, frozenset(fallible))

    def failure(self, name: str) -> str:
        """Return SQL that is true where the value `name` has failed."""
        return quote(bad_name(name)) if name in self.fallible else "false"
