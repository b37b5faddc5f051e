"""Work on many things in several threads at once, with the results in the order of the things."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

Thing = TypeVar("Thing")
Result = TypeVar("Result")

#: More workers than this need more memory than they save time: reading is one thread's work.
_MOST = 4


def worker_count() -> int:
    """Return how many workers this process has processors for."""
    return max(1, min(_MOST, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


def side_by_side(workers: Sequence[Callable[[Thing], Result]], things: Iterable[Thing]) -> Iterator[Result]:
    """Yield what the workers make of the things, in order; each worker has one thing at a time, and one more waits.

    `things` are taken in the thread of the caller. What a worker raises is raised here, at its place.
    """
    if len(workers) == 1:
        yield from map(workers[0], things)
        return
    free: SimpleQueue[Callable[[Thing], Result]] = SimpleQueue()
    for worker in workers:
        free.put(worker)

    def work(thing: Thing) -> Result:
        worker = free.get()
        try:
            return worker(thing)
        finally:
            free.put(worker)

    running: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(len(workers), thread_name_prefix="prepare") as pool:
        try:
            for thing in things:
                running.append(pool.submit(work, thing))
                if len(running) > len(workers):
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()
