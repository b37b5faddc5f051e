"""The ledger: what all runs of a destination have sent, delivered or unknown (RULES §1, 2, 10).

A finished run's ids are written once, as Parquet files sorted by id, one for each month of its events; until then the
checkpoint's verdicts count. So an id is remembered when its verdict is in, and not before. An event's time is part of its
id, so a plan reads the months of its own events and those after them: a ledger of many years costs it nothing.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from etl.delivery.checkpoint import Checkpoint, RunRow, Segment, Seqs
from etl.errors import StateError
from etl.flow.receipts import forget_receipts, keep_receipts
from etl.flow.state import Place
from etl.outbox.elimination import SENT
from etl.outbox.write import create_private, sync
from etl.sql import connect, literal

#: The month of events without a time: their id says nothing of when, so it is always read, and never forgotten.
UNTIMED = "none"

#: A contact's day may begin in the month before, by the clocks of another zone.
DAY = timedelta(days=1)


def sent_files(
    place: Place, checkpoint: Checkpoint, folder: Path, since: datetime | None, besides: frozenset[int] = frozenset()
) -> list[Path]:
    """Return the Parquet files (SENT) of what was sent, `besides` some runs.

    `since` is the earliest time that matters, None for all; older months are left out. What no segment holds yet is
    written to `folder` as `sent-*`.
    """
    # A contact's day may begin in the month before, by the clocks of another zone.
    first = "" if since is None else _month(since.astimezone(UTC) - DAY)
    segments = [segment for segment in whole(place, checkpoint) if segment.run not in besides]
    # Letters come after digits: `none` is always in.
    files = [place.ledger / segment.file for segment in segments if segment.month >= first]
    for run in checkpoint.runs():
        if run.run not in besides and not run.merged and checkpoint.remembers(run.run):
            path = folder / f"sent-{run.name}.parquet"
            _write(path, place, run, checkpoint.remembered(run.run))
            files.append(path)
    return files


def whole(place: Place, checkpoint: Checkpoint) -> list[Segment]:
    """Return the segments, each of which is there: a lost one is made again from its run's outbox.

    Raises StateError where that is gone as well: nobody knows then what was sent.
    """
    segments = checkpoint.segments()
    lost = {segment.run: segment for segment in segments if not _is_whole(place.ledger / segment.file, segment)}
    for number, segment in lost.items():
        run = checkpoint.run(number)
        if not place.has_outbox(run.name):
            raise StateError(
                f"the ledger's file {place.ledger / segment.file} is missing or damaged, and the outbox of its run is gone",
                hint="restore the state folder from a backup: without it events would be sent twice",
            )
        merge(place, checkpoint, run)
    return checkpoint.segments() if lost else segments


def _is_whole(path: Path, segment: Segment) -> bool:
    """Say whether a file is there and ends as it should: a footer that counts the rows it was written with."""
    try:
        return bool(pq.read_metadata(path).num_rows == segment.rows)
    except (OSError, pa.ArrowException):
        return False


def merge(place: Place, checkpoint: Checkpoint, run: RunRow) -> None:
    """Write receipts and segments of a finished run: by temp file, fsync and rename, so that it can be repeated after a crash."""
    segments = []
    keep_receipts(place, checkpoint, run)
    if checkpoint.remembers(run.run):
        months = _months(place, run, seqs := checkpoint.remembered(run.run))
        for month, rows in months.items():
            file = Path(month) / f"{run.name}.parquet"
            path = place.ledger / file
            path.parent.mkdir(mode=0o700, exist_ok=True)
            part = path.with_suffix(".part")
            _write(part, place, run, seqs, month)
            sync(part)
            part.replace(path)
            sync(path.parent)
            segments.append(Segment(str(file), month, run.run, rows))
        sync(place.ledger)
    checkpoint.add_segments(run.run, segments)


def prune(place: Place, checkpoint: Checkpoint, keep: timedelta, now: datetime) -> None:
    """Forget the months that ended longer than `keep` ago, of runs that did so too: what was sent of late stays known."""
    before, since = _month(now.astimezone(UTC) - keep), (now - keep).timestamp()
    ended = {run.run for run in checkpoint.runs() if run.ended is not None and run.ended < since}
    old = [s for s in checkpoint.segments() if s.month != UNTIMED and s.month < before and s.run in ended]
    if old:
        checkpoint.forget(old)
        for segment in old:
            (place.ledger / segment.file).unlink(missing_ok=True)
        kept = {segment.run for segment in checkpoint.segments()}
        for number in {segment.run for segment in old} - kept:
            forget_receipts(place, checkpoint.run(number).name)


def sweep(place: Place, checkpoint: Checkpoint) -> None:
    """Remove what calls that were cut have left in the ledger's folder: parts, and months that were forgotten."""
    known = {segment.file for segment in checkpoint.segments()}
    for path in place.ledger.glob("*/*"):
        if str(path.relative_to(place.ledger)) not in known:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def horizon(checkpoint: Checkpoint) -> datetime | None:
    """Return since when the ledger knows what was sent; None where it knows all."""
    month = checkpoint.horizon
    return datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC) if month else None


def write_planned(path: Path, outbox: Path, mapping: str) -> None:
    """Write the SENT rows of a whole outbox, as if all of it had been sent."""
    create_private(path)
    with connect(memory="500MB", folder=path.parent, reads=[outbox.parent]) as sql:
        _write_sent(path, f"read_parquet({literal(str(outbox))})", mapping, sql)


def _month(moment: datetime) -> str:
    return f"{moment:%Y-%m}"


_MONTH = f"coalesce(strftime(instant, '%Y-%m'), '{UNTIMED}')"


def _months(place: Place, run: RunRow, seqs: Seqs) -> dict[str, int]:
    """Return the months of these events of a run, with how many each has."""
    outbox = place.outbox(run.name)
    with connect(memory="500MB", folder=place.ledger, reads=[outbox.parent]) as sql:
        sql.register("wanted", pa.table({"seq": pa.array(seqs, pa.int64())}))
        found = sql.execute(
            f"SELECT {_MONTH} AS month, count(*) FROM read_parquet({literal(str(outbox))}) SEMI JOIN wanted USING (seq) "
            "GROUP BY 1 ORDER BY 1"
        ).fetchall()
    return {str(month): int(rows) for month, rows in found}


def _write(path: Path, place: Place, run: RunRow, seqs: Seqs, month: str | None = None) -> None:
    """Write the SENT rows of these events of a run (of one month), sorted by id, out of core."""
    create_private(path)
    outbox = place.outbox(run.name)
    where = f"WHERE {_MONTH} = {literal(month)}" if month else ""
    with connect(memory="500MB", folder=path.parent, reads=[outbox.parent]) as sql:
        sql.register("wanted", pa.table({"seq": pa.array(seqs, pa.int64())}))
        events = f"(SELECT * FROM read_parquet({literal(str(outbox))}) {where}) SEMI JOIN wanted USING (seq)"
        _write_sent(path, events, run.mapping, sql)


def _write_sent(path: Path, events: str, mapping: str, sql: duckdb.DuckDBPyConnection) -> None:
    rows = sql.sql(
        "SELECT id, twin, lane, instant, type = 'cartUpdated' AS cart, "
        f"{literal(mapping)} AS mapping FROM {events} ORDER BY id"
    )
    with pq.ParquetWriter(path, SENT, compression="zstd") as writer:
        for batch in rows.to_arrow_reader(100_000):
            writer.write_table(pa.Table.from_batches([batch]).cast(SENT))
    shutil.rmtree(path.parent / "spill", ignore_errors=True)
