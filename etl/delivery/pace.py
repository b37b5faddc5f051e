"""When the next request may leave (RULES §7): the rate, bulk pauses, and what the server asks for.

A token bucket as a schedule (GCRA): each request is due one interval after the one before; what comes late may be made
up for within a twentieth of a second. Two windows over the times at which requests really left make the promise exact
whatever threads and network do: no second holds more than the rate and one, no ten seconds more than the rate. Retries
draw from it like all others. Pure: the caller says what time it is, in seconds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import ceil

from etl.delivery.settings import Bulk

_CATCH_UP = 0.05
_COUNTED = 1e5  # requests a second from which on nobody counts
_STEP_AFTER = 5.0  # seconds without another refusal, after which a lowered rate rises by a step
_STEPS = 8  # of a step this part of the asked rate
_LOWEST = 64  # the rate never falls below this part of the asked one


@dataclass(slots=True)
class Departure:
    """When a request left: first when it was let go, then, noted by whoever sends it, when it really did."""

    at: float = 0.0


class Pace:
    """The pace of one call."""

    def __init__(self, rate: float, bulk: Bulk | None, now: float) -> None:
        self._asked = self._rate = rate
        self._bulk = bulk
        self._due = now
        self._resume = now
        self._left_in_bulk = bulk.size if bulk else 0
        self._slowed_at = -1.0
        self._step_at = now
        # Between a request and the one `size` later at least `span` seconds: half a request of slack for the way out.
        second, ten = int(min(rate, _COUNTED)) + 1, ceil(10 * min(rate, _COUNTED))
        self._windows = [(second, 1 + 0.5 / rate), (ten, ten / rate)] if rate < _COUNTED else []
        self._left: deque[Departure] = deque(maxlen=max(second, ten))

    @property
    def rate(self) -> float:
        """The present rate, requests a second: the asked one, or less after refusals."""
        return self._rate

    @property
    def paused_until(self) -> float:
        """The end of a pause that a bulk or the server asked for."""
        return self._resume

    @property
    def room(self) -> int | None:
        """How many events the next request may carry before a bulk is full; None without bulks."""
        return self._left_in_bulk if self._bulk else None

    def wait(self, now: float) -> float:
        """Return how many seconds until one more request may leave; 0 for now."""
        at = max(self._due, self._resume)
        for size, span in self._windows:
            if len(self._left) >= size:
                at = max(at, self._left[-size].at + span)
        return max(0.0, at - now)

    def take(self, now: float, events: int = 1) -> Departure:
        """Let a request with so many events go; say in what is returned when it really left."""
        departure = Departure(now)
        self._due = max(self._due, now - _CATCH_UP) + 1 / self._rate
        if self._windows:
            self._left.append(departure)
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
            self.pause(now + retry_after)
        else:
            self._rate = max(self._rate / 2, self._asked / _LOWEST)
            self._step_at = now + _STEP_AFTER

    def passed(self, now: float) -> None:
        """Note that a request got through: a lowered rate comes back by steps."""
        if self._rate < self._asked and now >= self._step_at:
            self._rate = min(self._asked, self._rate + self._asked / _STEPS)
            self._step_at = now + _STEP_AFTER
