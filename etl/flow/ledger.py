"""The ledger: what all runs of a destination have sent, delivered or unknown (RULES §1, 2, 10).

A finished run's ids are written once, as Parquet files sorted by id, one for each month of its events; until then the
checkpoint's verdicts count. So an id is remembered when its verdict is in, and not before. An event's time is part of its
id, so a plan reads the months of its own events and those after them: a ledger of many years costs it nothing.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from etl.delivery.checkpoint import Checkpoint, RunRow, Segment, Seqs
from etl.errors import StateError
from etl.files import create_private, sync
from etl.flow.receipts import forget_receipts, is_whole, keep_receipts, receipts_of, sent_rows
from etl.flow.state import Place
from etl.outbox.elimination import SENT
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
    first = "" if since is None else _month(since.astimezone(UTC) - DAY)
    # Letters come after digits: `none` is always in.
    wanted = [s for s in checkpoint.segments() if s.run not in besides and s.month >= first]
    files = [place.ledger / segment.file for segment in whole(place, checkpoint, wanted)]
    for run in checkpoint.runs():
        if run.run not in besides and not run.merged and checkpoint.remembers(run.run):
            path = folder / f"sent-{run.name}.parquet"
            _write(path, place, run, _outbox_rows(place, run), checkpoint.remembered(run.run))
            files.append(path)
    return files


def whole(place: Place, checkpoint: Checkpoint, segments: Sequence[Segment]) -> Sequence[Segment]:
    """Return segments whose files are as they were written; one that is lost or damaged is made again from what its run keeps.

    Raises StateError where nothing of it is kept: nobody knows then what was sent.
    """
    broken = [segment for segment in segments if not _is_whole(place.ledger / segment.file, segment)]
    for segment in broken:
        _mend(place, checkpoint, segment)
    return segments


def _is_whole(path: Path, segment: Segment) -> bool:
    """Say whether a file holds, to the byte, what was written; each file is read once in a process."""
    try:
        stat = path.stat()
        if segment.digest is None:  # of an older version: its footer counts the rows
            return bool(pq.read_metadata(path).num_rows == segment.rows)
        proof = (str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns, segment.digest)
        if proof not in _proved:
            if stat.st_size != segment.bytes or _digest(path) != segment.digest:
                return False
            _proved.add(proof)
    except (OSError, pa.ArrowException):
        return False
    return True


#: Files whose bytes this process has found to be those that were written.
_proved: set[tuple[str, int, int, int, str]] = set()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _mend(place: Place, checkpoint: Checkpoint, segment: Segment) -> None:
    """Make a segment again from its run's receipts, or from its outbox; the same number of rows, or it is not mended."""
    run, path = checkpoint.run(segment.run), place.ledger / segment.file
    receipts = receipts_of(place, run.name)
    try:
        if is_whole(receipts):
            made = _write_segment(place, run, segment.month, sent_rows([receipts]))
        elif place.has_outbox(run.name):
            made = _write_segment(place, run, segment.month, _outbox_rows(place, run), checkpoint.remembered(run.run))
        else:
            made = None
    except (StateError, duckdb.Error, pa.ArrowException):
        made = None
    if made is None or made.rows != segment.rows:
        raise StateError(
            f"the ledger's file {path} is missing or damaged, and run {run.name} keeps nothing to make it again from",
            hint="put that file back from a backup of the state folder; without it events would be sent twice, so nothing is sent",
        )
    checkpoint.replace_segment(made)


def merge(place: Place, checkpoint: Checkpoint, run: RunRow) -> None:
    """Write receipts and segments of a finished run: by temp file, fsync and rename, so that it can be repeated after a crash.

    The names of the segments are on the disk before they are.
    """
    segments = []
    keep_receipts(place, checkpoint, run)
    if checkpoint.remembers(run.run):
        seqs = checkpoint.remembered(run.run)
        months = _months(place, run, seqs)
        checkpoint.announce(_file(month, run) for month in months)
        segments = [_write_segment(place, run, month, _outbox_rows(place, run), seqs) for month in months]
        sync(place.ledger)
    checkpoint.add_segments(run.run, segments)


def _file(month: str, run: RunRow) -> str:
    return f"{month}/{run.name}.parquet"


def _write_segment(place: Place, run: RunRow, month: str, source: str, seqs: Seqs | None = None) -> Segment:
    file = _file(month, run)
    path = place.ledger / file
    path.parent.mkdir(mode=0o700, exist_ok=True)
    part = path.with_suffix(".part")
    rows = _write(part, place, run, source, seqs, month)
    sync(part)
    segment = Segment(file, month, run.run, rows, part.stat().st_size, _digest(part))
    part.replace(path)
    sync(path.parent)
    return segment


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


def sweep(place: Place) -> None:
    """Remove what calls that were cut have left half written in the ledger's folder."""
    for path in place.ledger.glob("*/*.part"):
        path.unlink()
    for path in (*place.ledger.glob("spill"), *place.ledger.glob("*/spill")):
        shutil.rmtree(path)


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


def _months(place: Place, run: RunRow, seqs: Seqs) -> list[str]:
    """Return the months of these events of a run."""
    outbox = place.outbox(run.name)
    with connect(memory="500MB", folder=place.ledger, reads=[outbox.parent]) as sql:
        sql.register("wanted", pa.table({"seq": pa.array(seqs, pa.int64())}))
        found = sql.execute(
            f"SELECT DISTINCT {_MONTH} AS month FROM read_parquet({literal(str(outbox))}) SEMI JOIN wanted USING (seq) ORDER BY 1"
        ).fetchall()
    return [str(month) for (month,) in found]


def _outbox_rows(place: Place, run: RunRow) -> str:
    """SQL of the rows of a run's outbox."""
    return f"read_parquet({literal(str(place.outbox(run.name)))})"


def _write(path: Path, place: Place, run: RunRow, source: str, seqs: Seqs | None, month: str | None = None) -> int:
    """Write the SENT rows of a run (of one month), sorted by id, out of core; return how many.

    `source` is the SQL of its receipts, or of its outbox, of which only the events `seqs` count.
    """
    create_private(path)
    where = f"WHERE {_MONTH} = {literal(month)}" if month else ""
    with connect(memory="500MB", folder=path.parent, reads=[place.run(run.name)]) as sql:
        if seqs is not None:
            sql.register("wanted", pa.table({"seq": pa.array(seqs, pa.int64())}))
        wanted = "" if seqs is None else "SEMI JOIN wanted USING (seq)"
        return _write_sent(path, f"(SELECT * FROM {source} {where}) {wanted}", run.mapping, sql)


def _write_sent(path: Path, events: str, mapping: str, sql: duckdb.DuckDBPyConnection) -> int:
    rows = sql.sql(
        "SELECT id, twin, lane, instant, type = 'cartUpdated' AS cart, "
        f"{literal(mapping)} AS mapping FROM {events} ORDER BY id"
    )
    count = 0
    with pq.ParquetWriter(path, SENT, compression="zstd") as writer:
        for batch in rows.to_arrow_reader(100_000):
            writer.write_table(pa.Table.from_batches([batch]).cast(SENT))
            count += batch.num_rows
    shutil.rmtree(path.parent / "spill", ignore_errors=True)
    return count
