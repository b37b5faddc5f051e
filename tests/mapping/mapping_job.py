"""A small job over a table in memory, for the tests of the mapping."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from etl.job.models import Job
from etl.job.read import read_text
from etl.mapping.mapper import Mapped, Mapper
from etl.tables import PLACE

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)

HEAD = """
job: small
source: {path: in.csv}
contact: {externalCustomerId: user}
delivery: {api: sandbox}
"""


def job_of(text: str, head: str = HEAD) -> Job:
    """Read a job whose head is the same in most tests."""
    return read_text(head + text, Path("job.yaml"))


def batch_of(rows: Sequence[dict[str, Any]], schema: pa.Schema | None = None) -> pa.Table:
    """Make a batch as the source room gives it: text columns unless `schema` says otherwise."""
    if schema is None:
        names = list(dict.fromkeys(name for row in rows for name in row))
        schema = pa.schema([(name, pa.string()) for name in names])
    table = pa.Table.from_pylist(list(rows), schema=schema)
    count = table.num_rows
    place = [
        pa.array([0] * count, pa.int32()),
        pa.array(range(2, count + 2), pa.int64()),
        pa.nulls(count, pa.int32()),
        pa.array(range(count), pa.int64()),
    ]
    return pa.Table.from_arrays([*table.columns, *place], schema=pa.schema([*schema, *PLACE]))


def map_rows(job: Job, rows: Sequence[dict[str, Any]], schema: pa.Schema | None = None, **options: Any) -> Mapped:
    """Map rows by a job."""
    batch = batch_of(rows, schema)
    columns = pa.schema([f for f in batch.schema if f.name not in PLACE.names])
    return Mapper(job, columns, NOW, **options).map(batch)


def faults(mapped: Mapped, rule: int = 0) -> list[list[str]]:
    """The faults of each match of a rule."""
    table = next(found.table for found in mapped.by_rule if found.rule == rule)
    names = [name for name in table.column_names if name.startswith("fault:")]
    return [[name.removeprefix("fault:") for name in names if row[name]] for row in table.to_pylist()]


def values(mapped: Mapped, column: str, rule: int = 0) -> list[Any]:
    """A column of the matches of a rule."""
    table = next(found.table for found in mapped.by_rule if found.rule == rule)
    return table[column].to_pylist()


def failures(mapped: Mapped) -> list[tuple[int, int | None, str]]:
    """What failed before it had fields: (row, rule, reason)."""
    return [(row, one.rule, one.reason) for one in mapped.failed for row in one.places["_row"].to_pylist()]
