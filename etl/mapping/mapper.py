"""Batches in, matches out: runs the compiled job over one Arrow batch after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.job.models import Job
from etl.mapping.blank import blank_to_null
from etl.mapping.contact_lists import UNKNOWN, ContactLists, Mask
from etl.mapping.joins import BATCH, Joins
from etl.mapping.lookup_table import LookupInput
from etl.mapping.match_times import MatchTimes, MovedTimes
from etl.mapping.program import EXPRESSION_FAILED, OUT, ROWS, Program, RuleProgram, compile_job, taken
from etl.mapping.ready import know_bots
from etl.sql import beside as sql_beside
from etl.sql import connect, fetch, quote
from etl.tables import FAULT, PLACE, RULES

#: Errors that no value of a row can cause.
_NOT_OF_A_VALUE = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.FatalException,
    duckdb.InternalException,
    duckdb.InterruptException,
    duckdb.ParserException,
)


@dataclass(frozen=True, slots=True)
class RuleMatches:
    """The matches of one rule in one batch, and, where a row holds the list of products, the products."""

    rule: int
    table: pa.Table
    elements: pa.Table | None


@dataclass(frozen=True, slots=True)
class _Fetched:
    """What a rule's statements gave for a batch."""

    index: int
    rule: RuleProgram
    matches: pa.Table
    elements: pa.Table | None


@dataclass(frozen=True, slots=True)
class Failed:
    """Rows (`rule` is None) or matches of a rule that failed before they had fields; `places` has the place columns."""

    rule: int | None
    reason: str
    places: pa.Table


@dataclass(frozen=True, slots=True)
class Lost:
    """Lines of a rule that leave their carts short: the filter that took them out, None where they failed."""

    rule: int
    reason: str | None
    lines: pa.Table


@dataclass(slots=True)
class Mapped:
    """What one batch gave. `matches` counts those of all rules, `matched` the rows that have any."""

    number: int = 0
    rows: int = 0
    matches: int = 0
    matched: int = 0
    reached: int = 0  # rows that no filter took out
    taken: Counter[int] = field(default_factory=Counter)  # by rule: of these, the rows that it took
    filtered: Counter[str] = field(default_factory=Counter)
    by_rule: list[RuleMatches] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)  # lines that are no matches, or none any more
    partners: Counter[str] = field(default_factory=Counter)  # by lookup: rows that found theirs
    moved_times: MovedTimes = field(default_factory=MovedTimes)


