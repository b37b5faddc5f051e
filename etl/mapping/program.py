"""The job's expressions compiled into SQL: checked against the input's real columns before any row is read.

Order of elimination (RULES §3): types, `let`, filters, then the rules. Three statements come out: one that says of each row whether it
falls out and which rules take it, one a rule that gives its matches, and one more for a rule whose row holds a list of products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

import duckdb
import pyarrow as pa

from etl.job.mistakes import JobMistakes
from etl.job.models import EventRule, Job, Time
from etl.mapping import functions, kinds, ready
from etl.mapping.absent import element
from etl.mapping.binding import Binder
from etl.mapping.blank import without_json_nul, without_nul
from etl.mapping.columns import PLACES, Columns, mentioned, untyped
from etl.mapping.contact import contact_layers
from etl.mapping.expression import Expression, Scope, complaint, scope_of
from etl.mapping.joins import BATCH, JoinProgram, compile_joins
from etl.mapping.layers import Layers
from etl.mapping.lookups import compile_tables, table_expressions
from etl.mapping.names import Names
from etl.mapping.own import OwnJson, item_of, own_elements, own_json, own_of, own_value
from etl.mapping.time_reader import TimeReader
from etl.sql import connect, literal, quote
from etl.tables import FAULT, LOCATORS, OWN, PLACE, RULES
from schemas import TYPES, Field

ITEM = "_item"  # index of the element of `each`
LINE = "_line"  # index of the element of a row's list of products
OUT = "!out"  # why a row falls out: n for the n-th filter, -n where that filter fails; null while it stays
GROUP = "_group"  # lines that are alike in this are one event
CLEARED = "cleared"
EXPRESSION_FAILED = "expression.failed"
_ITEM, _LINE = "!item", "!line"  # the same while source columns are there: names with ! are never a source's
ROWS = "rows"
RAW_TIME = "_time"  # the value of the rule's time, before it is read


def taken(rule: int) -> str:
    """Return the column that says how often a rule takes a row: a number of matches, -1 where its `where` or `each` fails."""
    return f"!taken.{rule}"


def lost(rule: int) -> str:
    """Return the column that says that a line of a rule's events may stand in a row, and failed before it had fields."""
    return f"!lost.{rule}"


@dataclass(frozen=True, slots=True)
class Marks:
    """Statements that give lines with nothing but key and group: they mark carts that are not whole."""

    matches: str  # of the rule's matches
    lost: str  # of the rows that a filter took out or that failed before they had fields, where the rule might have taken them
    blind: str  # of every row of the batch: for one on which filters and `where` cannot even be tried


@dataclass(frozen=True, slots=True)
class RuleProgram:
    """The statements of one event rule, and how its times are to be read."""

    rule: EventRule
    matches: str
    marks: Marks | None  # for rules with `lines`
    elements: str | None  # the lines of a row that holds the list of products
    time: Time | None
    times: TimeReader | None


@dataclass(frozen=True, slots=True)
class Program:
    """All statements of a job over the table `batch`; `columns` are those of the source that they use."""

    columns: tuple[str, ...]
    joins: tuple[JoinProgram, ...]
    agents: str | None  # the user agents of the batch, where bots are filtered
    rows: str
    filters: tuple[str, ...]
    rules: tuple[RuleProgram, ...]
    absent: tuple[str, ...] = ()  # names of the job that no row of the input, or of a lookup, has


def compile_job(
    job: Job,
    schema: pa.Schema,
    connection: duckdb.DuckDBPyConnection,
    lookups: Mapping[str, pa.Schema] = MappingProxyType({}),
    *,
    limited: bool = False,
    new: bool = False,
) -> Program:
    """Compile `job` against the columns of the source and of its lookups; raise JobMistakes with every mistake at once.

    `connection` is a locked DuckDB in which `batch` stands for a table of `schema` and the place columns; `limited`: and of RULES.
    `new`: the job has never run, so a name that no row has, and that is like one that rows have, is a mistake.
    """
    return _Compiler(job, schema, connection, lookups, limited=limited, new=new).compile()


