"""A person taken out of an outbox: the rows stay, so that each `seq` means what it meant, and what they say of the person goes.

Identity, lane and place stay (hashes and numbers: the ledger and the books need them); keyValue and body do not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from etl.files import create_private, sync
from etl.outbox.locators import with_locators
from etl.sql import literal

Seqs = npt.NDArray[np.int64]
#: Says of events (`key`, `contact.<locator>`) which are the person's.
Judge = Callable[[pa.Table], npt.NDArray[np.bool_]]

#: Says of bodies which hold an id of the person.
Mentioned = Callable[[pa.ChunkedArray], npt.NDArray[np.bool_]]

#: What stands in the place of a body that was taken away; valid JSON, since bodies are read as such.
NO_BODY = "{}"

_BATCH = 65_536


def events_of(outbox: Path, judge: Judge, mentioned: Mentioned, connection: duckdb.DuckDBPyConnection) -> Seqs:
    """Return, in order, the events of an outbox that are of the persons whom `judge` knows, or whose body holds one (`mentioned`)."""
    rows = f"SELECT seq, key, body FROM read_parquet({literal(str(outbox))}) WHERE body <> '{NO_BODY}'"
    found = [np.empty(0, np.int64)]
    for batch in connection.sql(with_locators(rows, "seq", "body")).to_arrow_reader(_BATCH):
        events = pa.Table.from_batches([batch])
        found.append(events["seq"].to_numpy()[judge(events) | mentioned(events["body"])])
    return np.sort(np.concatenate(found))


def with_bodies(outbox: Path, seqs: Sequence[int]) -> list[int]:
    """Return those of `seqs` (in order) whose events still have a body: only they can be sent again."""
    rows = pq.read_table(outbox, columns=["seq"], filters=[("body", "==", NO_BODY)])
    gone = frozenset(rows["seq"].to_pylist())
    return [seq for seq in seqs if seq not in gone]


def blank_events(outbox: Path, seqs: Seqs, folder: Path) -> None:
    """Take keyValue and body of these events out of an outbox: the file is replaced whole, and as long in rows as it was.

    What is under way lies in `folder`, on the same disk, which the caller clears.
    """

    def blanked(rows: pa.Table) -> pa.Table:
        theirs = pc.is_in(rows["seq"], pa.array(seqs))
        for name, instead in (("key", ""), ("body", NO_BODY)):
            at = rows.column_names.index(name)
            values = pc.if_else(theirs, pa.scalar(instead, pa.string()), rows[name])
            rows = rows.set_column(at, rows.schema.field(name), values)
        return rows

    rewrite(outbox, blanked, folder, dictionary=["type"])


def rewrite(
    file: Path, change: Callable[[pa.Table], pa.Table], folder: Path, *, dictionary: list[str] | bool = True
) -> None:
    """Write a Parquet file anew, row group by row group, each changed; it is replaced whole, when the new one is on the disk."""
    part = folder / file.name
    create_private(part)
    with (
        pq.ParquetFile(file) as old,
        pq.ParquetWriter(part, old.schema_arrow, compression="zstd", use_dictionary=dictionary) as new,
    ):
        for group in range(old.num_row_groups):
            rows = change(old.read_row_group(group))
            new.write_table(rows.cast(old.schema_arrow), row_group_size=max(1, rows.num_rows))
    sync(part)
    part.replace(file)
    sync(file.parent)
