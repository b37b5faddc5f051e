"""The kind of each column of times: one column holds one (RULES §5), and its first value in the input says which."""

from __future__ import annotations

from etl.mapping.batch_turns import BatchTurns


class TimeKinds(BatchTurns):
    """The kinds, settled by the batch that has the first value, whichever batch is mapped first."""

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[tuple[str, str | None], int] = {}

    def settle(self, column: tuple[str, str | None], batch: int, own: int) -> int:
        """Return the kind of a column (its expression and format): `own` unless an earlier batch says otherwise; waits for those."""
        with self._news:
            self._news.wait_for(lambda: column in self._kinds or self._below >= batch)
            found = self._kinds.setdefault(column, own)
            self._news.notify_all()
            return found
