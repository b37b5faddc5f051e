"""When the next request may leave: the asked rate, less where the server refuses many, and pauses.

The rate is a token bucket as a schedule (GCRA): each request is due one interval after the one before; what comes late
may be made up for within a twentieth of a second. Two windows over the times at which requests really left make the
promise exact whatever threads and network do: no second holds more than the rate and one, no ten seconds more than the
rate. Retries draw from it like all others. All of it is pure: the caller says what time it is, in seconds.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from dataclasses import dataclass
from math import ceil, sqrt

from etl.delivery.settings import Bulk

_CATCH_UP = 0.05
_GLANCE = 0.02  # seconds until the next look, while requests wait for their connections
_ON_THE_WAY = 0.02  # seconds by which ten seconds of requests may move together on their way to the server
_COUNTED = 1e5  # requests a second: a rate above it needs no counting

_FEW = 0.04  # a share of refusals that changes nothing
_NOISE = 0.015  # a share of refusals that says nothing
_MANY = 0.2  # a share of refusals at which a Retry-After is for everything
_ENOUGH = 100  # answers from which on a share says something
_SOME = 30  # answers from which on a large share says something
_SLICE = 0.1  # seconds
_SHORTEST_SPAN, _LONGEST_SPAN = 1.0, 10.0  # seconds
_IN_A_ROW = 10  # refusals one after the other, with nothing between: the server takes nothing for the moment
_MOMENT = 0.1  # seconds that this lasts at least
_TRICKLE = 8  # the part of the rate that goes out then
_RISE, _STEEPEST = 0.02, 0.1  # of the rate: after a first quiet span, and at most
_CREEP = 0.01  # of the rate, after a span with few refusals
_LOWEST = 0.5  # requests a second


@dataclass(slots=True, eq=False)
class Departure:
    """When a request left, noted by whoever sends it; None as long as it waits for its connection."""

    at: float | None = None


@dataclass(frozen=True, slots=True)
class _Share:
    """The answers of the last span: how many passed, how many were refusals, and how many seconds these are."""

    passed: int
    refused: int
    seconds: float

    @property
    def count(self) -> int:
        return self.passed + self.refused

    @property
    def refusals(self) -> float:
        """The share of refusals."""
        return self.refused / self.count if self.count else 0.0

    def exceeds(self, share: float) -> bool:
        """Return whether more were refused than chance would have it where `share` is the rule."""
        usual = share * self.count
        return self.refused > max(1, usual + 2 * sqrt(usual))


class _Recent:
    """The answers of the last seconds, counted by slices of a tenth."""

    def __init__(self) -> None:
        self._counts: deque[list[int]] = deque()  # number of the slice, passed, refused

    def add(self, now: float, *, refused: bool) -> None:
        number = int(now / _SLICE)
        if not self._counts or self._counts[-1][0] < number:
            self._counts.append([number, 0, 0])
            while self._counts[0][0] <= number - _LONGEST_SPAN / _SLICE:
                self._counts.popleft()
        self._counts[-1][2 if refused else 1] += 1

    def share(self, now: float, since: float) -> _Share:
        """Return the answers since then."""
        first, passed, refused = int(since / _SLICE), 0, 0
        for number, well, badly in reversed(self._counts):
            if number < first:
                break
            passed, refused = passed + well, refused + badly
        return _Share(passed, refused, now - first * _SLICE)


@dataclass(frozen=True, slots=True)
class _Lowering:
    """A lowering whose effect is to be seen: when it was, from which rate, at which share of refusals."""

    at: float
    rate: float
    share: float


class Steering:
    """The rate that the server bears: the asked one while it refuses a few in a hundred, else about what gets through.

    Latency says nothing here. The share of refusals is that of a span: a second, or as long as a hundred requests take.
    Where it is more than a few in a hundred, the rate falls to what got through in that span; where a lower rate meets
    as many refusals as the higher one did, they have nothing to do with the rate, and it comes back. Each quiet second
    raises it, by more than the one before. While the server refuses everything, a trickle finds out when that ends.
    """

    def __init__(self, asked: float, now: float) -> None:
        self._asked = self._rate = asked
        self._recent = _Recent()
        self._since = now  # since when the rate is measured: its first answer, or the first after a pause
        self._passed = 0  # since then
        self._passed_at = now  # when an answer passed last
        self._measures = False
        self._look_at = now
        self._rise = _RISE
        self._in_a_row = 0
        self._lowering: _Lowering | None = None
        self._borne = asked  # the rate to which it was lowered last
        self._whatever = 0.0  # the share of refusals that comes whatever the rate is

    @property
    def rate(self) -> float:
        """Requests a second that may leave now."""
        return max(self._rate / _TRICKLE, min(_LOWEST, self._rate)) if self.stuck else self._rate

    @property
    def stuck(self) -> bool:
        """True while the server takes nothing."""
        return self._in_a_row >= max(_IN_A_ROW, min(self._rate, _COUNTED) * _MOMENT)

    @property
    def _span(self) -> float:
        return min(max(_SHORTEST_SPAN, _ENOUGH / self._rate), _LONGEST_SPAN)

    def _share(self, now: float) -> _Share:
        return self._recent.share(now, max(self._since, now - self._span))

    def many(self, now: float) -> bool:
        """Return whether refusals are more than a few: then a Retry-After is for everything."""
        return self.stuck or self._share(now).exceeds(_MANY)

    def told(self, now: float, until: float) -> None:
        """Note that the server asks for a pause of everything: it bears about what it has let through so far.

        Where nothing has passed since the last pause, it is away, which says nothing of the rate.
        """
        if self._passed:
            self._lower(now, max(self._borne_so_far(now), self._rate / _TRICKLE))
        self._lowering = None
        self.paused(until)

    def paused(self, until: float) -> None:
        """Note that nothing leaves before `until`: such a time says nothing of the rate."""
        if until > self._since:
            self._since, self._passed, self._measures = until, 0, False
            self._look_at = max(self._look_at, until + _SHORTEST_SPAN)
            self._in_a_row = 0

    def answered(self, now: float, *, refused: bool) -> None:
        """Note an answer."""
        self._recent.add(now, refused=refused)
        if not refused and self.stuck and now - self._passed_at > _SHORTEST_SPAN:
            self._measures = False  # it was away: that says nothing of the rate
        self._in_a_row = self._in_a_row + 1 if refused else 0
        if not refused:
            self._passed_at = now
        if not self._measures and now >= self._since:
            self._since, self._passed, self._measures = now, 0, True
        self._passed += not refused
        if now - self._since < _SHORTEST_SPAN:
            if refused and self._lowering is None and not self._none_passes:
                self._steer_early(now)
        elif refused or self._rate < self._asked:
            self._steer(now)

    def _borne_so_far(self, now: float) -> float:
        """Return the rate that the server bears by what passed, which may have taken less than a second.

        Where none passes at present, the rest of the second brings nothing more; else as many in a hundred as so far.
        """
        passed = self._passed / max(_SHORTEST_SPAN, now - self._since)
        return passed if self._none_passes else max(passed, self._rate * (1 - self._share(now).refusals))

    @property
    def _none_passes(self) -> bool:
        return self._in_a_row >= _IN_A_ROW

    def _steer_early(self, now: float) -> None:
        """Lower the rate before the first second is over where it is far above what the server bears."""
        share = self._share(now)
        if share.count >= _SOME and share.exceeds(_MANY):
            self._lowering = _Lowering(now, self._rate, share.refusals)
            self._lower(now, self._borne_so_far(now))

    def _steer(self, now: float) -> None:
        share, lowering = self._share(now), self._lowering
        settled = lowering is None or now >= lowering.at + 2 * self._span
        if lowering is not None and settled:
            self._judge(lowering, share.refusals, now)
        elif not self.stuck and share.exceeds(self._bearable):
            self._lowering = _Lowering(now, lowering.rate if lowering else self._rate, share.refusals)
            self._lower(now, share.passed / share.seconds)
        elif settled and now >= self._look_at and not self.stuck:
            self._raise(now, share.refusals)

    @property
    def _bearable(self) -> float:
        """The share of refusals that changes nothing; as long as a lowering takes its effect, what was there before."""
        return self._whatever + _FEW if self._lowering is None else 1.5 * self._lowering.share

    def _lower(self, now: float, to: float) -> None:
        self._rate = self._borne = min(self._rate, max(to, min(_LOWEST, self._asked)))
        self._rise = _RISE
        self._look_at = now + 2 * self._span

    def _judge(self, lowering: _Lowering, share: float, now: float) -> None:
        """See whether a lowering has helped."""
        self._lowering = None
        self._look_at = now + _SHORTEST_SPAN
        if 0.8 * lowering.share < share < 1.25 * lowering.share:
            self._whatever = share
            self._rate = lowering.rate

    def _raise(self, now: float, share: float) -> None:
        self._whatever = min(self._whatever, share)
        quiet = share <= self._whatever + _NOISE
        self._rate *= 1 + (self._rise if quiet else _CREEP)
        self._rise = min(2 * self._rise, _STEEPEST) if quiet else _RISE
        if self._rate >= min(self._asked, _COUNTED):
            self._rate = self._asked
        self._look_at = now + _SHORTEST_SPAN


class RateLimiter:
    """The pace of one call."""

    def __init__(self, rate: float, bulk: Bulk | None, now: float) -> None:
        self._steering = Steering(rate, now)
        self._bulk = bulk
        self._due = now
        self._resume = now
        self._closed = now
        self._told = now
        self._told_at = -1.0
        self._left_in_bulk = bulk.size if bulk else 0
        # Between a request and the one `size` later at least `span` seconds: half a request of slack for the way out.
        second, ten = int(min(rate, _COUNTED)) + 1, ceil(10 * min(rate, _COUNTED))
        self._windows = [(second, 1 + 0.5 / rate), (ten, ten / rate + _ON_THE_WAY)] if rate < _COUNTED else []
        self._keep = max(second, ten)
        self._left: list[float] = []  # when requests left, in order
        self._leaving: list[Departure] = []  # let go, not left yet: they may leave at any moment

    @property
    def rate(self) -> float:
        """The present rate, requests a second: the asked one, or less where the server refuses many."""
        return self._steering.rate

    @property
    def paused_until(self) -> float:
        """The end of a pause that a bulk, a closed window or the server asked for."""
        return max(self._resume, self._closed)

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
        at = max(self._due, self._resume, self._closed)
        self._look()
        waiting = len(self._leaving)
        for size, span in self._windows:
            if waiting >= size:
                at = max(at, now + _GLANCE)
            elif len(self._left) + waiting >= size:
                at = max(at, self._left[waiting - size] + span)
        return max(0.0, at - now)

    def take(self, now: float, events: int = 1) -> Departure:
        """Let a request with so many events go; say in what is returned when it really left."""
        departure = Departure()
        self._due = max(self._due, now - _CATCH_UP) + 1 / self._steering.rate
        if self._windows:
            self._leaving.append(departure)
        if self._bulk:
            self._left_in_bulk -= events
            if self._left_in_bulk <= 0:
                self._left_in_bulk = self._bulk.size
                self._pause(now + self._bulk.pause)
                self._steering.paused(self._resume)
        return departure

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

    def close(self, until: float) -> None:
        """Let nothing go before `until`, whatever was said of that before."""
        self._closed = until
        self._steering.paused(until)

    def _pause(self, until: float) -> None:
        self._resume = max(self._resume, until)

    def passed(self, now: float) -> None:
        """Note that a request got through."""
        self._steering.answered(now, refused=False)

    def refused(self, now: float, left_at: float, retry_after: float | None) -> None:
        """Note a 429 or 503 of a request that left at `left_at`.

        A Retry-After pauses everything where refusals are more than a few, once for all that had left by then.
        """
        self._steering.answered(now, refused=True)
        if retry_after is None or left_at < self._told_at or not self._steering.many(now):
            return
        self._told_at = now
        self._told = max(self._told, now + retry_after)
        self._steering.told(now, self._told)
        self._pause(self._told)
