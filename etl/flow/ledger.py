"""The ledger: what all runs of a destination have sent, delivered or unknown (RULES §1, 2, 10).

A finished run's ids are written once, as a Parquet file sorted by id; until then the checkpoint's verdicts count. So an id is remembered
when its verdict is in, and not before.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from etl.delivery.checkpoint import Checkpoint, RunRow
from etl.flow.state import Place
from etl.outbox.elimination import SENT
from etl.outbox.write import create_private, sync

_COLUMNS = ["seq", "id", "twin", "lane", "instant", "type"]


def sent_files(place: Place, checkpoint: Checkpoint, folder: Path, besides: int | None = None) -> list[Path]:
    """Return the Parquet files (SENT) of all that was sent, `besides` one run.

    What no segment holds yet is written to `folder` as `sent-*`.
    """
    files = sorted(place.ledger.glob("*.parquet"))
    for run in checkpoint.runs():
        if not run.merged and run.run != besides and (seqs := checkpoint.remembered(run.run)).size:
            path = folder / f"sent-{run.name}.parquet"
            _write(path, place, run, seqs)
            files.append(path)
    return files


def merge(place: Place, checkpoint: Checkpoint, run: RunRow) -> None:
    """Write the segment of a finished run: by temp file, fsync and rename, so that it can be repeated after a crash."""
    seqs = checkpoint.remembered(run.run)
    if seqs.size:
        path = place.ledger / f"{run.name}.parquet"
        part = path.with_suffix(".part")
        _write(part, place, run, seqs)
        sync(part)
        part.replace(path)
    checkpoint.update_run(run.run, merged=1)


def _write(path: Path, place: Place, run: RunRow, seqs: np.ndarray) -> None:
    create_private(path)
    wanted = pa.array(seqs, pa.int64())
    found = []
    with pq.ParquetFile(place.run(run.name) / "outbox.parquet") as outbox:
        for batch in outbox.iter_batches(100_000, columns=_COLUMNS):
            table = pa.Table.from_batches([batch])
            found.append(table.filter(pc.is_in(table["seq"], wanted)))
    table = pa.concat_tables(found).sort_by("id")
    table = table.append_column("cart", pc.equal(table["type"], "cartUpdated"))
    table = table.append_column("mapping", pa.array([run.mapping] * table.num_rows, pa.string()))
    pq.write_table(table.select(SENT.names).cast(SENT), path, row_group_size=100_000, compression="zstd")