def keyed_expressions(job: Job) -> Iterator[tuple[str, str]]:
    """Yield every expression over the rows of a job: (its key in the job file, its text)."""
    yield from ((f"let.{name}", text) for name, text in job.let.items())
    yield from ((f"lookups.{name}.on", lookup.on) for name, lookup in job.lookups.items())
    yield from ((f"filters.{name}", text) for name, text in job.named_filters.items())
    yield from ready.looked_at(job)
    owners: list[tuple[str, Job | EventRule]] = [
        ("", job),
        *((f"events[{i}].", rule) for i, rule in enumerate(job.events)),
    ]
    for at, owner in owners:
        yield from ((f"{at}{name}", text) for name in ("key_value", "id") if (text := getattr(owner, name)) is not None)
        yield from ((f"{at}contact.{name}", text) for name, text in (owner.contact or {}).items())
        if owner.time is not None:
            yield f"{at}time.column" if at == "" else f"{at}time", owner.time.column
    for index, rule in enumerate(job.events):
        at = f"events[{index}]"
        yield from ((f"{at}.{n}", text) for n in ("where", "each", "cleared") if (text := getattr(rule, n)) is not None)
        yield from ((f"{at}.lines[{i}]", text) for i, text in enumerate(rule.lines or ()))
        yield from ((f"{at}.{rule.part_name}.{name}", text) for name, text in (rule.part or {}).items())
        if rule.part_each is not None:
            yield f"{at}.{rule.part_name}.each", rule.part_each
        yield from ((f"{at}.{name}", text) for name, text in rule.scalars.items())
        yield from ((f"{at}.params.{name}", text) for name, text in rule.params.items())


