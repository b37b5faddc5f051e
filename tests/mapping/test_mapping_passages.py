"""In the hour that occurs twice, the order of a file says which passage a row is of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from threading import Thread
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from etl.mapping.instants import localise
from etl.mapping.passages import Numbers, Passages, Times

KYIV = ZoneInfo("Europe/Kyiv")
COLUMN = ("time", None, "Europe/Kyiv")
#: Clocks in Kyiv go from 04:00 back to 03:00 at this instant.
BACK = datetime(2026, 10, 25, 1, tzinfo=UTC)


def local(*minutes: float) -> list[datetime]:
    """What clocks in Kyiv show so many minutes after they went back (before, where negative)."""
    return [(BACK + timedelta(minutes=m)).astimezone(KYIV).replace(tzinfo=None) for m in minutes]


def times_of(clocks: list[datetime], first: int = 0, file: int = 0) -> Times:
    earlier, later, _ = localise(pa.array(clocks, pa.timestamp("us")), "Europe/Kyiv")
    as_numbers = [part.cast(pa.int64()).to_numpy() for part in (earlier, later)]
    order = np.arange(first, first + len(clocks), dtype=np.int64)
    return Times(np.full(len(clocks), file, dtype=np.int64), order, *as_numbers)


def minutes(placed: Numbers) -> list[float]:
    return [(int(one) / 1e6 - BACK.timestamp()) / 60 for one in placed]


def place(*batches: list[datetime]) -> list[float]:
    passages, found, first = Passages(), [], 0
    for number, batch in enumerate(batches):
        (placed,) = passages.place(COLUMN, number, [times_of(batch, first)])
        passages.ended(number)
        found += minutes(placed)
        first += len(batch)
    return found


def test_rows_behind_a_step_back_within_the_hour_are_of_the_later_passage() -> None:
    assert place(local(-120, -50, -10, 5, 40, 70)) == [-120, -50, -10, 5, 40, 70]


def test_without_a_step_back_the_earlier_instant_is_taken() -> None:
    assert place(local(-90, 5, 40, 70)) == [-90, -55, -20, 70]


def test_a_file_whose_times_went_back_before_says_nothing_about_the_hour() -> None:
    assert place(local(-120, -130, -10, 5, 40)) == [-120, -130, -10, -55, -20]


def test_each_file_is_read_by_itself() -> None:
    passages = Passages()
    files = [times_of(local(-120, -130, -10, 5), file=0), times_of(local(-120, -10, 5), first=4, file=1)]
    placed = passages.place(COLUMN, 0, files)
    assert [minutes(one) for one in placed] == [[-120, -130, -10, -55], [-120, -10, 5]]


def test_the_rows_of_several_rules_are_read_in_the_order_of_the_file() -> None:
    clocks = local(-10, 5, 20, 30)
    whole = times_of(clocks)
    first, second = (Times(*(getattr(whole, n)[at] for n in Times.__slots__)) for at in ([0, 2], [1, 3]))
    placed = Passages().place(COLUMN, 0, [first, second])
    assert [minutes(one) for one in placed] == [[-10, 20], [5, 30]]


RISING = st.lists(st.integers(-200, 200), min_size=1, max_size=30).map(sorted)


def split(rows: list[datetime], cuts: list[int]) -> list[list[datetime]]:
    at = sorted({0, len(rows), *(cut % (len(rows) + 1) for cut in cuts)})
    return [rows[a:b] for a, b in pairwise(at)]


@given(RISING, st.lists(st.integers(0, 40), max_size=4))
def test_batches_give_what_the_whole_file_gives_and_order_is_never_turned_round(
    true: list[int], cuts: list[int]
) -> None:
    clocks = local(*true)
    whole = place(clocks)
    assert place(*split(clocks, cuts)) == whole
    assert whole == sorted(whole)
    assert all(found in (m, m - 60) for found, m in zip(whole, true, strict=True))


@given(st.lists(st.integers(-200, 200), min_size=2, max_size=30), st.integers(1, 29))
def test_a_file_that_has_grown_gives_the_same_instants_for_the_rows_it_had(true: list[int], size: int) -> None:
    clocks = local(*true)
    assert place(clocks)[:size] == place(clocks[:size])


def test_batches_that_are_mapped_side_by_side_give_the_same() -> None:
    true = [-30 + n for n in range(60)]
    parts = split(local(*true), [7, 20, 33, 41])
    passages, found = Passages(), {}
    firsts = np.cumsum([0, *(len(part) for part in parts)])

    def work(number: int) -> None:
        (placed,) = passages.place(COLUMN, number, [times_of(parts[number], int(firsts[number]))])
        found[number] = minutes(placed)
        passages.ended(number)

    threads = [Thread(target=work, args=(number,)) for number in reversed(range(len(parts)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [m for number in range(len(parts)) for m in found[number]] == true
