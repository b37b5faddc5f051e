"""How many requests may be in flight: all while things get through; one at a time, ever more slowly, else.

Without it an outage of an hour would use up the attempts of every event in the outbox.
"""

from __future__ import annotations

from etl.delivery.settings import Patience

_A_WHILE = 1.5  # seconds that a limit by the second may refuse everything: that is no outage
_SINCE = 3  # requests in vain that all left since then: with few keys, more would be the same events again and again


class Breaker:
    """Starts with one request alone (RULES §6); anything with a definite verdict lets all go.

    Times in seconds, the caller's.
    """

    def __init__(self, concurrency: int, patience: Patience) -> None:
        self._concurrency, self._patience = concurrency, patience
        self._enough = max(10, concurrency)
        self._failures = 0
        self._later = 0  # of these, those that left after the first had failed
        self._alone = True
        self._delay = patience.first
        self._next = 0.0
        self._failing_since: float | None = None
        self._ever = False
        self._through_at = 0.0

    @property
    def ever_through(self) -> bool:
        """True when anything has got through in this call."""
        return self._ever

    @property
    def failing_since(self) -> float | None:
        """Since when nothing gets through; None while things do."""
        return self._failing_since

    def slots(self, now: float) -> int:
        """Return how many requests may be in flight now."""
        if not self._alone:
            return self._concurrency
        return 1 if now >= self._next else 0

    @property
    def probing(self) -> bool:
        """True while one request at a time finds out whether anything gets through again."""
        return self._alone and self._failures > 0

    @property
    def next_try(self) -> float:
        """When the next request may leave, as far as the breaker goes."""
        return self._next if self._alone else 0.0

    @property
    def healthy(self) -> bool:
        """True while things get through."""
        return not self._alone and self._failing_since is None

    def through(self, now: float) -> None:
        """Note a definite verdict."""
        self._through_at = now
        self._ever = True
        self._alone = False
        self._failures = self._later = 0
        self._failing_since = None
        self._delay = self._patience.first
        self._next = 0.0

    def failed(self, now: float, started: float, *, slower: bool = False, repeat: bool = False) -> None:
        """Note a request without one, that started at `started`; `slower` where the server asks for a lower pace.

        The pause grows faster after a `repeat` of an unknown outcome: each may be a copy, and there are few of them.
        """
        self._failures += 1
        if self._failing_since is None:
            self._failing_since = now
        elif started >= self._failing_since:
            self._later += 1
        lasts = self._later >= _SINCE and now - self._failing_since >= _A_WHILE
        opens = not self._alone and (self._failures >= self._enough or lasts)
        if slower and now - self._through_at < _A_WHILE:
            opens = False
        if opens or (self._alone and started >= self._next):
            self._alone = True
            self._next = now + self._delay
            self._delay = min(self._delay * (4 if repeat else 2), self._patience.most)
