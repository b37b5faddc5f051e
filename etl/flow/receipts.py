"""Receipts: what became of each event of a run, kept after its bodies are gone. One Parquet file in the run's folder, without contact data.

`runs/<run>/receipts.parquet` appears whole when a run is closed, before the ledger has its ids. Neither `keep` nor `purge` takes it
away; it goes when the ledger forgets the last month of its run. One row an event of the outbox, in the outbox's order:

    seq       place in the outbox, from 0
    id        the event's identity
    twin      hash of type, keyValue and moment, as the ledger has it
    lane      hash of keyValue, as the ledger has it
    type      the event type
    instant   its time, null in a job without time
    content   hash of type and mapped values, without keyValue and time
    file      index of its input in the list that `inputs.json` of the same folder holds
    row, element, item, rule   its place in that input, and the rule that took it
    verdict   delivered, unknown, rejected, withdrawn, or pending in a run that was abandoned
    status    the last HTTP status, null where there was none
    sent_at   when its last request got its verdict, null where none carried it
    tries     requests that carried it

Delivered and unknown events are those that the ledger remembers, so a ledger segment can be made again from here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from etl.delivery.checkpoint import Checkpoint, RunRow, State
from etl.files import create_private, sync
from etl.flow.state import Place
from etl.outbox.write import ROW_GROUP
from etl.sql import literal

NAME = "receipts.parquet"

RECEIPTS = pa.schema(
    [
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("id", pa.binary(16), nullable=False),
        pa.field("twin", pa.uint64(), nullable=False),
        pa.field("lane", pa.uint64(), nullable=False),
        pa.field("type", pa.string(), nullable=False),
        pa.field("instant", pa.timestamp("us", tz="UTC")),
        pa.field("content", pa.uint64(), nullable=False),
        pa.field("file", pa.int32(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("element", pa.int32()),
        pa.field("item", pa.int32()),
        pa.field("rule", pa.int16(), nullable=False),
        pa.field("verdict", pa.string(), nullable=False),
        pa.field("status", pa.int32()),
        pa.field("sent_at", pa.timestamp("us", tz="UTC")),
        pa.field("tries", pa.int32(), nullable=False),
    ]
)

#: The verdicts of events that the API has or may have.
SENT_VERDICTS = ("delivered", "unknown")

_OF_OUTBOX = ("seq", "id", "twin", "lane", "type", "instant", "content", "file", "row", "element", "item", "rule")
_NAMES = pa.array(["pending", "delivered", "unknown", "rejected", "withdrawn"])
_PENDING, _DELIVERED, _UNKNOWN, _REJECTED, _WITHDRAWN = range(5)
_CODES = {State.DELIVERED: _DELIVERED, State.REJECTED: _REJECTED, State.WITHDRAWN: _WITHDRAWN}


def receipts_of(place: Place, name: str) -> Path:
    """The file of a run's receipts."""
    return place.run(name) / NAME


def sent_rows(files: list[Path], columns: str = "*") -> str:
    """SQL of the rows of events that were sent (delivered or unknown), of receipts that are there."""
    listed = ", ".join(literal(str(path)) for path in files)
    verdicts = ", ".join(literal(verdict) for verdict in SENT_VERDICTS)
    return f"(SELECT {columns} FROM read_parquet([{listed}], filename = true) WHERE verdict IN ({verdicts}))"


def is_whole(path: Path) -> bool:
    """Say whether receipts are there and can be read, each page with its checksum."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for group in range(file.num_row_groups):
                file.read_row_group(group)
            return bool(file.schema_arrow.names == RECEIPTS.names)
    except (OSError, pa.ArrowException):
        return False


def keep_receipts(place: Place, checkpoint: Checkpoint, run: RunRow) -> None:
    """Write a run's receipts into its folder: whole, and on the disk, or not at all. Without an outbox there is nothing to write."""
    if place.has_outbox(run.name):
        write_receipts(receipts_of(place, run.name), place, checkpoint, run)


def write_receipts(path: Path, place: Place, checkpoint: Checkpoint, run: RunRow) -> None:
    """Write what has become of a run's events so far to `path`."""
    remembered = checkpoint.remembered(run.run)
    part = path.with_suffix(".part")
    create_private(part)
    with (
        pq.ParquetFile(place.outbox(run.name)) as outbox,
        pq.ParquetWriter(
            part, RECEIPTS, compression="zstd", use_dictionary=["type", "verdict"], write_page_checksum=True
        ) as writer,
    ):
        for batch in outbox.iter_batches(100_000, columns=list(_OF_OUTBOX)):
            events = pa.Table.from_batches([batch]).select(_OF_OUTBOX)
            if events.num_rows:
                table = _with_verdicts(events, checkpoint, run.run, remembered)
                writer.write_table(table, row_group_size=20 * ROW_GROUP)
    sync(part)
    part.replace(path)
    sync(path.parent)


def _with_verdicts(
    events: pa.Table, checkpoint: Checkpoint, run: int, remembered: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> pa.Table:
    """Add to a stretch of the outbox what the checkpoint says of each of its events."""
    seqs = events["seq"].to_numpy()
    first, upto, count = int(seqs[0]), int(seqs[-1]) + 1, len(seqs)
    verdict = np.full(count, _PENDING, np.int8)
    status, at, tries = np.zeros(count, np.int32), np.zeros(count), np.zeros(count, np.int32)
    found = checkpoint.stretch(run, first, upto)
    where = found.seq - first
    codes = np.full(max(State) + 1, _PENDING, np.int8)
    for state, code in _CODES.items():
        codes[state] = code
    verdict[where] = codes[found.state]
    # What the ledger remembers and no answer has told is unknown, in whichever state it stands.
    mine = remembered[np.searchsorted(remembered, first) : np.searchsorted(remembered, upto)] - first
    verdict[mine[verdict[mine] != _DELIVERED]] = _UNKNOWN
    status[where], tries[where], at[where] = found.status, found.sends, found.at
    carried = pa.array(tries > 0)
    sent_at = pa.array((at * 1e6).astype(np.int64)).cast(pa.timestamp("us", tz="UTC"))
    return (
        events.append_column("verdict", _NAMES.take(pa.array(verdict)))
        .append_column("status", pc.if_else(pa.array(status > 0), pa.array(status), pa.scalar(None, pa.int32())))
        .append_column("sent_at", pc.if_else(carried, sent_at, pa.scalar(None, sent_at.type)))
        .append_column("tries", pa.array(tries))
        .cast(RECEIPTS)
    )


def forget_receipts(place: Place, name: str) -> None:
    """Remove a run's receipts: the ledger has forgotten it."""
    receipts_of(place, name).unlink(missing_ok=True)
