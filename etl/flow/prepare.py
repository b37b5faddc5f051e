"""One batch on its way from the source to the staging: mapped, validated, rendered.

One function, Arrow in and Arrow out: what it gives depends on the batch alone, so that any engine can run it over the parts of an input.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.flow.quarantine import first_places, invalid_lines, invalid_matches, unread_rows
from etl.flow.transform import Transform
from etl.job.models import Job
from etl.mapping.contact_lists import ContactLists
from etl.mapping.lookup_table import LookupInput
from etl.mapping.mapper import Mapper, RuleMatches
from etl.mapping.match_times import MovedTimes
from etl.mapping.program import EXPRESSION_FAILED, GROUP, ITEM, LINE
from etl.outbox.fold import CLEARED, INVALID, LOST, fold
from etl.outbox.render import line_columns, render
from etl.outbox.shape import PRODUCTS, Shape, shape_of
from etl.source.reader import Batch
from etl.sql import beside as sql_beside
from etl.sql import connect
from etl.tables import ELEMENT, FAULT, FILE, ORDINAL, ROW
from etl.validation import Mask, Verdict, reasons_of, validate_events, validate_lines

NO_PRODUCTS = "products.missing"

#: Bytes that `time_param` may add to a body on its way out.
_RESERVE = 80


@dataclass(slots=True)
class Prepared:
    """What one batch became. `lines` wait, by rule, until their carts are whole."""

    files: Sequence[str]
    rows: int = 0
    extra: int = 0
    filtered: Counter[str] = field(default_factory=Counter)
    invalid: int = 0
    unread: int = 0
    invalid_reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, tuple[int, int]] = field(default_factory=dict)  # the first place (file, row) of each reason
    events: list[pa.Table] = field(default_factory=list)
    lines: list[tuple[int, pa.Table]] = field(default_factory=list)
    quarantine: list[pa.Table] = field(default_factory=list)
    repeats: int = 0  # lines equal to another of their cart
    folded: int = 0  # second and later lines of an event
    short_carts: Counter[str] = field(default_factory=Counter)  # by filter: carts of which it took some lines
    asked: int = 0  # rows that asked the lookups
    partners: Counter[str] = field(default_factory=Counter)  # by lookup: rows that found theirs
    reached: int = 0  # rows that no filter took out
    taken: Counter[int] = field(default_factory=Counter)  # by rule: of these, the rows that it took
    moved_times: MovedTimes = field(default_factory=MovedTimes)

    def refuse(self, table: pa.Table) -> None:
        """Count rows of the quarantine, each once, and its reasons."""
        if table.num_rows:
            self.quarantine.append(table)
            self.invalid += table.num_rows
            for reason, place in first_places(table, self.files).items():
                self.examples[reason] = min(place, self.examples.get(reason, place))
            for found in pc.value_counts(pc.list_flatten(table["reasons"])).to_pylist():
                self.invalid_reasons[found["values"]] += found["counts"]


NO_OWN = pa.schema([])


@dataclass(frozen=True, slots=True)
class Begun:
    """A batch of the source, its number, and its rows as the job's `transform` gives them."""

    number: int
    batch: Batch
    table: pa.Table


