"""The kind of each column of times: one column holds one (RULES §5), and its first value in the input says which."""

from __future__ import annotations

from threading import Condition


class TimeKinds:
    """The kinds, settled by the batch that has the first value, whichever batch is mapped first.

    Batches are numbered from 0 in the order of the input; every one that is begun must be said to have `ended`.
    """

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str | None], int] = {}
        self._ended: set[int] = set()
        self._below = 0  # all batches below this number have ended
        self._news = Condition()

    def settle(self, column: tuple[str, str | None], batch: int, own: int) -> int:
        """Return the kind of a column (its expression and format): `own` unless an earlier batch says otherwise; waits for those."""
        with self._news:
            self._news.wait_for(lambda: column in self._kinds or self._below >= batch)
            found = self._kinds.setdefault(column, own)
            self._news.notify_all()
            return found

    def ended(self, batch: int) -> None:
        """Say that a batch has no more to say."""
        with self._news:
            self._ended.add(batch)
            while self._below in self._ended:
                self._ended.remove(self._below)
                self._below += 1
            self._news.notify_all()
