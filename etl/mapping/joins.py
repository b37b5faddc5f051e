"""Lookups joined to a batch, one to one and in the order of the file: how each row asks, and the columns that come of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from etl.job.models import Job
from etl.mapping import instants, kinds
from etl.mapping.binding import NULL, Binder
from etl.mapping.columns import untyped
from etl.mapping.expression import Expression, Scope, paths_in
from etl.mapping.layers import Layers, bad_name
from etl.mapping.lookup_table import LookupInput, LookupTable, load
from etl.mapping.lookups import TableProgram, key_text
from etl.sql import fetch, folded, quote

BATCH = "batch"
_ON, _AT, _FAILED = "!on", "!at", "!failed"


@dataclass(frozen=True, slots=True)
class JoinProgram:
    """One lookup's join: `statement` gives for each row of BATCH what it asks for, as of when, and whether that failed."""

    table: TableProgram
    statement: str


def compile_joins(
    job: Job,
    tables: Sequence[TableProgram],
    texts: Mapping[str, str],
    layers: Layers,
    scope: Scope,
    bind: Binder,
    connection: duckdb.DuckDBPyConnection,
) -> tuple[tuple[JoinProgram, ...], Layers, Scope]:
    """Compile the joins over the layers of `let`; return them, and the layers and the scope with every lookup in them.

    `texts` are the expressions over the rows, by key.
    """
    joins: list[JoinProgram] = []
    used = {key: {folded(path[0]) for path in paths_in(text, connection)} for key, text in texts.items()}
    for table in tables:
        name, lookup = table.name, table.lookup
        if (column := scope.columns.find(name)) is not None:
            bind.mistake(f"lookups.{name}", f"the source has a column `{column}`: give the lookup another name")
        parts = {_ON: bind.expression(lookup.on, f"lookups.{name}.on", scope, layers)}
        if lookup.as_of is not None:
            parts[_AT] = _time(job, name, used, layers, scope, bind)
        _refuse_unlike(table, parts[_ON], layers, bind, connection)
        asked = layers.evaluate(parts)
        given = {_ON: key_text(quote(_ON), bind.kind_of(parts[_ON].sql, layers))}
        if _AT in parts:
            form = job.time.format if job.time else None
            given |= instants.columns(quote(_AT), bind.kind_of(parts[_AT].sql, layers), form)
        given[_FAILED] = f"coalesce({' OR '.join(asked.failure(part) for part in parts)}, false)"
        listed = ", ".join(f"{sql} AS {quote(column)}" for column, sql in given.items())
        joins.append(JoinProgram(table, f"SELECT {listed} FROM ({asked.sql})"))
        partner, failed = (field.name for field in table.placeholders)
        layers = layers.add({name: quote(partner)})
        if asked.fallible & set(parts):
            layers = layers.add({bad_name(name): quote(failed)})
            layers = Layers(layers.sql, layers.columns, layers.fallible | {name})
        scope = scope.joined(name, table.names, table.known)
    _refuse_other_times(job, used, bind)
    return tuple(joins), layers.without(("!lookup.",)), scope


def _time(job: Job, name: str, used: Mapping[str, set[str]], layers: Layers, scope: Scope, bind: Binder) -> Expression:
    """The time of the event, as of which a lookup is taken: it can use the lookups above, never this one."""
    if job.time is None:
        return NULL  # a mistake, told when the job was read
    needed = [other for other in job.lookups if folded(other) in used["time.column"] and other not in scope.lookups]
    if needed:
        hangs = "this lookup" if needed[0] == name else f"`{needed[0]}`, which stands below"
        words = f"the time of the event (`time.column`) depends on {hangs}, and this lookup is taken as of that time"
        bind.mistake(f"lookups.{name}.as_of", words)
        return NULL
    time = bind.expression(job.time.column, "time.column", scope, layers)
    return untyped(time, scope, layers) if job.time.format is None else time