class Preparer:
    """The rooms before the outbox, for one job and one source."""

    def __init__(
        self,
        job: Job,
        schema: pa.Schema,
        files: Sequence[str],
        first_rows: list[bytes] | None,
        now: datetime,
        only: frozenset[str] = frozenset(),
        lookups: Mapping[str, LookupInput] = MappingProxyType({}),
        contacts: ContactLists | None = None,
        *,
        own: pa.Schema = NO_OWN,
        limited: bool = False,
        new: bool = False,
    ) -> None:
        """Compile the job for a source and read its lookups; raise JobMistakes, and InputError for a lookup's rows.

        `first_rows` are the files' hashes in a job without time; `own` are the source's columns of each row's own JSON, which a
        `transform` does not see; `limited`: the batches say by RULES which rules may take a row; `new`: the job has never run.
        """
        self._files = list(files)
        self._first_rows = first_rows
        # Without a column there is nothing to check expressions against: lines of NDJSON, all of them unreadable or empty.
        self._transform = Transform(job, schema) if job.transform and schema.names else None
        seen = self._transform.schema if self._transform else pa.schema([*schema, *own], metadata=schema.metadata)
        self._mapper = (
            Mapper(job, seen, now, only, lookups=lookups, contacts=contacts, limited=limited, new=new)
            if schema.names
            else None
        )
        used = self._mapper.program.columns if self._mapper else ()
        #: The columns that batches should have.
        self.columns = (*schema.names, *(name for name in used if name in own.names and name not in schema.names))
        self._sql = connect(memory="300MB", threads=1)  # preparers work side by side instead
        self.shapes = tuple(shape_of(index, job) for index in range(len(job.events)))

    @property
    def absent(self) -> tuple[str, ...]:
        """The names of the job that no row of the input has."""
        return self._mapper.absent if self._mapper is not None else ()

    @property
    def empty_lookups(self) -> tuple[str, ...]:
        """The lookups that have no row."""
        return self._mapper.empty_lookups if self._mapper is not None else ()

    def beside(self) -> Preparer:
        """Return this preparer for another thread."""
        other = copy(self)
        other._sql = sql_beside(self._sql)
        other._mapper = self._mapper.beside() if self._mapper else None
        return other

    def begin(self, number: int, batch: Batch) -> Begun:
        """Take one batch of the source, of which `number` counts: one after the other, since a transform is the user's own function."""
        return Begun(number, batch, self._transform.apply(batch.table) if self._transform else batch.table)

    def prepare(self, begun: Begun) -> Prepared:
        """Map, validate and render a batch; several at once by preparers `beside` this one."""
        batch, table = begun.batch, begun.table
        # Before all else: other batches may wait for the kinds of times that this one finds, and it tells them where it fails too.
        mapped = self._mapper.map(table, begun.number) if self._mapper is not None else None
        result = Prepared(self._files, rows=batch.table.num_rows + len(batch.unread))
        result.refuse(unread_rows(batch.unread, self._files))
        result.unread = len(batch.unread)
        if mapped is None:
            result.filtered["no_rule"] += batch.table.num_rows
            return result
        result.extra = mapped.matches - mapped.matched
        result.filtered = mapped.filtered
        result.asked, result.partners = mapped.rows, mapped.partners
        result.reached, result.taken = mapped.reached, mapped.taken
        if table.num_rows < batch.table.num_rows:
            result.filtered["transform"] += batch.table.num_rows - table.num_rows
        result.moved_times = mapped.moved_times
        for failed in mapped.failed:
            reasons = pa.array([[failed.reason]] * failed.places.num_rows, pa.list_(pa.string()))
            result.refuse(invalid_matches(failed.places, failed.rule, reasons, batch.table, self._files, self._sql))
        for lost in mapped.lost:
            self._wait(
                self.shapes[lost.rule], lost.lines, pa.repeat(lost.reason or INVALID, lost.lines.num_rows), result
            )
        for found in mapped.by_rule:
            if found.table.num_rows:
                self._rule(self.shapes[found.rule], found, batch.table, result)
        return result

    def _rule(self, shape: Shape, found: RuleMatches, batch: pa.Table, result: Prepared) -> None:
        if found.elements is not None:
            self._row_lists(shape, found.table, found.elements, batch, result)
        elif shape.folds:
            self._lines(shape, found.table, batch, result)
        else:
            verdict = validate_lines(shape.type, found.table)
            self._refuse(shape, found.table, verdict, batch, result)
            self._events(shape, found.table.filter(pa.array(verdict.good)), batch, result)

    def _events(self, shape: Shape, good: pa.Table, batch: pa.Table, result: Prepared) -> None:
        """Render whole events and check what can be said of them only now: their size."""
        if good.num_rows == 0:
            return
        events = render(shape, good, self._first_rows, self._sql)
        verdict = validate_events(shape.type, _as_whole(events, good))
        self._refuse(shape, good, verdict, batch, result)
        result.events.append(events.filter(pa.array(verdict.good)))

    def _lines(self, shape: Shape, matches: pa.Table, batch: pa.Table, result: Prepared) -> None:
        """Lines wait for the rest of their cart; a bad line leaves a mark there, so that its cart is not sent short."""
        if GROUP not in matches.column_names:
            matches = matches.append_column(GROUP, _own_group(matches))
        verdict = validate_lines(shape.type, matches)
        self._refuse(shape, matches, verdict, batch, result)
        self._wait(shape, matches, _unless(verdict.good), result)

    def _wait(self, shape: Shape, matches: pa.Table, lost: pa.Array, result: Prepared) -> None:
        lines = self._as_lines(shape, matches, lost)
        result.lines.append((shape.index, lines.filter(pc.is_valid(lines[GROUP]))))

    def _row_lists(
        self, shape: Shape, matches: pa.Table, elements: pa.Table, batch: pa.Table, result: Prepared
    ) -> None:
        """A row that holds the list of products is a whole cart already; one bad product makes the match invalid."""
        lines, owner = _join_elements(matches, elements)
        verdict = validate_lines(shape.type, lines)
        bad = np.zeros(matches.num_rows, dtype=bool)
        bad[owner[~verdict.good]] = True
        reasons = {reason: _any_of(owner, mask, matches.num_rows) for reason, mask in verdict.reasons.items()}
        if (absent := reasons.get(NO_PRODUCTS)) is not None:
            # Of a list that is not there nobody asks what its products lack.
            reasons = {
                r: m if r == NO_PRODUCTS or not r.startswith("products.") else m & ~absent for r, m in reasons.items()
            }
        self._refuse(shape, matches, Verdict(~bad, reasons), batch, result)
        good = self._as_lines(shape, lines.append_column(GROUP, _keys(owner)), _unless(verdict.good))
        good = good.filter(pa.array(~bad[owner]))
        if good.num_rows:
            folded = fold(shape.keeping_repeats(), good)
            whole = folded.events.set_column(folded.events.column_names.index("_lines"), "_lines", _ones(folded.events))
            self._events(shape, whole, batch, result)

    def _as_lines(self, shape: Shape, matches: pa.Table, lost: pa.Array) -> pa.Table:
        lines = matches.select([c for c in matches.column_names if not c.startswith(FAULT)])
        lines = line_columns(shape, lines, self._sql)
        if CLEARED not in lines.column_names:
            lines = lines.append_column(CLEARED, pa.array(np.zeros(lines.num_rows, dtype=bool)))
        return lines.append_column(LOST, lost)

    def fold(self, carts: tuple[Shape, pa.Table]) -> Prepared:
        """Fold lines of a rule whose carts are whole, sorted by cart and place; what is invalid now is so with all its lines (RULES §3)."""
        shape, lines = carts
        result = Prepared(self._files)
        folded = fold(shape, lines)
        result.repeats = folded.repeats
        result.filtered, result.short_carts = folded.filtered, folded.short_carts
        lost = folded.invalid
        result.refuse(self._refused(shape, lost, [[reason] for reason in lost["reason"].to_pylist()]))
        if folded.events.num_rows == 0:
            return result
        events = render(shape, folded.events, self._first_rows, self._sql)
        verdict = validate_events(shape.type, _as_whole(events, folded.events))
        bad = np.flatnonzero(~verdict.good)
        if len(bad):
            reasons = dict(
                zip(folded.events[GROUP].take(bad).to_pylist(), reasons_of(verdict, bad).to_pylist(), strict=True)
            )
            lost = folded.lines.filter(pc.is_in(folded.lines[GROUP], folded.events[GROUP].take(bad).combine_chunks()))
            result.refuse(self._refused(shape, lost, [reasons[g] for g in lost[GROUP].to_pylist()]))
        good = events.filter(pa.array(verdict.good))
        result.folded = (pc.sum(good["lines"]).as_py() or 0) - good.num_rows
        result.events.append(good)
        return result

    def _refused(self, shape: Shape, lines: pa.Table, reasons: list[list[str]]) -> pa.Table:
        """Lines in the quarantine after the input has gone by: what they were mapped to stands for their original values."""
        listed = pa.array(reasons, pa.list_(pa.string()))
        return invalid_lines(lines, shape.index, listed, lines["_json"].cast(pa.string()), self._files)

    def _refuse(self, shape: Shape, matches: pa.Table, verdict: Verdict, batch: pa.Table, result: Prepared) -> None:
        """Put the bad matches into the quarantine with their original values."""
        if verdict.good.all():
            return
        bad = np.flatnonzero(~verdict.good)
        table = matches.select([FILE, ROW, ELEMENT, ORDINAL]).take(pa.array(bad))
        reasons = reasons_of(_first_of_all(verdict), bad)
        result.refuse(invalid_matches(table, shape.index, reasons, batch, self._files, self._sql))


