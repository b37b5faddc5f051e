"""What batches that are mapped side by side know of those before them in the input."""

from __future__ import annotations

from threading import Condition


class BatchTurns:
    """Counts the batches that have ended, whichever is mapped first; a batch may wait for those before it.

    Batches are numbered from 0 in the order of the input; every one that is begun must be said to have `ended`.
    """

    def __init__(self) -> None:
        self._ended: set[int] = set()
        self._below = 0  # all batches below this number have ended
        self._news = Condition()

    def ended(self, batch: int) -> None:
        """Say that a batch has no more to say."""
        with self._news:
            self._ended.add(batch)
            while self._below in self._ended:
                self._ended.remove(self._below)
                self._below += 1
            self._news.notify_all()
