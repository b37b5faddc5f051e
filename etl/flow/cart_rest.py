"""A mended line whose cart went out without it: the rest of that cart is read again, for a cart is never sent short (RULES §4)."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from etl.delivery.checkpoint import RunRow
from etl.flow.beside import open_beside
from etl.flow.cart_lines import good_lines, mapped_lines, not_refused, of_groups, open_groups, with_rest
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
    replays: Sequence[RunRow],
    source: MendedSource,
    staging: Staging,
    sql: duckdb.DuckDBPyConnection,
) -> int:
    """Add to the staged lines of a replay those that belong to their carts and are not among its rows; return how many.

    `root` is the run that read the inputs, `replays` are those of its rejects before this one, the newest first. Raises InputError where
    the inputs are needed, and gone or changed.
    """
    unsettled = source.unsettled()
    rules = [n for n, rule in enumerate(job.events) if rule.lines is not None and staging.has_lines(n)]
    if not unsettled.num_rows:
        return 0
    groups = {n: open_groups(staging.lines(n), unsettled, sql) for n in rules}
    groups = {n: found for n, found in groups.items() if len(found)}
    if not groups:
        return 0
    place.require_contact_data(root.name)
    read = read_origin(place.run(root.name))
    rest: dict[int, list[pa.Table]] = {n: [] for n in groups}
    with opened(job, place, root, read) as again:
        inputs = JobInputs(again, open_beside(job, root.day))
        for rule, lines in mapped_lines(job, root, read, inputs, groups):
            rest[rule].append(of_groups(lines, groups[rule]))
    added = 0
    quarantine = place.run(root.name) / "quarantine.parquet"
    for rule, tables in rest.items():
        kept = [Staging(place.run(run.name)).lines(rule) for run in replays]
        rests = [of_groups(good_lines(path), groups[rule]) for path in kept if path.exists()]
        if tables:
            rests.append(not_refused(pa.concat_tables(tables), rule, quarantine, source.files, sql))
        found, more = with_rest(staging.lines(rule), rests, sql)
        if more:
            staging.replace_lines(rule, found)
            added += more
    return added
