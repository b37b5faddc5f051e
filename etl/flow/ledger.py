"""The ledger: what all runs of a destination have sent, delivered or unknown (RULES §1, 2, 10).

A finished run's ids are written once, as a Parquet file sorted by id; until then the checkpoint's verdicts count. So an id is remembered
when its verdict is in, and not before.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from etl.delivery.checkpoint import Checkpoint, RunRow, Seqs
from etl.errors import StateError
from etl.flow.state import Place
from etl.outbox.elimination import SENT
from etl.outbox.write import create_private, sync
from etl.sql import connect, literal


def sent_files(place: Place, checkpoint: Checkpoint, folder: Path, besides: int | None = None) -> list[Path]:
    """Return the Parquet files (SENT) of all that was sent, `besides` one run.

    What no segment holds yet is written to `folder` as `sent-*`.
    """
    files = []
    for run in checkpoint.runs():
        if run.run == besides or not checkpoint.remembers(run.run):
            continue
        path = _segment(place, run)
        if not run.merged:
            path = folder / f"sent-{run.name}.parquet"
            _write(path, place, run, checkpoint.remembered(run.run))
        elif not path.exists():
            _restore(place, checkpoint, run)
        files.append(path)
    return files


def _restore(place: Place, checkpoint: Checkpoint, run: RunRow) -> None:
    """Make a lost segment again from checkpoint and outbox; raise StateError where that cannot be: nobody knows then what was sent."""
    if not (place.run(run.name) / "outbox.parquet").exists():
        raise StateError(
            f"the ledger's segment {_segment(place, run)} is missing, and so is the outbox of its run",
            hint="restore the state folder from a backup: without it events would be sent twice",
        )
    merge(place, checkpoint, run)


def _segment(place: Place, run: RunRow) -> Path:
    return place.ledger / f"{run.name}.parquet"


def merge(place: Place, checkpoint: Checkpoint, run: RunRow) -> None:
    """Write the segment of a finished run: by temp file, fsync and rename, so that it can be repeated after a crash."""
    if checkpoint.remembers(run.run):
        path = _segment(place, run)
        part = path.with_suffix(".part")
        _write(part, place, run, checkpoint.remembered(run.run))
        sync(part)
        part.replace(path)
        sync(path.parent)
    checkpoint.update_run(run.run, merged=1)


def _write(path: Path, place: Place, run: RunRow, seqs: Seqs) -> None:
    """Write the SENT rows of these events of a run, sorted by id, out of core."""
    create_private(path)
    outbox = place.run(run.name) / "outbox.parquet"
    with connect(memory="500MB", folder=path.parent, reads=[outbox.parent]) as sql:
        sql.register("wanted", pa.table({"seq": pa.array(seqs, pa.int64())}))
        rows = sql.sql(
            "SELECT id, twin, lane, instant, type = 'cartUpdated' AS cart, "
            f"{literal(run.mapping)} AS mapping FROM read_parquet({literal(str(outbox))}) SEMI JOIN wanted USING (seq) ORDER BY id"
        )
        with pq.ParquetWriter(path, SENT, compression="zstd") as writer:
            for batch in rows.to_arrow_reader(100_000):
                writer.write_table(pa.Table.from_batches([batch]).cast(SENT))
    shutil.rmtree(path.parent / "spill", ignore_errors=True)
