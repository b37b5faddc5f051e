"""The lines of events of several lines: an outbox keeps the place of the last one, so the inputs are mapped once more for the rest."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from etl.delivery.checkpoint import RunRow
from etl.errors import GuardError
from etl.flow.contacts import contact_lists
from etl.flow.inputs import JobInputs
from etl.flow.origin import Read, refuse_changed
from etl.flow.prepare import Preparer
from etl.job.fingerprint import mapping_hash
from etl.job.models import Job
from etl.job.template import dated
from etl.mapping.program import GROUP
from etl.outbox.fold import LOST
from etl.outbox.staging import Staging
from etl.source.mended import MendedSource
from etl.sql import connect, fetch, literal
from etl.tables import ELEMENT, FILE, ORDINAL, ROW

#: Further rows of an event: index of the file, row, rule, and why the event was refused.
LINES = pa.schema([("nth", pa.int32()), ("row", pa.int64()), ("rule", pa.int16()), ("reason", pa.string())])


def lines_of(job: Job, run: RunRow, read: Read, inputs: JobInputs, events: pa.Table) -> pa.Table:
    """Return all lines (LINES) of the events at these places (`nth`, `row`, `rule`, `reason`) whose rules have `lines`.

    Raises GuardError where the mapping has changed since the run (other rows would be lines of one event now), InputError where a
    lookup or a list of contacts has.
    """
    rules = {rule for rule in events["rule"].to_pylist() if job.events[rule].lines is not None}
    if not rules:
        return LINES.empty_table()
    if run.mapping != mapping_hash(job):
        raise GuardError(
            "mapping",
            f"the job's mapping has changed since run {run.name}: which rows were the lines of a refused cart is not known any more",
            hint="`clickreplay run` plans anew with the mapping as it is now: what was refused goes out then",
        )
    with TemporaryDirectory(prefix="clickreplay-") as name:
        folder = Path(name)
        with Staging(folder) as staging:
            for rule, lines in mapped_lines(job, run, read, inputs, rules):
                staging.add_lines(rule, lines.select([GROUP, FILE, ROW]))
        with connect(memory="500MB", folder=folder) as sql:
            sql.register("events", events)
            found = [_lines(sql, folder, rule) for rule in rules if (folder / f"lines-{rule}.parquet").exists()]
    return pa.concat_tables([table.cast(LINES) for table in found]) if found else LINES.empty_table()


def mapped_lines(
    job: Job, run: RunRow, read: Read, inputs: JobInputs, rules: Collection[int]
) -> Iterator[tuple[int, pa.Table]]:
    """Map what a run has read once more; yield the lines of these rules. Raises InputError where a lookup or a list has changed."""
    refuse_changed(run.name, read.beside)
    source = inputs.source
    preparer = Preparer(
        dated(job, run.day),
        source.schema,
        source.files,
        list(read.origin.first_rows) or None,
        datetime.now(UTC),
        lookups=inputs.beside.tables(source),
        contacts=contact_lists(inputs.beside.contacts),
        own=source.own,
        limited=isinstance(source, MendedSource),
    )
    for number, batch in enumerate(source.batches(preparer.columns)):
        begun = preparer.begin(number, batch)
        yield from ((rule, lines) for rule, lines in preparer.prepare(begun).lines if rule in rules)


def _lines(sql: duckdb.DuckDBPyConnection, folder: Path, rule: int) -> pa.Table:
    lines = f"read_parquet({literal(str(folder / f'lines-{rule}.parquet'))})"
    asked = (
        f"SELECT {GROUP}, min(reason) AS reason FROM {lines} JOIN events e ON {FILE} = nth AND {ROW} = e.row "
        f"WHERE e.rule = {rule} GROUP BY 1"
    )
    return fetch(
        sql,
        f"SELECT DISTINCT {FILE} AS nth, {ROW} AS row, CAST({rule} AS SMALLINT) AS rule, reason "
        f"FROM {lines} JOIN ({asked}) USING ({GROUP})",
    )


@contextmanager
def _registered(sql: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> Iterator[None]:
    sql.register(name, table)
    try:
        yield
    finally:
        sql.unregister(name)


def open_groups(staged: Path, unsettled: pa.Table, sql: duckdb.DuckDBPyConnection) -> pa.Array:
    """Return the carts, among the `staged` lines of a rule, that may have other lines than these: some went out already, maybe.

    A line of which nobody knew the cart (`unsettled`: file, row) stood alone when it was refused. Whether the cart it belongs to went
    out then, or with an earlier run, no outbox says: one of which nothing was new has none of it.
    """
    with _registered(sql, "unsettled", unsettled):
        found = fetch(
            sql,
            f"SELECT DISTINCT {GROUP} FROM read_parquet({literal(str(staged))}) l SEMI JOIN unsettled u "
            f"ON l.{FILE} = u.file AND l.{ROW} = u.row WHERE l.{LOST} IS NULL",
        )
    return found[GROUP].combine_chunks()


def not_refused(
    lines: pa.Table, rule: int, refused: Path, files: list[str], sql: duckdb.DuckDBPyConnection
) -> pa.Table:
    """Return the lines of a rule that are not in `refused`, the quarantine of the run that read them."""
    named = pa.table({"file": pa.array(files, pa.string()), "nth": pa.array(np.arange(len(files)), pa.int32())})
    with _registered(sql, "lines", lines), _registered(sql, "named", named):
        gone = f"SELECT nth, q.row FROM read_parquet({literal(str(refused))}) q JOIN named USING (file) WHERE q.rule = {rule}"
        return fetch(sql, f"SELECT r.* FROM lines r ANTI JOIN ({gone}) g ON r.{FILE} = g.nth AND r.{ROW} = g.row")


def with_rest(staged: Path, rests: Sequence[pa.Table], sql: duckdb.DuckDBPyConnection) -> tuple[pa.Table, int]:
    """Return the `staged` lines and those of the `rests` of other rows, in the order of their places; and how many were added.

    Of a row that stands in several the first has the word.
    """
    own = table = pq.read_table(staged)
    for rest in rests:
        with _registered(sql, "own", table), _registered(sql, "rest", rest):
            more = f"SELECT r.* FROM rest r ANTI JOIN own o ON r.{FILE} = o.{FILE} AND r.{ROW} = o.{ROW}"
            table = fetch(sql, f"SELECT * FROM own UNION ALL BY NAME SELECT * FROM ({more})")
    with _registered(sql, "lines", table):
        order = f"dense_rank() OVER (ORDER BY {FILE}, {ROW}, {ELEMENT} NULLS FIRST) - 1"
        table = fetch(sql, f"SELECT * REPLACE (CAST({order} AS BIGINT) AS {ORDINAL}) FROM lines")
    return table, table.num_rows - own.num_rows


def of_groups(lines: pa.Table, groups: pa.Array) -> pa.Table:
    """Return the lines of these carts."""
    return lines.filter(pc.is_in(lines[GROUP].cast(pa.binary()), groups.cast(pa.binary())))


def good_lines(kept: Path) -> pa.Table:
    """Return the lines in a file of a replay's folder that were sound."""
    return pq.read_table(kept, filters=pc.field(LOST).is_null())