class _Compiler:
    def __init__(
        self,
        job: Job,
        schema: pa.Schema,
        connection: duckdb.DuckDBPyConnection,
        lookups: Mapping[str, pa.Schema],
        *,
        limited: bool,
        new: bool,
    ) -> None:
        self.job, self.new = job, new
        self.limits = (pa.field(RULES, pa.list_(pa.int16())),) if limited else ()
        self.lookups = lookups
        self.connection = connection
        self.own = own_of(schema)
        self.plain = pa.schema([f for f in schema if not f.name.startswith(OWN)], metadata=schema.metadata)
        self.names = Names(self.plain.names)
        self.bind = Binder(job, connection, new=new)
        self.lists: dict[int, Expression] = {}  # `each`, by rule
        self.own_lists: dict[int, OwnJson | None] = {}
        self.schema = schema
        functions.create(connection)
        ready.know_bots(connection, None)

    def compile(self) -> Program:
        job, texts = self.job, dict(keyed_expressions(self.job))
        tables = compile_tables(job, self.lookups, texts, self.bind, self.connection, new=self.new)
        placeholders = [*(field for table in tables for field in table.placeholders), *self.limits]
        self.connection.register(BATCH, pa.schema([*PLACE, *self.schema, *placeholders]).empty_table())
        named = mentioned(self.names, texts.values(), self.connection)
        zone = job.time.zone if job.time else "UTC"
        scope = scope_of(self.plain, later=frozenset(job.lookups))
        columns = Columns("source", scope, named, self.bind, job.source.types, job.source.decimal, zone)
        typed = {self.names.find(name) for name in job.source.types}
        own = {name: renamed for name, renamed in self.own.items() if name in columns.used and name not in typed}
        beside = tuple(f"{OWN}{name}" for name in own)
        layers = columns.layers(BATCH, (*beside, *(field.name for field in placeholders)))
        scope = replace(scope, own=own)
        for name, text in job.let.items():
            e = self.bind.expression(text, f"let.{name}", scope, layers)
            known = self.bind.known(text, scope, layers)
            same = self._own_json(text, scope, layers)
            layers = layers.evaluate({name: e}).add({f"{OWN}{name}": same.sql} if same else {})
            scope = scope.plus(name, known).owning(name, same.renamed) if same else scope.plus(name, known)
        joins, layers, scope = compile_joins(job, tables, texts, layers, scope, self.bind, self.connection)
        self._windows_need_time()
        unfiltered = layers
        layers = self._filters(layers, scope)
        layers = self._wheres(layers, scope)
        layers = layers.without(("!filter.", "!bad:!filter.", "!where.", "!bad:!where."))
        rules = tuple(self._rule(index, rule, unfiltered, layers, scope) for index, rule in enumerate(self.job.events))
        if self.bind.mistakes:
            raise JobMistakes(self.job.path, self.bind.mistakes)
        agents = ready.agents_of(unfiltered, scope) if "bots" in self.job.row_filters else None
        rows = f"CREATE OR REPLACE TEMP TABLE {ROWS} AS {layers.sql}"
        absent = tuple(self.bind.absent)
        return Program((*columns.used, *beside), joins, agents, rows, tuple(self.job.row_filters), rules, absent)

    def _own_json(self, text: str, scope: Scope, layers: Layers) -> OwnJson | None:
        return own_json(text, scope, partial(self.bind.kind_of, layers=layers), self.connection)

    def _windows_need_time(self) -> None:
        for rule in self.job.events:
            key = rule.type if rule.type in self.job.dedupe else "default"
            dedupe = self.job.dedupe.get(key)
            if dedupe is not None and dedupe.kind == "window" and (rule.time or self.job.time) is None:
                self.bind.mistake(f"dedupe.{key}", f"a window needs times, and the job has no `time` for {rule.type}")

    def _filters(self, layers: Layers, scope: Scope) -> Layers:
        found = {
            f"!filter.{n}": ready.bound(n, value, self.bind, scope, layers)
            if ready.is_ready(n)
            else self.bind.boolean(str(value), f"filters.{n}", scope, layers)
            for n, value in self.job.row_filters.items()
        }
        layers = layers.evaluate(found)
        cases = "".join(
            f"WHEN {layers.failure(name)} THEN -{n} WHEN {quote(name)} THEN {n} " for n, name in enumerate(found, 1)
        )
        return layers.add({OUT: f"CAST({f'CASE {cases} END' if cases else 'NULL'} AS SMALLINT)"})

    def _wheres(self, layers: Layers, scope: Scope) -> Layers:
        wheres: dict[str, Expression] = {}
        for index, rule in enumerate(self.job.events):
            if rule.where is not None:
                wheres[f"!where.{index}"] = self.bind.boolean(rule.where, f"events[{index}].where", scope, layers)
            if rule.each is not None:
                self.lists[index] = self.bind.list_of(rule.each, f"events[{index}].each", scope, layers)
                self.own_lists[index] = self._own_json(rule.each, scope, layers)
        lists = {f"!each.{index}": each for index, each in self.lists.items()}
        layers = layers.evaluate({**wheres, **lists})
        counts: dict[str, str] = {}
        lines_lost: dict[str, str] = {}
        for index, rule in enumerate(self.job.events):
            where, each = f"!where.{index}", f"!each.{index}"
            many = (
                f"CASE WHEN {layers.failure(each)} THEN -1 ELSE coalesce(len({quote(each)}), 0) END"
                if rule.each
                else "1"
            )
            picked = (
                f"WHEN {layers.failure(where)} THEN -1 WHEN {quote(where)} THEN {many} ELSE 0"
                if rule.where
                else f"ELSE {many}"
            )
            may = f"coalesce(list_contains({quote(RULES)}, {index}), true)" if self.limits else "true"
            out = f"{quote(OUT)} IS NOT NULL" + (f" OR NOT {may}" if self.limits else "")
            counts[taken(index)] = f"CAST(CASE WHEN {out} THEN 0 {picked} END AS INTEGER)"
            if rule.lines is not None:
                might = f"{layers.failure(where)} OR coalesce({quote(where)}, false)" if rule.where else "true"
                failed = f"{quote(OUT)} IS NOT NULL AND ({might})"
                lines_lost[lost(index)] = f"{quote(taken(index))} < 0 OR ({failed} AND {may})"
        return layers.add(counts).add(lines_lost)

    def _rule(self, index: int, rule: EventRule, unfiltered: Layers, rows: Layers, scope: Scope) -> RuleProgram:
        at = f"events[{index}]"
        table = Layers(f"SELECT * FROM {ROWS}", rows.columns, rows.fallible)
        base = table.where(f"{quote(taken(index))} > 0")
        compiling = rows  # what the expressions are bound against while there is no table of rows
        if rule.each is not None:
            own = self.own_lists[index]
            beside = own_elements(own)
            base, compiling = (layers.unnest(f"!each.{index}", "item", _ITEM, beside) for layers in (base, compiling))
            listed = self.bind.known(rule.each, scope, rows)
            scope = scope.plus("item", element(listed))
            scope = scope.owning("item", item_of(own)) if own else scope
        else:
            base, compiling = (layers.add({_ITEM: "CAST(NULL AS INTEGER)"}) for layers in (base, compiling))
        time = rule.time or self.job.time
        elements = None
        if rule.part_each is not None:
            elements = self._elements(rule, base, _Statement(self.bind, at, scope, compiling, self._own_json))
        values = _Statement(self.bind, at, scope, compiling, self._own_json)
        self._bind_match(rule, values, time)
        matches = self._matches(index, rule, base, values, time)
        marks = None
        if rule.lines is not None:
            group = values.only(("contact.", "key_value", "lines."))
            failed = self._each_or_null(index, table.where(quote(lost(index))))
            lists = {f"!each.{index}": self.lists[index]} if index in self.lists else {}
            blind = self._each_or_null(index, unfiltered.evaluate(lists))
            marks = Marks(
                matches=self._matches(index, rule, base, group, time),
                lost=self._matches(index, rule, failed, group, time, extra=(OUT,)),
                blind=self._matches(index, rule, blind, group, time),
            )
        return RuleProgram(rule, matches, marks, elements, time, _times(values, time) if time else None)

    def _each_or_null(self, index: int, rows: Layers) -> Layers:
        """The elements of rows of which the list itself may have failed: then one element that is null stands for all."""
        each = f"!each.{index}"
        if index not in self.lists:
            return rows.add({_ITEM: "CAST(NULL AS INTEGER)"})
        rows = rows.add({each: f"CASE WHEN {rows.failure(each)} THEN [NULL] ELSE {quote(each)} END"})
        return rows.unnest(each, "item", _ITEM, own_elements(self.own_lists[index]))

    def _bind_match(self, rule: EventRule, values: _Statement, time: Time | None) -> None:
        """Bind every expression of a match."""
        if time is not None:
            values.add("time", time.column, f"{values.at}.time" if rule.time else "time.column")
            if time.format is None:
                values.read_as_written("time")
        at_contact = f"{values.at}.contact" if rule.contact is not None else "contact"
        for locator, text in (rule.contact if rule.contact is not None else self.job.contact).items():
            values.add(f"contact.{locator}", text, f"{at_contact}.{locator}")
        for name in ("key_value", "id"):
            text = getattr(rule, name) or getattr(self.job, name)
            if text is not None:
                values.add(name, text, f"{values.at}.{name}" if getattr(rule, name) else name)
        for position, text in enumerate(rule.lines or ()):
            values.add(f"lines.{position}", text, f"{values.at}.lines[{position}]")
        if rule.cleared is not None:
            values.add(CLEARED, rule.cleared, f"{values.at}.cleared")
        if rule.part_each is not None:
            values.add("products", rule.part_each, f"{values.at}.{rule.part_name}.each")
        else:
            self._bind_part(rule, values)
        for name, text in rule.scalars.items():
            values.add(name, text, f"{values.at}.{name}")
        for name, text in rule.params.items():
            values.add(f"params.{name}", text, f"{values.at}.params.{name}")

    def _matches(
        self,
        index: int,
        rule: EventRule,
        base: Layers,
        values: _Statement,
        time: Time | None,
        extra: tuple[str, ...] = (),
    ) -> str:
        """The statement that gives a rule's matches: values, then kinds and faults, then the contact; and columns `extra` of the rows."""
        layers = base.evaluate(values.expressions).only([*PLACES, _ITEM, *extra, *values.expressions])
        columns, faults = self._cast(rule, values)
        columns[ITEM] = quote(_ITEM)
        if (
            rule.each is not None
            and rule.lines is None
            and "id" in columns
            and "item" not in values.expressions["id"].uses
        ):
            # The row's id is that of all its elements. The first keeps it as it is: ledgers know that one.
            columns["id"] = (
                f"({columns['id']}) || CASE WHEN {quote(_ITEM)} > 0 THEN chr(31) || {quote(_ITEM)} ELSE '' END"
            )
        if rule.part_each is not None:
            columns["products"] = 'CAST(len("products") AS INTEGER)'
            faults["products.missing"] = f'NOT coalesce({layers.failure("products")}, false) AND "products" IS NULL'
        if time is not None:
            columns[RAW_TIME] = _times(values, time).raw(quote("time"))
        for name in values.expressions:
            if name in layers.fallible:
                faults[f"{_public(name)}.failed"] = layers.failure(name)
        if values.is_part:
            faults[EXPRESSION_FAILED] = "true"
        if rule.cleared is not None:
            columns[CLEARED] = f"coalesce({quote(CLEARED)}, false)"
        if rule.lines is not None:
            missing = " OR ".join(f"{quote(f'lines.{i}')} IS NULL" for i in range(len(rule.lines)))
            faults["lines.missing"] = missing
        layers = layers.add(
            {**columns, **{f"{FAULT}{reason}": f"coalesce({sql}, false)" for reason, sql in faults.items()}}
        )
        layers = contact_layers(layers, drop_bad=self.job.drop_bad_locators)
        kept = [*PLACES, *extra, *(c for c in columns if not c.startswith(("lines.", "key_value"))), "key"]
        kept += [f"{FAULT}{reason}" for reason in faults]
        kept += [f"contact.{locator}" for locator in LOCATORS if f"contact.{locator}" not in kept]
        if rule.lines is not None:
            layers = layers.add({GROUP: _group(index, len(rule.lines))})
            kept.append(GROUP)
        return f"SELECT {', '.join(map(quote, dict.fromkeys(kept)))} FROM ({layers.sql})"

    def _elements(self, rule: EventRule, base: Layers, values: _Statement) -> str:
        """The statement that gives the products of each row's list, one row an element."""
        values.add("products", rule.part_each or "", f"{values.at}.{rule.part_name}.each")
        listed = self.bind.known(rule.part_each or "", values.scope, values.layers)
        own = self._own_json(rule.part_each or "", values.scope, values.layers)
        outer = base.evaluate(values.expressions).unnest("products", "item", _LINE, own_elements(own))
        compiling = values.layers.evaluate(values.expressions).unnest("products", "item", _LINE, own_elements(own))
        scope = values.scope.plus("item", element(listed))
        scope = scope.owning("item", item_of(own)) if own else scope
        inner = _Statement(self.bind, values.at, scope, compiling, self._own_json)
        self._bind_part(rule, inner)
        layers = outer.evaluate(inner.expressions).only([*PLACES, _ITEM, _LINE, *inner.expressions])
        columns, faults = self._cast(rule, inner)
        columns |= {ITEM: quote(_ITEM), LINE: quote(_LINE)}
        faults |= {f"{_public(n)}.failed": layers.failure(n) for n in inner.expressions if n in layers.fallible}
        layers = layers.add(
            {**columns, **{f"{FAULT}{reason}": f"coalesce({sql}, false)" for reason, sql in faults.items()}}
        )
        kept = [*PLACES, *columns, *(f"{FAULT}{reason}" for reason in faults)]
        return f"SELECT {', '.join(map(quote, dict.fromkeys(kept)))} FROM ({layers.sql})"

    def _bind_part(self, rule: EventRule, values: _Statement) -> None:
        for name, text in (rule.part or {}).items():
            values.add(f"{rule.part_name}.{name}", text, f"{values.at}.{rule.part_name}.{name}")

    def _cast(self, rule: EventRule, values: _Statement) -> tuple[dict[str, str], dict[str, str]]:
        """Return the columns of the matches in the kinds that the type wants, and their faults."""
        spec = TYPES.get(rule.type)
        fields: dict[str, Field] = {}
        if spec is not None:
            fields = {f"{spec.part}.{f.name}": f for f in spec.fields} | {f.name: f for f in spec.scalars}
        columns: dict[str, str] = {}
        faults: dict[str, str] = {}
        for name, kind in values.kinds.items():
            if name == "time" or name == CLEARED or (name == "products" and rule.part_each is not None):
                continue
            value = quote(name)
            wanted = fields[name].kind if name in fields else _kind_of_other(name)
            blank = name not in values.never_blank
            if name in values.own:
                made = own_value(value, wanted, self.job.source.decimal, identifies=_identifies(name))
                columns[name] = made.value
                if made.wrong is not None:
                    faults[f"{name}.{made.fault}"] = made.wrong
                continue
            if wanted in ("number", "flag"):
                cast = (
                    kinds.number(value, kind, self.job.source.decimal, blank=blank)
                    if wanted == "number"
                    else kinds.flag(value, kind)
                )
                columns[name] = cast.value
                if cast.wrong is not None:
                    faults[f"{name}.{cast.fault}"] = cast.wrong
                continue
            if kinds.is_text(kind) and not _identifies(name):
                value = without_nul(value)
            if wanted == "json":
                written = kinds.json(value, kind)
                nested = kinds.is_nested(kind) or kind == "JSON"
                columns[name] = without_json_nul(written) if nested else written
            else:
                as_wanted = kinds.text if wanted == "text" else kinds.texts
                columns[name] = as_wanted(value, kind, blank=blank)
        return columns, faults