class Mapper:
    """The compiled job with its own DuckDB, which sees the batch and nothing else: no file, no network, a locked configuration."""

    def __init__(
        self,
        job: Job,
        schema: pa.Schema,
        now: datetime,
        only: frozenset[str] = frozenset(),
        memory: str = "400MB",
        lookups: Mapping[str, LookupInput] = MappingProxyType({}),
        contacts: ContactLists | None = None,
        *,
        limited: bool = False,
        new: bool = False,
    ) -> None:
        """Compile `job` for a source of `schema` and read its lookups; raise JobMistakes, and InputError for a lookup's rows.

        `now` is the plan's; `only` keeps these keyValues, `contacts` say for whom nothing is sent. `limited`: the batches have the
        column RULES. `new`: the job has never run.
        """
        self._job = job
        self._contacts = contacts
        self._only = pa.array(sorted(only), pa.string()) if only else None
        self._connection = connect(memory=memory, threads=1)  # mappers work side by side instead
        self._times = MatchTimes(now)
        schemas = {name: lookup.schema for name, lookup in lookups.items()}
        self.program: Program = compile_job(job, schema, self._connection, schemas, limited=limited, new=new)
        self._beside = [*PLACE.names, *([RULES] if limited else [])]
        self._joins = Joins(self.program.joins, lookups, job, self._connection)

    @property
    def empty_lookups(self) -> tuple[str, ...]:
        """The lookups that have no row: nothing matches."""
        return self._joins.empty

    @property
    def absent(self) -> tuple[str, ...]:
        """The names of the job that no row of the input has; what an empty lookup does not have is no surprise."""
        return tuple(name for name in self.program.absent if name.partition(".")[0] not in self.empty_lookups)

    def beside(self) -> Mapper:
        """Return this mapper for another thread: with its own connection to the same DuckDB; lookups are read once."""
        other = copy(self)
        other._connection = sql_beside(self._connection)
        other._joins = self._joins.beside(other._connection)
        other._contacts = self._contacts.beside() if self._contacts else None
        know_bots(other._connection, None)
        return other

    def map(self, batch: pa.Table, number: int = 0) -> Mapped:
        """Map one batch: the source's columns and the place columns. `number` counts the batches in the order of the input, from 0."""
        result = Mapped(number)
        try:
            self._map(batch, result)
        finally:
            self._times.ended(number)
        return result

    def _map(self, batch: pa.Table, result: Mapped) -> None:
        try:
            part = self._try(batch, result.number)
        except duckdb.Error as error:
            # TRY misses some errors (an unknown time zone, say): halve down to the row (RULES §11).
            if isinstance(error, _NOT_OF_A_VALUE):
                raise
            if batch.num_rows > 1:
                half = batch.num_rows // 2
                self._map(batch.slice(0, half), result)
                self._map(batch.slice(half), result)
                return
            part = self._alone(batch, result.number)
        _merge(result, part)

    def _try(self, batch: pa.Table, number: int) -> Mapped:
        result = self._rows(batch, number)
        rules = list(enumerate(self.program.rules))
        self._take([self._fetch(index, rule, rule.matches) for index, rule in rules], result)
        for index, rule in rules:
            if result.failed or any(name in result.filtered for name in self.program.filters):
                self._mark(index, rule.marks.lost if rule.marks else None, result)
        return result

    def _alone(self, batch: pa.Table, number: int) -> Mapped:
        """Map a row on which something fails that TRY misses: the rules that can be mapped are, the others' matches are invalid."""
        try:
            result = self._rows(batch, number)
        except duckdb.Error:
            result = Mapped(number, rows=1, failed=[Failed(None, EXPRESSION_FAILED, batch.select(PLACE.names))])
            for index, rule in enumerate(self.program.rules):
                with suppress(duckdb.Error):  # then nobody can say which cart it is a line of
                    self._mark(index, rule.marks.blind if rule.marks else None, result)
            return result
        for index, rule in enumerate(self.program.rules):
            with suppress(duckdb.Error):
                self._mark(index, rule.marks.lost if rule.marks else None, result)
            for statement in (rule.matches, rule.marks.matches if rule.marks else None):
                try:
                    if statement is not None:
                        self._take([self._fetch(index, rule, statement)], result)
                        break
                except duckdb.Error:
                    continue
            else:
                taken_rows = (
                    f"SELECT *, unnest(range({quote(taken(index))})) FROM {ROWS} WHERE {quote(taken(index))} > 0"
                )
                places = fetch(self._connection, taken_rows).select(PLACE.names)
                result.failed.append(Failed(index, EXPRESSION_FAILED, places))
        return result

    def _rows(self, batch: pa.Table, number: int) -> Mapped:
        """Say of each row whether it falls out and which rules take it: the table `rows`, and its counts."""
        used = batch.select([*self._beside, *self.program.columns])
        joined, partners = self._joins.join(blank_to_null(used))
        self._connection.register(BATCH, joined)
        if self.program.agents is not None:
            know_bots(self._connection, self.program.agents)
        self._connection.execute(self.program.rows)
        result = Mapped(number, rows=batch.num_rows, partners=partners)
        self._count(result)
        return result

    def _fetch(self, index: int, rule: RuleProgram, statement: str) -> _Fetched:
        matches = fetch(self._connection, statement)
        elements = fetch(self._connection, rule.elements) if rule.elements and matches.num_rows else None
        return _Fetched(index, rule, matches, elements)

    def _take(self, found: Sequence[_Fetched], result: Mapped) -> None:
        """Add matches to the result, with their instants, without those that may not go."""
        found = [one for one in found if one.matches.num_rows]
        parts = [(one.rule, one.matches) for one in found]
        timed = self._times.timed(parts, result.number, self._connection, result.moved_times)
        for one, matches in zip(found, timed, strict=True):
            kept = self._keep_known(matches, one.index if one.rule.marks else None, result)
            result.by_rule.append(RuleMatches(one.index, kept, one.elements))

    def _mark(self, index: int, statement: str | None, result: Mapped) -> None:
        """Note of lines that a filter took out, or that failed before they had fields, to which carts they belong: those are short."""
        if statement is None:
            return
        marks = fetch(self._connection, statement)
        if not marks.num_rows:
            return
        marks = self._times.of_marks(marks)
        if OUT not in marks.column_names:
            result.lost.append(Lost(index, None, marks))
            return
        out = pc.fill_null(marks[OUT], 0)
        marks = marks.drop_columns([OUT])
        for number in pc.unique(out).to_pylist():
            reason = self.program.filters[number - 1] if number > 0 else None
            result.lost.append(Lost(index, reason, marks.filter(pc.equal(out, number))))

    def _count(self, result: Mapped) -> None:
        """Count the rows and their matches, and name the rows whose filter failed and the matches whose `where` or `each` failed."""
        rules = range(len(self.program.rules))
        matches = " + ".join(f"abs({quote(taken(i))})" for i in rules)
        failed = "".join(f", count(*) FILTER ({quote(taken(i))} < 0)" for i in rules)
        takes = "".join(f", count(*) FILTER ({quote(taken(i))} <> 0)" for i in rules)
        columns = ", ".join(
            [quote(OUT), *(quote(taken(i)) for i in rules)]
        )  # none of the source: its names may be ours
        statement = (
            f"SELECT {quote(OUT)}, count(*), sum(n), count(*) FILTER (n > 0){failed}{takes} "
            f"FROM (SELECT {columns}, {matches} AS n FROM {ROWS}) GROUP BY 1"
        )
        failures: set[int] = set()
        for out, rows, matches_of_all, matched, *of_rules in self._connection.execute(statement).fetchall():
            failed_rules, taking = of_rules[: len(rules)], of_rules[len(rules) :]
            failures |= {rule for rule, count in enumerate(failed_rules) if count}
            if out is None:
                result.reached += rows
                result.taken += Counter(dict(zip(rules, taking, strict=True)))
                result.matches += int(matches_of_all)
                result.matched += matched
                if rows > matched:
                    result.filtered["no_rule"] += rows - matched
            elif out > 0:
                result.filtered[self.program.filters[out - 1]] += rows
            else:
                reason = f"filters.{self.program.filters[-out - 1]}.failed"
                result.failed.append(self._failed(f"{quote(OUT)} = {out}", None, reason))
        for index in sorted(failures):
            reason = "where.failed" if self.program.rules[index].rule.where is not None else "each.failed"
            result.failed.append(self._failed(f"{quote(taken(index))} < 0", index, reason))

    def _failed(self, condition: str, rule: int | None, reason: str) -> Failed:
        return Failed(
            rule, reason, fetch(self._connection, f"SELECT * FROM {ROWS} WHERE {condition}").select(PLACE.names)
        )

    def _keep_known(self, matches: pa.Table, lines_of: int | None, result: Mapped) -> pa.Table:
        """Drop the matches without a contact where the job says `anonymous`, those whom `contacts` forbid, those not in `only`.

        `lines_of` is the rule whose lines they are: what falls out then leaves a cart short, but for `only`, which asks by keyValue.
        """
        if self._job.drops_anonymous:
            anonymous = pc.is_null(matches["key"]).to_numpy() & ~_failed(matches)
            matches = _drop(matches, {"anonymous": anonymous}, lines_of, result)
        if self._contacts is not None:
            gone = self._contacts.judge(matches)
            if UNKNOWN in gone:  # a match whose locator failed is invalid, whoever it is about
                gone[UNKNOWN] &= ~_failed(matches)
            matches = _drop(matches, gone, lines_of, result)
        if self._only is not None:
            others = ~pc.fill_null(pc.is_in(matches["key"], self._only), False).to_numpy()
            matches = _drop(matches, {"only": others}, None, result)
        return matches