def _first_of_all(verdict: Verdict) -> Verdict:
    """A match that could not be mapped has no values; that these are missing says nothing more."""
    failed = verdict.reasons.get(EXPRESSION_FAILED)
    if failed is None:
        return verdict
    others = {reason: mask & ~failed for reason, mask in verdict.reasons.items() if reason != EXPRESSION_FAILED}
    return Verdict(verdict.good, {EXPRESSION_FAILED: failed, **others})


def _as_whole(events: pa.Table, matches: pa.Table) -> pa.Table:
    """What the second schema looks at: the size of the body as it will leave, and how many products a cart has."""
    size = pc.add(pc.binary_length(events["body"]).cast(pa.int64()), _RESERVE)
    whole = {"body_bytes": size}
    if PRODUCTS in matches.column_names:
        whole |= {"products": matches["_products_count"], CLEARED: matches[CLEARED]}
    return pa.table(whole)


def _own_group(matches: pa.Table) -> pa.Array:
    """A group of its own for each match: nothing is folded but what the row itself says (`cleared`)."""
    return _keys(matches[ORDINAL].to_numpy(), pc.fill_null(matches[ITEM], 0).to_numpy())


def _keys(*numbers: np.ndarray) -> pa.Array:
    """Return the numbers of each row as one fixed-size binary value."""
    joined = np.ascontiguousarray(np.stack([n.astype(">u8") for n in numbers], axis=1))
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(8 * len(numbers)), len(joined), [None, pa.py_buffer(joined.tobytes())]
    )


