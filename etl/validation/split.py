"""A table in two: the good rows, and the bad ones with their reasons."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from etl.tables import FAULT
from etl.validation.verdict import Verdict

#: The column of the bad rows that lists why they are bad.
REASONS = "reasons"


def split(table: pa.Table, verdict: Verdict) -> tuple[pa.Table, pa.Table]:
    """Return the good rows and the bad ones, both without `fault:` columns; the bad ones with `reasons`."""
    kept = table.select([name for name in table.column_names if not name.startswith(FAULT)])
    bad = np.flatnonzero(~verdict.good)
    return (
        kept.filter(pa.array(verdict.good)),
        kept.take(pa.array(bad)).append_column(REASONS, reasons_of(verdict, bad)),
    )


def reasons_of(verdict: Verdict, rows: NDArray[np.intp]) -> pa.ListArray:
    """Return the reasons of each of `rows` (positions in the table), in the order in which the verdict names them."""
    names = list(verdict.reasons)
    holds = np.zeros((len(rows), len(names)), dtype=bool)
    for position, mask in enumerate(verdict.reasons.values()):
        holds[:, position] = mask[rows]
    ends = np.concatenate([[0], np.cumsum(holds.sum(axis=1))]).astype(np.int32)
    chosen = np.nonzero(holds)[1]
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(names, pa.string()).take(pa.array(chosen, pa.int64())))