def _failed(matches: pa.Table) -> Mask:
    """Say of which matches the expression of a locator or of the keyValue failed."""
    failed = np.zeros(matches.num_rows, dtype=bool)
    for name in matches.column_names:
        if name.startswith((f"{FAULT}contact.", f"{FAULT}key.")):
            failed |= matches[name].to_numpy()
    return failed


def _drop(matches: pa.Table, gone: Mapping[str, Mask], lines_of: int | None, result: Mapped) -> pa.Table:
    """Return the matches without those that are gone, which are counted by reason; of a rule with `lines` they are noted as lost."""
    kept = np.ones(matches.num_rows, dtype=bool)
    for reason, mask in gone.items():
        if mask.any():
            kept &= ~mask
            result.filtered[reason] += int(mask.sum())
            if lines_of is not None:
                result.lost.append(Lost(lines_of, reason, matches.filter(pa.array(mask))))
    return matches.filter(pa.array(kept))


def _merge(result: Mapped, part: Mapped) -> None:
    result.rows += part.rows
    result.matches += part.matches
    result.matched += part.matched
    result.reached += part.reached
    result.taken += part.taken
    result.filtered += part.filtered
    result.by_rule += part.by_rule
    result.failed += part.failed
    result.lost += part.lost
    result.partners += part.partners
    result.moved_times.add(part.moved_times)
