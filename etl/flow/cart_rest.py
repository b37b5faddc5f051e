"""A mended line whose cart went out without it: the rest of that cart is read again, for a cart is never sent short (RULES §4)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from etl.delivery.checkpoint import RunRow
from etl.flow.beside import open_beside
from etl.flow.cart_lines import mapped_lines, of_groups, short_groups, with_rest
from etl.flow.export import opened
from etl.flow.inputs import JobInputs
from etl.flow.origin import read_origin
from etl.flow.state import Place
from etl.job.models import Job
from etl.outbox.staging import Staging
from etl.source.mended import MendedSource


def add_rest(
    job: Job,
    place: Place,
    root: RunRow,
    source: MendedSource,
    staging: Staging,
    outboxes: Sequence[Path],
    sql: duckdb.DuckDBPyConnection,
) -> int:
    """Add to the staged lines of a replay those that belong to their carts and were sent without them; return how many.

    `root` is the run that read the inputs. Raises InputError where these are needed, and gone or changed.
    """
    unsettled = source.unsettled()
    rules = [n for n, rule in enumerate(job.events) if rule.lines is not None and staging.has_lines(n)]
    if not unsettled.num_rows or not outboxes:
        return 0
    groups = {n: short_groups(staging.lines(n), n, unsettled, outboxes, sql) for n in rules}
    groups = {n: found for n, found in groups.items() if len(found)}
    if not groups:
        return 0
    read = read_origin(place.run(root.name))
    rest: dict[int, list[pa.Table]] = {n: [] for n in groups}
    with opened(job, place, root, read) as again:
        inputs = JobInputs(again, open_beside(job, root.day))
        for rule, lines in mapped_lines(job, root, read, inputs, groups):
            rest[rule].append(of_groups(lines, groups[rule]))
    added = 0
    quarantine = place.run(root.name) / "quarantine.parquet"
    for rule, tables in rest.items():
        if any(table.num_rows for table in tables):
            found, more = with_rest(staging.lines(rule), rule, pa.concat_tables(tables), quarantine, source.files, sql)
            staging.replace_lines(rule, found)
            added += more
    return added
