"""How far a call on many days is, and how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from etl.delivery.post import Progress as Posting


@dataclass(frozen=True, slots=True)
class DaysProgress:
    """At which day a call is, the `number`-th `of` so many, what it does there, and how it stands over all of them.

    `done` of `total` are rows or events of the day. `sent` are events that got their end in this call, `rate` those a second;
    `seconds_left` is about what the rest will take, as if the days to come had as many events as those so far; None while
    nothing can be said. `waiting` and `warning` are the delivery's.
    """

    day: date
    number: int
    of: int
    doing: str
    done: int
    total: int | None
    sent: int
    rate: float
    seconds_left: float | None
    waiting: str | None = None
    warning: str | None = None


class DaysWatch:
    """Takes what a day tells of itself, and tells of the whole."""

    def __init__(
        self, of: int, report: Callable[[DaysProgress], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._of, self._report, self._clock = of, report, clock
        self._since: float | None = None  # when the first day that had something to do began with it
        self._events = self._seen = 0  # events of the days that have ended, and how many days these are
        self._sent = 0
        self._number, self._day = 0, date.min
        self._begun_with: int | None = None  # events of this day that had their end before this call
        self._today = 0

    def begin(self, day: date) -> None:
        """The next day."""
        self._day, self._number = day, self._number + 1
        self._begun_with, self._today = None, 0

    @property
    def is_first(self) -> bool:
        """True until the second day."""
        return self._number <= 1

    def planning(self, doing: str, rows: int) -> None:
        """The day is being planned."""
        self._start()
        self._tell(doing, rows, None, 0)

    def posting(self, progress: Posting) -> None:
        """The day is being posted."""
        self._start()
        if self._begun_with is None:
            self._begun_with = progress.done
        self._today = progress.done - self._begun_with
        left = progress.total - progress.done
        self._tell("posting", progress.done, progress.total, left, progress.waiting, progress.warning)

    def ended(self, events: int) -> None:
        """The day has ended, with so many events."""
        self._events += events
        self._seen += 1
        self._sent += self._today
        self._today = 0

    def _start(self) -> None:
        if self._since is None:
            self._since = self._clock()

    def _tell(
        self,
        doing: str,
        done: int,
        total: int | None,
        left: int,
        waiting: str | None = None,
        warning: str | None = None,
    ) -> None:
        sent = self._sent + self._today
        seconds = self._clock() - (self._since or 0.0)
        rate = sent / seconds if seconds > 0 else 0.0
        events, days = self._events + (total or 0), self._seen + (total is not None)
        ahead = self._of - self._number + (total is None)  # days of which nothing is known yet
        seconds_left = (left + ahead * events / days) / rate if rate > 0 and days else None
        self._report(
            DaysProgress(
                self._day, self._number, self._of, doing, done, total, sent, rate, seconds_left, waiting, warning
            )
        )
