"""Several workers, one order: what comes out does not say who did it, nor when."""

import threading
import time
from collections.abc import Iterator

import pytest

from etl.flow.side_by_side import side_by_side


def slow(things: int) -> int:
    """Later things are done sooner."""
    time.sleep(0.002 * (7 - things % 7))
    return things * 10


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 23])
def test_results_come_in_the_order_of_the_things(workers: int, count: int) -> None:
    assert list(side_by_side([slow] * workers, range(count))) == [n * 10 for n in range(count)]


def test_a_worker_has_one_thing_at_a_time() -> None:
    busy: dict[int, int] = {0: 0, 1: 0}

    def worker(name: int) -> object:
        def work(_: int) -> int:
            busy[name] += 1
            time.sleep(0.001)
            most = busy[name]
            busy[name] -= 1
            return most

        return work

    assert set(side_by_side([worker(0), worker(1)], range(40))) == {1}  # type: ignore[list-item]


def test_two_work_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=10)
    assert sorted(side_by_side([lambda n: (both.wait() and n) or n] * 2, range(4))) == [0, 1, 2, 3]


def test_no_more_things_are_taken_than_are_worked_on_and_one() -> None:
    taken: list[int] = []

    def things() -> Iterator[int]:
        for n in range(100):
            taken.append(n)
            yield n

    results = side_by_side([slow, slow], things())
    next(results)
    assert len(taken) == 3
    results.close()  # type: ignore[attr-defined]
    assert len(taken) == 3


def test_what_a_worker_raises_comes_at_its_place() -> None:
    def work(n: int) -> int:
        if n == 3:
            raise ValueError("three")
        return n

    results = side_by_side([work, work], range(10))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
