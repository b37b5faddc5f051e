"""Pending events of an outbox that may no longer go (RULES §2): sent meanwhile by another run, overtaken, or grown too old."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from etl.outbox.elimination import SENT
from etl.outbox.locators import with_locators
from etl.sql import fetch, literal

Seqs = npt.NDArray[np.int64]
#: Says of events (`key`, `contact.<locator>`) which may not go, by reason.
Judge = Callable[[pa.Table], Mapping[str, npt.NDArray[np.bool_]]]

_BATCH = 65_536


@dataclass(slots=True)
class Withdrawn:
    """The events (by seq) to withdraw, by reason; `stale` counts those too old while the job says that these stop the run."""

    seqs: dict[str, Seqs] = field(default_factory=dict)
    stale: int = 0
    oldest: datetime | None = None


def withdrawn(
    outbox: Path,
    settled: Seqs,
    sent: list[Path],
    connection: duckdb.DuckDBPyConnection,
    *,
    oldest: datetime | None,
    drop_stale: bool,
    drop_late_carts: bool,
    contacts: Judge | None = None,
    carts: Sequence[Path] | None = None,
) -> Withdrawn:
    """Check the events of `outbox` that are not `settled` against what other runs have `sent` (Parquet files of SENT rows).

    `contacts` says for whom nothing may go (any more), None where there is no such list; `oldest` is the earliest instant that may
    still go, None where any may. `carts` are the files by which an older cart is known, `sent` where None: what goes once more although it
    may have been sent is not in `sent`, and may still have been overtaken.
    """
    result = Withdrawn()
    connection.register("settled", pa.table({"seq": pa.array(settled, pa.int64())}))
    connection.register("empty_sent", SENT.empty_table())
    source = _tables(sent)
    connection.execute(
        "CREATE OR REPLACE TABLE pending AS SELECT seq, id, lane, type, instant "
        f"FROM read_parquet({literal(str(outbox))}) ANTI JOIN settled USING (seq)"
    )
    if contacts is not None:
        _take_contacts(connection, outbox, contacts, result)
    _take(connection, f"SELECT seq FROM pending SEMI JOIN {source} USING (id)", "sent_before", result)
    if drop_late_carts:
        known = source if carts is None else _tables(carts)
        newest = f"(SELECT lane, max(instant) AS newest FROM {known} WHERE cart GROUP BY lane)"
        late = f"SELECT seq FROM pending JOIN {newest} USING (lane) WHERE type = 'cartUpdated' AND instant < newest"
        _take(connection, late, "superseded", result)
    if oldest is not None:
        old = f"instant < TIMESTAMPTZ {literal(oldest.isoformat())}"
        if drop_stale:
            _take(connection, f"SELECT seq FROM pending WHERE {old}", "stale", result)
        else:
            (row,) = fetch(
                connection, f"SELECT count(*) AS n, min(instant) AS oldest FROM pending WHERE {old}"
            ).to_pylist()
            result.stale, result.oldest = row["n"], row["oldest"]
    return result


def _tables(files: Sequence[Path]) -> str:
    """SQL of the rows of SENT files."""
    return f"read_parquet([{', '.join(literal(str(path)) for path in files)}])" if files else "empty_sent"


def _take_contacts(connection: duckdb.DuckDBPyConnection, outbox: Path, judge: Judge, result: Withdrawn) -> None:
    """Withdraw the events whose locators, read back from their bodies, are those of contacts that may get none."""
    found: dict[str, list[Seqs]] = {}
    bodies = f"SELECT seq, key, body FROM read_parquet({literal(str(outbox))}) SEMI JOIN pending USING (seq)"
    for batch in connection.sql(with_locators(bodies, "seq")).to_arrow_reader(_BATCH):
        events = pa.Table.from_batches([batch])
        for reason, gone in judge(events).items():
            found.setdefault(reason, []).append(events["seq"].to_numpy()[gone])
    for reason, seqs in found.items():
        _withdraw(connection, np.sort(np.concatenate(seqs)), reason, result)


def _take(connection: duckdb.DuckDBPyConnection, seqs: str, reason: str, result: Withdrawn) -> None:
    found = np.sort(connection.execute(seqs).fetchnumpy()["seq"]).astype(np.int64)
    _withdraw(connection, found, reason, result)


def _withdraw(connection: duckdb.DuckDBPyConnection, found: Seqs, reason: str, result: Withdrawn) -> None:
    if len(found):
        result.seqs[reason] = found
        connection.register("gone", pa.table({"seq": pa.array(found)}))
        connection.execute("DELETE FROM pending WHERE seq IN (SELECT seq FROM gone)")
