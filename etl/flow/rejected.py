"""What of a run was refused: the matches in its quarantine, and the events that the API rejected (dead letters)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from etl.delivery.checkpoint import Checkpoint, RunRow, Touched
from etl.errors import JobError, StateError
from etl.flow.state import Place
from etl.job.models import Job
from etl.outbox.forget import NO_BODY
from etl.source.marks import ANY, SEPARATOR
from etl.sql import connect, fetch, literal

#: One row a reason and place: `entry` is what RULE_MARK says of it.
_ENTRY = (
    f"CASE WHEN rule IS NULL THEN '{ANY}' ELSE 'events[' || rule || ']' END || coalesce(' element ' || element, '') "
    "|| coalesce(' ' || type, '') || ': ' || reason"
)


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason with how many it holds for, and the first of them. `original` holds contact data: ContactData hides it."""

    reason: str
    count: int
    file: str
    row: int
    element: int | None
    rule: int | None
    type: str | None
    original: str | None


def run_of(checkpoint: Checkpoint, name: str | None, place: Place, day: date | None = None) -> RunRow:
    """Return a run by its name or number, the newest (of a date where one is given) where none is named; raise JobError."""
    runs = checkpoint.runs()
    if day is not None and name is None:
        found = [r for r in runs if r.date == day.isoformat() and r.kind == "main"][-1:]
    else:
        found = runs[-1:] if name is None else [r for r in runs if name in (r.name, str(r.run))]
    if not found:
        known = ", ".join(f"{r.name}{f' of {r.date}' if r.date else ''}" for r in runs[-5:]) or "none"
        of = f" of {day}" if day is not None else f" {name}" if name else ""
        raise JobError(f"no run{of} for {place.destination}", hint=f"runs: {known}")
    return found[0]


@contextmanager
def rejected(
    job: Job, place: Place, run: RunRow, files: Sequence[str], dead: Iterator[Touched] | None, *, quarantine: bool
) -> Iterator[Rejected]:
    """Look at what was refused: the `quarantine`, and the events that `dead` gives. `files` are those of the run's places.

    Raises JobError where the run's contact data was removed, StateError where it is gone.
    """
    folder = place.run(run.name)
    place.require_contact_data(run.name)
    if not (folder / "quarantine.parquet").exists():
        raise StateError(
            f"the quarantine of run {run.name} is gone: {folder}", hint="restore the state folder from a backup"
        )
    with connect(memory="500MB", folder=folder, reads=[folder]) as sql:
        yield Rejected(sql, job, folder, files, dead, quarantine=quarantine)


class Rejected:
    """The refused of one run, as tables of DuckDB: `refused` has a row for each (file, row, element, rule)."""

    def __init__(
        self,
        sql: duckdb.DuckDBPyConnection,
        job: Job,
        folder: Path,
        files: Sequence[str],
        dead: Iterator[Touched] | None,
        *,
        quarantine: bool,
    ) -> None:
        self._sql = sql
        sql.register(
            "rules",
            pa.table({"rule": pa.array(range(len(job.events)), pa.int16()), "type": [r.type for r in job.events]}),
        )
        sql.register(
            "files", pa.table({"file": pa.array(files, pa.string()), "nth": pa.array(range(len(files)), pa.int32())})
        )
        found = list(dead or ())
        letters = {
            "seq": pa.array([one.seq for one in found], pa.int64()),
            "reason": pa.array([_said(one) for one in found], pa.string()),
        }
        sql.register("letters", pa.table(letters))
        outbox = literal(str(folder / "outbox.parquet"))
        sql.execute(
            "CREATE TEMP TABLE dead AS SELECT file AS nth, row, element, rule, type, reason, seq, body "
            f"FROM read_parquet({outbox}) JOIN letters USING (seq)"
        )
        some = "true" if quarantine else "false"
        held = literal(str(folder / "quarantine.parquet"))
        sql.execute(
            "CREATE TEMP VIEW refused AS SELECT q.file, row, element, q.rule, type, reasons, original "
            f"FROM read_parquet({held}) q LEFT JOIN rules USING (rule) WHERE {some}"
        )

    def reasons(self) -> list[Reason]:
        """The reasons of the quarantine, the most frequent first, each with its first place."""
        return self._reasons(
            "SELECT unnest(reasons) AS reason, file, row, element, rule, type, original, nth "
            "FROM refused LEFT JOIN files USING (file)"
        )

    def answers(self) -> list[Reason]:
        """What the API has said of dead letters, each with the first event of which it said so."""
        return self._reasons(
            "SELECT reason, file, row, element, rule, type, body AS original, nth FROM dead LEFT JOIN files USING (nth)"
        )

    def counts(self) -> tuple[int, int]:
        """How many matches are in the quarantine, and in how many rows."""
        found = self._sql.execute(
            'SELECT count(*), count(DISTINCT struct_pack(file, r := "row")) FROM refused'
        ).fetchall()[0]
        return int(found[0]), int(found[1])

    def dead_places(self) -> pa.Table:
        """The places of dead letters: `nth` (index of the file), row, element, rule, reason. Those of purged persons are left out."""
        return fetch(self._sql, f"SELECT nth, row, element, rule, reason FROM dead WHERE body <> '{NO_BODY}'")

    def purged(self) -> int:
        """How many rows are left out of `rows`, as a purge has taken their person away: the inputs would bring them back."""
        found = self._sql.execute(
            "SELECT count(*) FROM (SELECT file, row FROM refused WHERE original IS NULL UNION "
            f"SELECT file, row FROM dead JOIN files USING (nth) WHERE body = '{NO_BODY}')"
        ).fetchall()[0]
        return int(found[0])

    def rows(self, more: pa.Table) -> pa.Table:
        """The rows to be mended, each once: `nth`, `row`, and `rules`, what RULE_MARK says; by place.

        `more` (nth, row, rule, reason) are further rows: the other lines of carts among the dead letters.
        """
        self._sql.register("more", more)
        table = fetch(
            self._sql,
            f"SELECT nth, row, string_agg(DISTINCT entry, '{SEPARATOR}' ORDER BY entry) AS rules FROM ("
            f"SELECT nth, row, {_ENTRY} AS entry FROM (SELECT nth, row, element, rule, type, "
            "array_to_string(list_sort(list_distinct(flatten(list(reasons)))), ', ') AS reason "
            "FROM refused JOIN files USING (file) WHERE original IS NOT NULL GROUP BY ALL) UNION ALL "
            f"SELECT nth, row, {_ENTRY} FROM dead WHERE body <> '{NO_BODY}' UNION ALL "
            f"SELECT nth, row, {_ENTRY} FROM (SELECT nth, row, NULL AS element, rule, type, reason FROM more JOIN rules USING (rule))"
            ") GROUP BY ALL ORDER BY nth, row",
        )
        self._sql.unregister("more")
        return table

    def _reasons(self, rows: str) -> list[Reason]:
        found: list[dict[str, Any]] = fetch(
            self._sql,
            "SELECT reason, count(*) AS n, arg_min("
            'struct_pack(file, "row", element, rule, type, original), struct_pack(nth, r := "row")) AS first '
            f"FROM ({rows}) GROUP BY reason ORDER BY n DESC, reason",
        ).to_pylist()
        return [Reason(one["reason"], one["n"], **one["first"]) for one in found]


def _said(event: Touched) -> str:
    """What the API said of an event, on one line and without what parts two rules."""
    words = " ".join((event.detail or "").replace(SEPARATOR.strip(), ",").split())
    return f"rejected {event.status or ''} {words}".strip()