class _Statement:
    """Collects the expressions of one statement with their types."""

    def __init__(
        self,
        bind: Binder,
        at: str,
        scope: Scope,
        layers: Layers,
        own_json: Callable[[str, Scope, Layers], OwnJson | None],
    ) -> None:
        self._bind, self.at, self.scope, self.layers, self._own_json = bind, at, scope, layers, own_json
        self.own: set[str] = set()  # those that are the row's own JSON
        self.expressions: dict[str, Expression] = {}
        self.kinds: dict[str, str] = {}
        self.never_blank: set[str] = set()  # columns of the source as they stand: their blank texts are null already
        self.is_part = False

    def only(self, prefixes: tuple[str, ...]) -> _Statement:
        """Return this with null in place of every other expression, of the same type."""
        part = _Statement(self._bind, self.at, self.scope, self.layers, self._own_json)
        part.is_part = True
        part.own = self.own
        part.kinds = self.kinds
        part.never_blank = self.never_blank
        part.expressions = {
            name: e
            if name.startswith(prefixes)
            else Expression(f"CAST(NULL AS {self.kinds[name]})", frozenset(), safe=True)
            for name, e in self.expressions.items()
        }
        return part

    def add(self, name: str, text: str, key: str) -> None:
        """Bind an expression under the name of its value."""
        how = {CLEARED: self._bind.boolean, "products": self._bind.list_of}.get(name, self._bind.expression)
        self.expressions[name] = e = how(text, key, self.scope, self.layers)
        if e.is_name and not e.uses & self.scope.others:
            self.never_blank.add(name)
        self.kinds[name] = self._bind.kind_of(self.expressions[name].sql, self.layers)
        own = self._own_json(text, self.scope, self.layers) if name not in (CLEARED, "products", "time") else None
        if own is not None:
            self.own.add(name)
            self.expressions[name] = replace(e, sql=own.sql)
            self.kinds[name] = "VARCHAR"

    def read_as_written(self, name: str) -> None:
        """Let a value that is a column of `source.types` be that column's text, where there is one; it fails where it failed."""
        self.expressions[name] = untyped(self.expressions[name], self.scope, self.layers)
        self.kinds[name] = self._bind.kind_of(self.expressions[name].sql, self.layers)


