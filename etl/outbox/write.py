"""The outbox itself: the events that go out, in their order, with their exact bodies."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from etl.files import create_private, sync
from etl.sql import fetch, literal
from etl.tables import OUTBOX

#: Small row groups: delivery reads a body again by its row group.
ROW_GROUP = 5_000


@dataclass(frozen=True, slots=True)
class Written:
    """What stands in an outbox."""

    events: int
    by_type: Counter[str]
    keys: int
    first: datetime | None
    last: datetime | None


def write_outbox(path: Path, staged: Path, types: tuple[str, ...], connection: duckdb.DuckDBPyConnection) -> Written:
    """Write the events whose numbers stand in the table `alive` to `path`, by time, then place, then rule (RULES §5).

    The file appears whole or not at all, and its owner alone can read it.
    """
    statement = (
        "SELECT s.* FROM read_parquet("
        f"{literal(str(staged))}, file_row_number = true) s SEMI JOIN alive a ON s.file_row_number = a.n "
        "ORDER BY instant NULLS FIRST, ordinal, item NULLS FIRST, rule"
    )
    names = pa.array(types, pa.string())
    rules: Counter[int] = Counter()
    count = 0
    part = path.with_suffix(".part")
    create_private(part)
    with (
        pq.ParquetWriter(part, OUTBOX, compression="zstd", use_dictionary=["type"]) as writer,
        # Compressing one stretch and sorting out the next are done at the same time.
        ThreadPoolExecutor(1) as pool,
    ):
        written: Future[None] | None = None
        for batch in connection.sql(statement).to_arrow_reader(100_000):
            table = pa.Table.from_batches([batch])
            numbers = pa.array(np.arange(count, count + table.num_rows))
            table = table.append_column("seq", numbers).append_column(
                "type", names.take(table["rule"].combine_chunks())
            )
            if written is not None:
                written.result()
            written = pool.submit(writer.write_table, table.select(OUTBOX.names).cast(OUTBOX), row_group_size=ROW_GROUP)
            for found in pc.value_counts(table["rule"]).to_pylist():
                rules[found["values"]] += found["counts"]
            count += table.num_rows
        if written is not None:
            written.result()
    sync(part)
    part.replace(path)
    (span,) = fetch(
        connection, "SELECT count(DISTINCT lane) AS keys, min(instant) AS first, max(instant) AS last FROM alive"
    ).to_pylist()
    by_type: Counter[str] = Counter()
    for rule, number in rules.items():
        by_type[types[rule]] += number
    return Written(count, by_type, span["keys"], span["first"], span["last"])