def _refuse_unlike(
    table: TableProgram, on: Expression, layers: Layers, bind: Binder, connection: duckdb.DuckDBPyConnection
) -> None:
    """Text finds text and a number a number: DuckDB would cast one of them in silence (RULES §11)."""
    ours, theirs = bind.kind_of(on.sql, layers), table.kind
    if NULL.sql in (on.sql,) or '"NULL"' in (ours, theirs):
        return
    key = f"lookups.{table.name}.on"
    if kinds.is_text(ours) != kinds.is_text(theirs):
        typed = "source.types" if kinds.is_text(ours) else f"lookups.{table.name}.types"
        words = (
            f"`on` is {ours} and the lookup's `key` is {theirs}: give the text a type in `{typed}`, "
            f"or write try_cast(… as {theirs if kinds.is_text(ours) else ours})"
        )
        bind.mistake(key, words)
        return
    try:
        connection.execute(f"EXPLAIN SELECT CAST(NULL AS {ours}) = CAST(NULL AS {theirs})").fetchall()
    except duckdb.Error:
        bind.mistake(key, f"`on` is {ours} and the lookup's `key` is {theirs}: these are never equal")


def _refuse_other_times(job: Job, used: Mapping[str, set[str]], bind: Binder) -> None:
    """A lookup `as_of` knows the job's time alone: a rule with a time of its own would get the partner of another moment."""
    timed: set[str] = set()
    for name, lookup in job.lookups.items():
        if lookup.as_of is not None or used[f"lookups.{name}.on"] & timed:
            timed.add(folded(name))
    for index, rule in enumerate(job.events):
        if rule.time is None or rule.time == job.time:
            continue
        inherited = ["contact."] if rule.contact is None else []
        inherited += [name for name in ("key_value", "id") if getattr(rule, name) is None]
        for key, names in used.items():
            if names & timed and key.startswith((f"events[{index}].", *inherited)):
                words = f"lookup `{min(names & timed)}` is taken as of the job's `time`, and this event has a time of its own"
                bind.mistake(f"events[{index}].time", f"{words}: it is used in `{key}`")


class Joins:
    """The lookups of a job, read once and joined to every batch."""

    def __init__(
        self,
        programs: Sequence[JoinProgram],
        inputs: Mapping[str, LookupInput],
        job: Job,
        connection: duckdb.DuckDBPyConnection,
    ) -> None:
        """Read the lookups' files; raise InputError for what they may not hold."""
        self._programs = programs
        self._time = job.time
        self._connection = connection
        self._tables: list[LookupTable] = []
        for program in programs:
            held = sum(table.bytes for table in self._tables)
            self._tables.append(load(program.table, inputs[program.table.name], connection, held))

    @property
    def empty(self) -> tuple[str, ...]:
        """The lookups that have no row."""
        pairs = zip(self._programs, self._tables, strict=True)
        return tuple(program.table.name for program, table in pairs if not len(table.values))

    def beside(self, connection: duckdb.DuckDBPyConnection) -> Joins:
        """Return these joins for another thread, with its own connection to the same DuckDB: the lookups are not read again."""
        other = copy(self)
        other._connection = connection
        return other

    def join(self, batch: pa.Table) -> tuple[pa.Table, Counter[str]]:
        """Return a batch with the columns of every lookup, and how many of its rows found a partner in each."""
        found: Counter[str] = Counter()
        first = batch.num_columns
        for program in self._programs:
            for field in program.table.placeholders:
                batch = batch.append_column(field, pa.nulls(batch.num_rows, field.type))
        for position, (program, table) in enumerate(zip(self._programs, self._tables, strict=True)):
            self._connection.register(BATCH, batch)
            asked = fetch(self._connection, program.statement)
            partners = table.partners(asked[_ON], self._moments(asked), self._connection)
            found[program.table.name] += len(partners) - partners.null_count
            for step, column in enumerate((table.values.take(partners), asked[_FAILED])):
                at = first + 2 * position + step
                batch = batch.set_column(at, batch.schema.field(at), column)
        return batch, found

    def _moments(self, asked: pa.Table) -> pa.Array | None:
        """The times of the rows where the lookup is taken as of them. Their kind does not matter: an event of another kind is invalid."""
        if instants.UTC_COLUMN not in asked.column_names or self._time is None:
            return None
        raw = (asked[name] for name in (instants.UTC_COLUMN, instants.LOCAL_COLUMN, instants.KIND_COLUMN))
        utc, local, kind = (column.combine_chunks() for column in raw)
        return pc.cast(instants.settle(utc, local, kind, self._time.zone, None).values, pa.int64())
