"""One column holds one kind of time, and the first value in the input says which, whoever reads it first (RULES §5)."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

from etl.mapping.instants import MILLIS, SECONDS
from etl.mapping.time_kinds import TimeKinds

COLUMN = ("t", None)


def test_a_later_batch_waits_for_what_an_earlier_one_says() -> None:
    kinds = TimeKinds()
    asked = Event()
    with ThreadPoolExecutor(1) as pool:

        def later() -> int:
            asked.set()
            return kinds.settle(COLUMN, 1, MILLIS)

        found = pool.submit(later)
        asked.wait()
        assert kinds.settle(COLUMN, 0, SECONDS) == SECONDS
        assert found.result(timeout=10) == SECONDS


def test_an_earlier_batch_that_ends_without_a_word_leaves_it_to_the_next() -> None:
    kinds = TimeKinds()
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(kinds.settle, COLUMN, 2, MILLIS)
        kinds.ended(1)
        assert not found.done()
        kinds.ended(0)
        assert found.result(timeout=10) == MILLIS


def test_each_column_has_its_own_kind() -> None:
    kinds = TimeKinds()
    assert kinds.settle(COLUMN, 0, SECONDS) == SECONDS
    assert kinds.settle(("other", None), 0, MILLIS) == MILLIS