def _times(values: _Statement, time: Time) -> TimeReader:
    return TimeReader(values.kinds["time"], time.format)


def _kind_of_other(name: str) -> str:
    """The kind of what the API's tables do not name: further properties of a product are lists of texts."""
    if name.startswith("params."):
        return "json"
    return "texts" if "." in name and not name.startswith(("contact.", "lines.")) else "text"


def _identifies(name: str) -> bool:
    """Say whether a value says who or which: with a control character it is refused, since a mended one could be another's."""
    return name in ("id", "key_value") or name.startswith(("contact.", "lines."))


def _public(name: str) -> str:
    """A value's name in a reason."""
    return {"key_value": "key"}.get(name, "lines" if name.startswith("lines.") else name)


def _group(index: int, count: int) -> str:
    """The hash of rule and `lines` values, each with its length before it, and half a hash of the keyValue.

    Lines without a keyValue that have the same `lines` values then stand beside those that have one.
    """
    values = [quote(f"lines.{i}") for i in range(count)]
    parts = [literal(f"{index}:"), *(f"coalesce(strlen({sql}) || ':' || {sql}, '-')" for sql in values)]
    return f"""unhex(md5({" || ".join(parts)}) || left(md5(coalesce({quote("key")}, '')), 16))"""


def check_against(
    job: Job, schema: pa.Schema, lookups: Mapping[str, pa.Schema] = MappingProxyType({})
) -> tuple[str, ...]:
    """Raise JobMistakes for every expression that does not fit a source of `schema` and lookups of theirs.

    Return the names that no row has, where rows have keys of their own; one that is like a name that rows have is a mistake.
    """
    with connect(memory="200MB", threads=1) as connection:
        return compile_job(job, schema, connection, lookups, new=True).absent


def check_syntax(job: Job) -> None:
    """Raise JobMistakes for every expression that is wrong whatever the columns are: for a source that cannot be looked at."""
    with connect(memory="200MB", threads=1) as connection:
        keyed = [*keyed_expressions(job), *table_expressions(job)]
        found = [(key, text, complaint(text, connection)) for key, text in keyed]
    mistakes = [job.mistake(key, f"`{text}`: {words}") for key, text, words in found if words is not None]
    if mistakes:
        raise JobMistakes(job.path, mistakes)