def _ones(table: pa.Table) -> pa.Array:
    return pa.array(np.ones(table.num_rows, dtype=np.int64))


def _unless(good: Mask) -> pa.Array:
    """Return why each line is lost: null for the good ones."""
    return pc.if_else(pa.array(good), pa.scalar(None, pa.string()), INVALID)


def _any_of(owner: np.ndarray, mask: np.ndarray, count: int) -> np.ndarray:
    found = np.zeros(count, dtype=bool)
    found[owner[mask]] = True
    return found


def _join_elements(matches: pa.Table, elements: pa.Table) -> tuple[pa.Table, np.ndarray]:
    """Give each match as many lines as its list has elements, one that is `cleared` where the list is empty.

    Returns the lines (columns of both tables) and the match that each belongs to. Elements come in the order of their matches.
    """
    counts = pc.fill_null(matches[PRODUCTS], 0).to_numpy()
    known = pc.is_in(_place(elements), _place(matches))
    elements = elements.filter(known)
    owner = np.repeat(np.arange(matches.num_rows), np.maximum(counts, 1))
    real = np.repeat(counts > 0, np.maximum(counts, 1))
    at = np.full(len(owner), -1)
    at[real] = np.arange(int(real.sum()))
    taken = elements.drop_columns([c for c in elements.column_names if c in matches.column_names or c == LINE])
    taken = taken.take(pa.array(at, mask=at < 0))
    lines = matches.drop_columns([PRODUCTS]).take(pa.array(owner))
    for name in taken.column_names:
        column = taken[name]
        if name.startswith(FAULT):
            column = pc.fill_null(column, False)
            if name in lines.column_names:
                index = lines.column_names.index(name)
                lines = lines.set_column(index, name, pc.or_(lines[name], column))
                continue
        lines = lines.append_column(name, column)
    cleared = pc.fill_null(pc.equal(matches[PRODUCTS], 0), False).take(pa.array(owner))
    if CLEARED in lines.column_names:
        return lines.set_column(lines.column_names.index(CLEARED), CLEARED, pc.or_(lines[CLEARED], cleared)), owner
    return lines.append_column(CLEARED, cleared), owner


def _place(table: pa.Table) -> pa.ChunkedArray:
    """One number for ordinal and item: an item is far below 2**24, an ordinal below 2**39."""
    return pc.add(pc.multiply(table[ORDINAL], 1 << 24), pc.fill_null(table[ITEM], 0).cast(pa.int64()))
