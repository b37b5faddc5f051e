"""The lookups' own tables, compiled: which columns of theirs are in use, and the statement that makes keys and partners of their rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb
import pyarrow as pa

from etl.job.models import Job, Lookup
from etl.mapping import instants, kinds
from etl.mapping.binding import FALSE, Binder
from etl.mapping.blank import present
from etl.mapping.columns import Columns, mentioned, untyped
from etl.mapping.contact_paths import contact_paths
from etl.mapping.expression import Expression, Scope, names_a_field, paths_in, scope_of
from etl.mapping.layers import Layers
from etl.mapping.names import Names
from etl.sql import fetch, folded, literal, quote
from etl.tables import FILE, PLACE, ROW

INPUT = "lookup_input"
KEY, VALUE, TIME, WRONG = "!key", "!value", "!time", "!wrong"
_WHERE = "!where"


@dataclass(frozen=True, slots=True)
class TableProgram:
    """A lookup's table: `statement` gives of each row of INPUT that `where` keeps its place, key, time and partner, and what is wrong."""

    name: str
    lookup: Lookup
    names: Names
    columns: tuple[str, ...]  # to be read
    statement: str
    kind: str  # the type of the key
    partner: pa.DataType  # a struct of the columns that the job's expressions name
    known: pa.Field | None  # all its columns, where its rows have keys of their own
    personal: bool  # its key is what a contact comes from

    @property
    def placeholders(self) -> tuple[pa.Field, pa.Field]:
        """The columns that a join adds to a batch: the partner, null where there is none, and where it failed."""
        return pa.field(f"!lookup.{self.name}", self.partner), pa.field(f"!lookup.{self.name}.failed", pa.bool_())


def table_expressions(job: Job) -> Iterator[tuple[str, str]]:
    """Yield the expressions over the lookups' own tables: (key in the job file, text)."""
    for name, lookup in job.lookups.items():
        yield f"lookups.{name}.key", lookup.key
        if lookup.where is not None:
            yield f"lookups.{name}.where", lookup.where
        if lookup.as_of is not None:
            yield f"lookups.{name}.as_of", lookup.as_of.column


def compile_tables(
    job: Job,
    schemas: Mapping[str, pa.Schema],
    texts: Mapping[str, str],
    bind: Binder,
    connection: duckdb.DuckDBPyConnection,
    *,
    new: bool = False,
) -> list[TableProgram]:
    """Compile the job's lookups, whose files have these columns; mistakes are noted in `bind`.

    `texts` are all expressions over the rows: only what they name of a lookup is kept.
    """
    paths = {path for text in texts.values() for path in paths_in(text, connection)}
    personal = {folded(path[0]) for path in contact_paths(job, connection)}
    programs = []
    for name, lookup in job.lookups.items():
        own = Binder(job, connection, f"lookups.{name}", new=new)
        if not names_a_field(name, connection):
            own.mistake(f"lookups.{name}", f"`{name}` is a word of SQL: give the lookup another name")
        scope = scope_of(schemas[name])
        names = scope.columns
        fields = _fields(names, [path[1:] for path in paths if folded(path[0]) == folded(name)])
        connection.register(INPUT, pa.schema([*PLACE, *schemas[name]]).empty_table())
        program = _compile(job, name, lookup, scope, fields, own, connection)
        asked = {folded(path[0]) for path in paths_in(lookup.on, connection)}
        programs.append(replace(program, personal=bool(asked & personal)))
        bind.mistakes += own.mistakes
        bind.absent |= dict.fromkeys(f"{name}.{path}" for path in own.absent)
    return programs


def _fields(names: Names, asked: Sequence[tuple[str, ...]]) -> dict[str, str]:
    """Return the fields of a partner and the columns that they are: each by the name by which it is called."""
    fields: dict[str, str] = {}
    called = sorted(path[0] for path in asked if path)
    if () in asked:  # it is used as a whole
        called += names.columns
    known: set[str] = set()
    for field in called:
        if folded(field) not in known and (column := names.find(field)) is not None:
            known.add(folded(field))
            fields[field] = column
    return fields


def _compile(
    job: Job,
    name: str,
    lookup: Lookup,
    scope: Scope,
    fields: Mapping[str, str],
    bind: Binder,
    connection: duckdb.DuckDBPyConnection,
) -> TableProgram:
    at = f"lookups.{name}"
    own = [text for key, text in table_expressions(job) if key.startswith(f"{at}.")]
    named = mentioned(scope.columns, own, connection)
    for column in fields.values():
        named.setdefault(column, set()).add(column)
    zone = lookup.as_of.zone if lookup.as_of else job.time.zone if job.time else "UTC"
    columns = Columns(at, scope, named, bind, lookup.types, lookup.decimal, zone)
    layers = columns.layers(INPUT)
    parts: dict[str, Expression] = {KEY: bind.expression(lookup.key, f"{at}.key", scope, layers)}
    if lookup.where is not None:
        where = bind.boolean(lookup.where, f"{at}.where", scope, layers)
        parts[_WHERE] = where if bind.kind_of(where.sql, layers) == "BOOLEAN" else FALSE  # a mistake, or null
    if lookup.as_of is not None:
        time = bind.expression(lookup.as_of.column, f"{at}.as_of", scope, layers)
        parts[TIME] = untyped(time, scope, layers) if lookup.as_of.format is None else time
    kind = bind.kind_of(parts[KEY].sql, layers)
    given = {KEY: key_text(quote(KEY), kind)}
    if lookup.as_of is not None:
        given |= instants.columns(quote(TIME), bind.kind_of(parts[TIME].sql, layers), lookup.as_of.format)
        given[TIME] = f"{quote(TIME)} IS NOT NULL"
    packed = ", ".join(f"{quote(field)} := {quote(column)}" for field, column in fields.items()) or '"!" := true'
    given[VALUE] = f"struct_pack({packed})"
    whole = layers.evaluate(parts)
    given[WRONG] = _wrong(whole, parts, columns)
    places = ", ".join(map(quote, (FILE, ROW)))
    listed = ", ".join(f"{sql} AS {quote(column)}" for column, sql in given.items())
    kept = f"{whole.failure(_WHERE)} OR coalesce({quote(_WHERE)}, false)" if lookup.where is not None else "true"
    statement = f"SELECT {places}, {listed} FROM ({whole.sql}) WHERE {kept}"
    partner = fetch(connection, statement).schema.field(VALUE).type
    known = pa.field(name, pa.struct(list(scope.fields.values()))) if scope.open else None
    return TableProgram(name, lookup, scope.columns, columns.used, statement, kind, partner, known, personal=True)


def _wrong(layers: Layers, parts: Mapping[str, Expression], columns: Columns) -> str:
    """SQL of the key of the job file that does not fit a row; null where all is well."""
    said = {_WHERE: "where", KEY: "key", TIME: "as_of"}
    checks = [(part, word) for part, word in said.items() if part in parts]
    checks += [(column, f"types.{name}") for name in columns.types if (column := columns.names.find(name) or "")]
    cases = "".join(
        f"WHEN {layers.failure(value)} THEN {literal(word)} " for value, word in checks if value in layers.fallible
    )
    return f"CAST({f'CASE {cases}END' if cases else 'NULL'} AS VARCHAR)"


def key_text(sql: str, kind: str) -> str:
    """SQL of a key: null or blank ones match nothing (RULES §3)."""
    return present(sql) if kinds.is_text(kind) else sql
