"""The hour that occurs twice: which of its two passages a local time is of, as the order of its file tells.

When clocks go back, a local time within that hour names two instants. Read alone, it is the earlier one. A file whose times never
went back before shows the change itself: from the row on whose time steps back within that hour, its rows are of the later passage.
What a row becomes depends on the rows before it and never on those behind it, so a file that has grown gives the same instants again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from etl.mapping.batch_turns import BatchTurns

Numbers = NDArray[np.int64]
#: What makes a column of times: its expression, its format, its zone.
Column = tuple[str, str | None, str]

#: Longer than the hour, shorter than the time between two changes of the clock; in µs.
_NEAR = 24 * 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class Times:
    """Times of some matches of a batch, in µs; none is null. `later` differs from `earlier` where a local time occurs twice."""

    file: Numbers
    order: Numbers  # the place of the match in the input
    earlier: Numbers
    later: Numbers


@dataclass(frozen=True, slots=True)
class _Read:
    """What is known of a file after some of its rows."""

    is_sorted: bool = True  # no time went back so far
    last: int | None = None  # the last instant
    is_early: bool = False  # that was the earlier instant of a local time that occurs twice
    since: int | None = None  # the local hour whose later passage has begun, by its earlier instant

    def then(self, earlier: Numbers, later: Numbers) -> tuple[_Read, Numbers]:
        """Return what is known after further rows, and their instants."""
        twice = later != earlier
        placed = earlier.copy()
        if self.since is not None:
            again = twice & (np.abs(earlier - self.since) < _NEAR)
            placed[again] = later[again]
        early = twice & (placed == earlier)
        read, start = self, 0
        while read.is_sorted and (step := _step_back(placed, start, read.last)) is not None:
            before, was_early = (
                (read.last, read.is_early) if step == 0 else (int(placed[step - 1]), bool(early[step - 1]))
            )
            if not (early[step] and was_early and before is not None and before - placed[step] < _NEAR):
                read = replace(read, is_sorted=False)
                break
            read = replace(read, since=int(earlier[step]))
            again = twice & (np.abs(earlier - earlier[step]) < _NEAR)
            again[:step] = False
            placed[again] = later[again]
            early = twice & (placed == earlier)
            start = step
        return replace(read, last=int(placed[-1]), is_early=bool(early[-1])), placed


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Rows none of whose times occurs twice: all that the rows behind them need to know."""

    first: int
    last: int
    is_sorted: bool

    def after(self, read: _Read) -> _Read:
        went_on = read.last is None or self.first >= read.last
        return replace(read, is_sorted=read.is_sorted and self.is_sorted and went_on, last=self.last, is_early=False)


class Passages(BatchTurns):
    """Places the local times of an input that occur twice, batch by batch, whichever batch is mapped first."""

    def __init__(self) -> None:
        super().__init__()
        self._read: dict[tuple[Column, int], list[tuple[int, _Read | _Stretch]]] = {}

    def place(self, column: Column, batch: int, parts: Sequence[Times]) -> list[Numbers]:
        """Return the instants of each part. Waits for the batches before this one where a time occurs twice."""
        joined = Times(*(np.concatenate([getattr(p, name) for p in parts]) for name in Times.__slots__))
        placed = joined.earlier.copy()
        in_order = np.argsort(joined.order, kind="stable")
        for rows in _by_file(joined.file[in_order], in_order):
            earlier, later = joined.earlier[rows], joined.later[rows]
            key = (column, int(joined.file[rows[0]]))
            if (earlier == later).all():
                found: _Read | _Stretch = _Stretch(int(earlier[0]), int(earlier[-1]), _is_sorted(earlier))
            else:
                found, placed[rows] = self._before(key, batch).then(earlier, later)
            with self._news:
                self._read.setdefault(key, []).append((batch, found))
        return np.split(placed, np.cumsum([len(part.file) for part in parts])[:-1])

    def _before(self, key: tuple[Column, int], batch: int) -> _Read:
        """What is known of a file before a batch, and before what the batch itself has placed of it already."""
        with self._news:
            self._news.wait_for(lambda: self._below >= batch)
            known = sorted(
                (entry for entry in self._read.get(key, []) if entry[0] <= batch), key=lambda entry: entry[0]
            )
        read = _Read()
        for _, found in known:
            read = found.after(read) if isinstance(found, _Stretch) else found
        return read


def _by_file(files: Numbers, in_order: Numbers) -> Iterator[Numbers]:
    """Yield the rows of each file, in their order."""
    if len(files):
        yield from np.split(in_order, np.flatnonzero(np.diff(files)) + 1)


def _is_sorted(values: Numbers) -> bool:
    return bool((np.diff(values) >= 0).all())


def _step_back(values: Numbers, start: int, before: int | None) -> int | None:
    """Return where, from `start` on, a value is the first one that is less than the one before it."""
    if start == 0 and before is not None and values[0] < before:
        return 0
    steps = np.flatnonzero(np.diff(values[start:]) < 0)
    return start + int(steps[0]) + 1 if len(steps) else None
