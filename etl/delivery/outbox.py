"""The outbox as delivery reads it: places in a stream, bodies on demand, a few row groups in memory."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from etl.delivery.checkpoint import Seqs
from etl.errors import StateError

# Decoded row groups kept: the one that the stream is at, and those of events that stood back.
_KEPT = 8


#: An event as a method needs it: its body as planned, and its instant (µs since 1970, UTC) where it has one.
OutboxEvent = tuple[bytes, int | None]


@dataclass(frozen=True, slots=True)
class _Group:
    """A decoded row group: plain Python values, since each is asked for alone."""

    start: int
    end: int
    bodies: list[bytes]
    instants: list[int | None] | None


class Outbox:
    """One outbox file (OUTBOX columns, one row an event, by seq from 0), open for reading."""

    def __init__(self, path: Path, *, timed: bool = False) -> None:
        """Open the file; `timed` where instants are needed too. Raises StateError."""
        self._path = path
        try:
            self._file = pq.ParquetFile(path)
        except (OSError, pa.ArrowException) as error:
            raise self._damaged(error) from error
        self._columns = ["lane", "body", *(["instant"] if timed else [])]
        meta = self._file.metadata
        rows = [meta.row_group(i).num_rows for i in range(meta.num_row_groups)]
        self._starts: list[int] = [0, *accumulate(rows)]
        self._kept: OrderedDict[int, _Group] = OrderedDict()
        self._last: _Group | None = None

    def _damaged(self, error: Exception) -> StateError:
        return StateError(
            f"the outbox {self._path} cannot be read: {error}", hint="restore the state folder from a backup"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._starts[-1]

    def places(self, settled: Seqs) -> Iterator[tuple[int, int]]:
        """Give seq and lane of each event that is not in `settled` (sorted), in order."""
        for group in range(len(self._starts) - 1):
            start, end = self._starts[group], self._starts[group + 1]
            done = settled[np.searchsorted(settled, start) : np.searchsorted(settled, end)]
            if len(done) == end - start:
                continue  # on going on after an interruption, most groups need not be read
            lanes = self._read(group)
            seqs = np.arange(start, end, dtype=np.int64)
            if len(done):
                left = np.ones(end - start, dtype=bool)
                left[done - start] = False
                seqs, lanes = seqs[left], lanes[left]
            yield from zip(seqs.tolist(), lanes.tolist(), strict=True)

    def event(self, seq: int) -> OutboxEvent:
        """Return one event."""
        group = self._last
        if group is None or not group.start <= seq < group.end:
            number = bisect_right(self._starts, seq) - 1
            if number not in self._kept:
                self._read(number)
            self._kept.move_to_end(number)
            group = self._last = self._kept[number]
        row = seq - group.start
        return group.bodies[row], None if group.instants is None else group.instants[row]

    def _read(self, group: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        """Read a row group into memory; return its lanes."""
        try:
            table = self._file.read_row_group(group, columns=self._columns)
        except (OSError, pa.ArrowException) as error:
            raise self._damaged(error) from error
        bodies = table["body"].cast(pa.binary()).to_pylist()
        instants = table["instant"].cast(pa.int64()).to_pylist() if "instant" in self._columns else None
        self._kept[group] = _Group(self._starts[group], self._starts[group + 1], bodies, instants)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        lanes: np.ndarray[tuple[int], np.dtype[np.uint64]] = table["lane"].to_numpy()
        return lanes
