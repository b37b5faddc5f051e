"""When the next request may leave (RULES §7): the rate, bulk pauses, and what the server asks for.

A token bucket as a schedule (GCRA): each request is due one interval after the one before; what comes late may be made
up for within a twentieth of a second. Two windows over the times at which requests really left make the promise exact
whatever threads and network do: no second holds more than the rate and one, no ten seconds more than the rate. Retries
draw from it like all others. Pure: the caller says what time it is, in seconds.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from math import ceil

from etl.delivery.settings import Bulk

_CATCH_UP = 0.05
_GLANCE = 0.02  # seconds until the next look, while requests wait for their connections
_ON_THE_WAY = 0.02  # seconds by which ten seconds of requests may move together on their way to the server
_COUNTED = 1e5  # requests a second from which on nobody counts
_STEP_AFTER = 5.0  # seconds without another refusal, after which a lowered rate rises by a step
_STEPS = 8  # of a step this part of the asked rate
_LOWEST = 64  # the rate never falls below this part of the asked one


@dataclass(slots=True, eq=False)
class Departure:
    """When a request left, noted by whoever sends it; None as long as it waits for its connection."""

    at: float | None = None


class Pace:
    """The pace of one call."""

    def __init__(self, rate: float, bulk: Bulk | None, now: float) -> None:
        self._asked = self._rate = rate
        self._bulk = bulk
        self._due = now
        self._resume = now
        self._told = now
        self._left_in_bulk = bulk.size if bulk else 0
        self._slowed_at = -1.0
        self._step_at = now
        # Between a request and the one `size` later at least `span` seconds: half a request of slack for the way out.
        second, ten = int(min(rate, _COUNTED)) + 1, ceil(10 * min(rate, _COUNTED))
        self._windows = [(second, 1 + 0.5 / rate), (ten, ten / rate + _ON_THE_WAY)] if rate < _COUNTED else []
        self._keep = max(second, ten)
        self._left: list[float] = []  # when requests left, in order
        self._leaving: list[Departure] = []  # let go, not left yet: they may leave at any moment

    @property
    def rate(self) -> float:
        """The present rate, requests a second: the asked one, or less after refusals."""
        return self._rate

    @property
    def paused_until(self) -> float:
        """The end of a pause that a bulk or the server asked for."""
        return self._resume

    @property
    def told_until(self) -> float:
        """The end of a pause that the server asked for."""
        return self._told

    @property
    def room(self) -> int | None:
        """How many events the next request may carry before a bulk is full; None without bulks."""
        return self._left_in_bulk if self._bulk else None

    def wait(self, now: float) -> float:
        """Return how many seconds until one more request may leave; 0 for now."""
        at = max(self._due, self._resume)
        self._look()
        waiting = len(self._leaving)
        for size, span in self._windows:
            if waiting >= size:
                at = max(at, now + _GLANCE)
            elif len(self._left) + waiting >= size:
                at = max(at, self._left[waiting - size] + span)
        return max(0.0, at - now)

    def stayed(self, departure: Departure) -> None:
        """Note that a request that was let go will never leave."""
        if departure in self._leaving:
            self._leaving.remove(departure)

    def _look(self) -> None:
        """See which of those let go have left."""
        if not self._leaving:
            return
        for departure in self._leaving:
            if departure.at is not None:
                insort(self._left, departure.at)
        self._leaving = [departure for departure in self._leaving if departure.at is None]
        if len(self._left) > 2 * self._keep:
            del self._left[: -self._keep]

    def take(self, now: float, events: int = 1) -> Departure:
        """Let a request with so many events go; say in what is returned when it really left."""
        departure = Departure()
        self._due = max(self._due, now - _CATCH_UP) + 1 / self._rate
        if self._windows:
            self._leaving.append(departure)
        if self._bulk:
            self._left_in_bulk -= events
            if self._left_in_bulk <= 0:
                self._left_in_bulk = self._bulk.size
                self.pause(now + self._bulk.pause)
        return departure

    def pause(self, until: float) -> None:
        """Let nothing go before `until`."""
        self._resume = max(self._resume, until)

    def refused(self, now: float, left_at: float, retry_after: float | None) -> None:
        """Heed a 429 or 503 of a request that left at `left_at`: pause as it says, or halve the rate.

        Once only: refusals of requests that left before the last one was heeded say nothing new.
        """
        if left_at < self._slowed_at:
            return
        self._slowed_at = now
        if retry_after is not None:
            self._told = max(self._told, now + retry_after)
            self.pause(self._told)
        else:
            self._rate = max(self._rate / 2, self._asked / _LOWEST)
            self._step_at = now + _STEP_AFTER

    def passed(self, now: float) -> None:
        """Note that a request got through: a lowered rate comes back by steps."""
        if self._rate < self._asked and now >= self._step_at:
            self._rate = min(self._asked, self._rate + self._asked / _STEPS)
            self._step_at = now + _STEP_AFTER
