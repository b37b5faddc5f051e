"""The times of matches: read, of one kind a column, placed in the job's zone; and what was moved on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.mapping import instants
from etl.mapping.instants import Instants
from etl.mapping.passages import Column, Numbers, Passages, Times
from etl.mapping.program import ITEM, RAW_TIME, RuleProgram
from etl.mapping.time_kinds import TimeKinds
from etl.tables import FAULT, FILE, ORDINAL, ROW


@dataclass(slots=True)
class MovedTimes:
    """Counts of local times that a clock change touches, and where carts have such a time."""

    twice: int = 0  # they occur twice
    later: int = 0  # of these, the later passage was taken
    skipped: int = 0  # they do not occur: moved forward by the gap
    carts: list[tuple[int, int]] = field(
        default_factory=list
    )  # places (file, row) of cartUpdated whose time occurs twice

    def add(self, other: MovedTimes) -> None:
        """Add the counts of another part."""
        self.twice += other.twice
        self.later += other.later
        self.skipped += other.skipped
        self.carts += other.carts


class MatchTimes:
    """Gives the matches of one input their instants, batch by batch; every batch that is begun must be said to have `ended`."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._kinds = TimeKinds()
        self._passages = Passages()

    def ended(self, batch: int) -> None:
        """Say that a batch has no more to say."""
        self._kinds.ended(batch)
        self._passages.ended(batch)

    def timed(
        self,
        parts: Sequence[tuple[RuleProgram, pa.Table]],
        batch: int,
        connection: duckdb.DuckDBPyConnection,
        moved: MovedTimes,
    ) -> list[pa.Table]:
        """Return the matches of each rule with `instant` in place of the raw time, and the faults `time` and `future`.

        `parts` are all matches of a stretch of rows: where clocks go back, the rows of all rules say in which passage a time is.
        """
        settled = [self._settled(rule, matches, batch, connection) for rule, matches in parts]
        values = [one.values if one is not None else None for one in settled]
        columns: dict[Column, list[tuple[int, Instants, Times, Numbers]]] = {}
        for n, ((rule, matches), found) in enumerate(zip(parts, settled, strict=True)):
            if found is not None and rule.time is not None:
                moved.skipped += found.skipped
                if found.later is not None:
                    column = (rule.time.column, rule.time.format, rule.time.zone)
                    columns.setdefault(column, []).append((n, found, *_times(matches, found.values, found.later)))
        for column, given in columns.items():
            placed = self._passages.place(column, batch, [times for _, _, times, _ in given])
            for (n, found, times, at), instant in zip(given, placed, strict=True):
                twice = times.later != times.earlier
                if twice.any():
                    moved.twice += int(twice.sum())
                    moved.later += int((instant != times.earlier).sum())
                    values[n] = _replaced(found.values, at, instant)
                    rule, matches = parts[n]
                    if rule.rule.type == "cartUpdated":
                        places = matches.select([FILE, ROW]).take(pa.array(at[twice]))
                        moved.carts += list(zip(places[FILE].to_pylist(), places[ROW].to_pylist(), strict=True))
        return [self._with(matches, times) for (_, matches), times in zip(parts, values, strict=True)]

    def of_marks(self, matches: pa.Table) -> pa.Table:
        """Return lines that only mark their cart, which has no use for their times, with the columns of matches that have one."""
        return self._with(matches, None)

    def _settled(
        self, rule: RuleProgram, matches: pa.Table, batch: int, connection: duckdb.DuckDBPyConnection
    ) -> Instants | None:
        """Read the times of matches; None in a job without time."""
        if rule.time is None or rule.times is None:
            return None
        raw = rule.times.read(matches[RAW_TIME].combine_chunks(), connection)
        kind = instants.first_kind(raw.utc, raw.local, raw.kinds)
        if kind is not None:
            kind = self._kinds.settle((rule.time.column, rule.time.format), batch, kind)
        return instants.settle(raw.utc, raw.local, raw.kinds, rule.time.zone, kind)

    def _with(self, matches: pa.Table, times: pa.Array | None) -> pa.Table:
        if times is None:
            gone = [RAW_TIME] if RAW_TIME in matches.column_names else []
            return matches.drop_columns(gone).append_column("instant", pa.nulls(matches.num_rows, instants.INSTANT))
        matches = matches.drop_columns([RAW_TIME]).append_column("instant", times)
        matches = matches.append_column(f"{FAULT}time", pc.is_null(times))
        return matches.append_column(f"{FAULT}future", instants.is_future(times, self._now))


def _times(matches: pa.Table, earlier: pa.Array, later: pa.Array) -> tuple[Times, Numbers]:
    """Return the times that are there, and the positions of their matches."""
    at = np.flatnonzero(earlier.is_valid().to_numpy(zero_copy_only=False))
    rows = pa.array(at)
    order = pc.add(pc.multiply(matches[ORDINAL], 1 << 24), pc.fill_null(matches[ITEM], 0).cast(pa.int64()))
    columns = (matches[FILE].cast(pa.int64()), order, earlier.cast(pa.int64()), later.cast(pa.int64()))
    return Times(*(column.take(rows).to_numpy() for column in columns)), at


def _replaced(values: pa.Array, at: Numbers, placed: Numbers) -> pa.Array:
    """Return instants with those at some positions replaced; the others are null."""
    whole = np.zeros(len(values), dtype=np.int64)
    whole[at] = placed
    return pa.array(whole, pa.int64(), mask=values.is_null().to_numpy(zero_copy_only=False)).cast(values.type)
