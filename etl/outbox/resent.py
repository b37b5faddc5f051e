"""An outbox of events that stand in another one: they go once more, exactly as they are."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from etl.files import create_private, sync
from etl.outbox.write import ROW_GROUP, Written
from etl.sql import connect, fetch, literal
from etl.tables import OUTBOX


def write_again(path: Path, outbox: Path, seqs: Sequence[int], folder: Path) -> Written:
    """Write the events of `outbox` with these `seqs` to `path`, in their order, numbered anew; `folder` is for spilling."""
    create_private(path)
    by_type: Counter[str] = Counter()
    count = 0
    with connect(memory="500MB", folder=folder, reads=[outbox.parent]) as sql:
        sql.register("wanted", pa.table({"seq": pa.array(seqs, pa.int64())}))
        source = f"read_parquet({literal(str(outbox))}) SEMI JOIN wanted USING (seq)"
        with pq.ParquetWriter(path, OUTBOX, compression="zstd", use_dictionary=["type"]) as writer:
            for batch in sql.sql(f"SELECT * FROM {source} ORDER BY seq").to_arrow_reader(100_000):
                table = pa.Table.from_batches([batch])
                numbers = pa.array(range(count, count + table.num_rows), pa.int64())
                table = table.set_column(table.schema.get_field_index("seq"), "seq", numbers)
                writer.write_table(table.select(OUTBOX.names).cast(OUTBOX), row_group_size=ROW_GROUP)
                by_type.update(table["type"].to_pylist())
                count += table.num_rows
        (span,) = fetch(
            sql, f"SELECT count(DISTINCT lane) AS keys, min(instant) AS first, max(instant) AS last FROM {source}"
        ).to_pylist()
    shutil.rmtree(folder / "spill", ignore_errors=True)
    sync(path)
    return Written(count, by_type, span["keys"], span["first"], span["last"])
