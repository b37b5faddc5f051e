"""The pace of requests, under a clock of the test's own."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.delivery.rate import RateLimiter, Steering
from etl.delivery.settings import Bulk


def departures(
    pace: RateLimiter, seconds: float, lateness: random.Random | None = None, most: float = 0.0
) -> list[float]:
    """When requests leave if one is always ready; waits end, and requests leave, up to `most` seconds late."""
    now, left = 0.0, []
    while now < seconds:
        wait = pace.wait(now)
        if wait > 0:
            now += wait + (lateness.uniform(0, most) if lateness else 0.0)
            continue
        departure = pace.take(now)
        departure.at = now + (lateness.uniform(0, most / 2) if lateness else 0.0)
        left.append(departure.at)
        now += 1e-5
    return sorted(left)


def most_within(left: list[float], span: float) -> int:
    start, most = 0, 0
    for end, at in enumerate(left):
        while left[start] <= at - span:
            start += 1
        most = max(most, end - start + 1)
    return most


@settings(max_examples=40, deadline=None)
@given(
    rate=st.sampled_from([0.4, 1.0, 3.3, 20.0, 50.0, 100.0, 350.0]),
    seed=st.integers(0, 2**32),
    most=st.sampled_from([0.0, 0.001, 0.004, 0.2]),
)
def test_no_second_holds_more_than_the_rate_and_one_whatever_the_jitter(rate: float, seed: int, most: float) -> None:
    left = departures(RateLimiter(rate, None, 0.0), 25, random.Random(seed), most)
    assert most_within(left, 1.0) <= rate + 1
    assert most_within(left, 10.0) <= 10 * rate + 1


@pytest.mark.parametrize("rate", [20, 100, 350])
def test_the_rate_is_kept_within_a_hundredth_over_thirty_seconds(rate: int) -> None:
    left = departures(RateLimiter(rate, None, 0.0), 30, random.Random(1), 0.002)
    assert len(left) == pytest.approx(rate * 30, rel=0.01)


def test_time_that_was_lost_is_made_up_for_by_a_twentieth_of_a_second_at_most() -> None:
    pace = RateLimiter(100, None, 0.0)
    pace.take(0.0)
    burst = 0
    while pace.wait(5.0) == 0:
        pace.take(5.0)
        burst += 1
    assert burst == 6


def test_a_bulk_is_followed_by_its_pause() -> None:
    left = departures(RateLimiter(1000, Bulk(10, 2.0), 0.0), 5)
    gaps = [later - earlier for earlier, later in itertools.pairwise(left)]
    assert [i for i, gap in enumerate(gaps, 1) if gap >= 2.0] == [10, 20]


def test_a_bulk_counts_events_and_says_how_many_it_still_takes() -> None:
    pace = RateLimiter(1000, Bulk(10, 2.0), 0.0)
    pace.take(0.0, 7)
    assert pace.room == 3
    pace.take(0.01, 3)
    assert (pace.room, pace.wait(0.01)) == (10, pytest.approx(2.0))


# Refusals: a server of the test's own making, seconds that pass in no time


class Simulated:
    """What came of so many seconds of requests, one always ready, against a server that accepts as `accepts` says."""

    def __init__(
        self, asked: float, accepts: Accepts, *, seconds: float = 30, pause: float | None = None, seed: int = 1
    ):
        chance, pace = random.Random(seed), RateLimiter(asked, None, 0.0)
        self.left: list[float] = []
        self.refused: list[float] = []
        self.passed: list[float] = []
        flying: list[tuple[float, float]] = []  # when the answer is there, when the request left
        now = 0.0
        while now < seconds:
            wait = pace.wait(now)
            if flying and flying[0][0] <= now + wait:
                now, left_at = heapq.heappop(flying)
                if accepts(left_at, chance):
                    self.passed.append(now)
                    pace.passed(now)
                else:
                    self.refused.append(now)
                    pace.refused(now, left_at, pause)
                continue
            if wait > 0:
                now += wait
                continue
            pace.take(now).at = now
            self.left.append(now)
            heapq.heappush(flying, (now + 0.01, now))

    def share(self) -> float:
        return len(self.refused) / (len(self.refused) + len(self.passed))


Accepts = Callable[[float, random.Random], bool]


def a_second_holds(limit: int) -> Accepts:
    """A server that accepts so many in each second by its clock."""
    seen: Counter[int] = Counter()

    def accepts(at: float, _: random.Random) -> bool:
        seen[int(at)] += 1
        return seen[int(at)] <= limit

    return accepts


def a_bucket(rate: float, holds: float) -> Accepts:
    """A server with a bucket of so many requests, which fills again at a rate."""
    state = [0.0, holds]  # when it was looked at last, how many it held then

    def accepts(at: float, _: random.Random) -> bool:
        held = min(holds, state[1] + max(0.0, at - state[0]) * rate)
        state[:] = max(at, state[0]), held - (held >= 1)
        return held >= 1

    return accepts


def by_chance(share: float) -> Accepts:
    return lambda _, chance: chance.random() >= share


@settings(max_examples=15, deadline=None)
@given(
    asked=st.sampled_from([50.0, 100.0, 350.0]),
    share=st.sampled_from([0.001, 0.002, 0.01]),
    pause=st.sampled_from([None, 1.0]),
    seed=st.integers(0, 2**32),
)
def test_refusals_of_one_in_a_hundred_leave_the_rate_as_it_is(
    asked: float, share: float, pause: float | None, seed: int
) -> None:
    it = Simulated(asked, by_chance(share), pause=pause, seed=seed)
    assert len(it.left) >= 0.85 * asked * 30


@settings(max_examples=15, deadline=None)
@given(
    asked=st.sampled_from([200.0, 300.0, 350.0]),
    part=st.floats(0.4, 0.9),
    pause=st.sampled_from([None, 1.0]),
)
def test_the_limit_of_a_server_is_used_and_few_are_refused(asked: float, part: float, pause: float | None) -> None:
    limit = int(asked * part)
    it = Simulated(asked, a_second_holds(limit), pause=pause)
    assert len(it.passed) >= 0.85 * limit * 30
    assert it.share() <= 0.08
    assert most_within(it.left, 1.0) <= asked + 1


@pytest.mark.parametrize("pause", [None, 1.0])
@pytest.mark.parametrize("holds", [10, 150])
def test_the_limit_of_a_bucket_is_used_and_few_are_refused(holds: int, pause: float | None) -> None:
    it = Simulated(300, a_bucket(150, holds), pause=pause)
    assert len(it.passed) >= 0.85 * 150 * 30
    assert it.share() <= 0.08


@pytest.mark.parametrize("pause", [None, 1.0])
@pytest.mark.parametrize("accepts", [lambda: a_second_holds(50), lambda: a_bucket(50, 5)], ids=["second", "bucket"])
def test_a_limit_far_below_the_asked_rate_is_found_and_used(
    accepts: Callable[[], Accepts], pause: float | None
) -> None:
    it = Simulated(350, accepts(), seconds=120, pause=pause)
    assert len(it.passed) >= 0.9 * 50 * 120
    assert it.share() <= 0.05


def test_refusals_that_have_nothing_to_do_with_the_rate_do_not_bring_it_down() -> None:
    it = Simulated(350, by_chance(0.1))
    assert len(it.left) >= 0.8 * 350 * 30


def test_when_a_limit_is_gone_the_rate_is_back_within_seconds() -> None:
    narrow = a_second_holds(150)
    it = Simulated(300, lambda at, chance: at > 20 or narrow(at, chance), seconds=40)
    assert sum(18 < at < 20 for at in it.passed) <= 301
    assert sum(32 < at < 33 for at in it.passed) >= 290


def test_while_the_server_takes_nothing_few_requests_find_that_out() -> None:
    it = Simulated(300, lambda at, _: not 5 <= at < 8)
    assert len(it.refused) < 200
    assert sum(20 < at < 21 for at in it.passed) >= 295


def test_a_retry_after_pauses_everything_once_where_nothing_gets_through() -> None:
    pace = RateLimiter(50, None, 0.0)
    for n in range(10):
        pace.refused(10.0 + n / 100, left_at=9.9, retry_after=3.0)
    wait = pace.wait(10.09)
    assert 2.9 < wait <= 3.0
    pace.refused(10.2, left_at=9.95, retry_after=3.0)  # left before the pause began
    assert pace.wait(10.2) == pytest.approx(wait - 0.11)
    assert pace.told_until == pytest.approx(10.09 + wait)


def test_a_retry_after_pauses_nothing_else_while_refusals_are_few() -> None:
    pace = RateLimiter(100, None, 0.0)
    for n in range(100):
        pace.passed(n / 100)
    pace.refused(1.0, left_at=0.99, retry_after=3.0)
    assert pace.wait(1.0) == 0
    assert pace.rate == 100


def test_a_server_that_is_away_and_asks_for_pauses_says_nothing_of_the_rate() -> None:
    steering = Steering(64, 0.0)
    for n in range(1, 100):
        steering.answered(n / 10, refused=True)
        steering.told(n / 10, n / 10)
    assert steering.rate == 64


def test_refusals_never_bring_the_rate_to_nothing() -> None:
    steering = Steering(64, 0.0)
    for n in range(1, 1000):
        steering.answered(n / 10, refused=n % 2 == 0)
        steering.told(n / 10, n / 10)
    assert 0.5 <= steering.rate <= 1.0


def test_requests_that_wait_for_their_connections_count_as_leaving_now() -> None:
    pace, let_go, now = RateLimiter(2, None, 0.0), [], 0.0
    while now < 8.0:
        if pace.wait(now) == 0:
            let_go.append(pace.take(now))
        now += 0.01
    assert len(let_go) == 3  # a second may hold one more than the rate
    for departure in let_go:
        departure.at = 8.0
    assert pace.wait(8.0) > 0.9


def test_a_request_that_never_leaves_makes_room() -> None:
    pace, now = RateLimiter(2, None, 0.0), 0.0
    first = pace.take(now)
    for _ in range(2):
        now += 0.5
        pace.take(now)
    assert pace.wait(3.0) > 0
    pace.stayed(first)
    assert pace.wait(3.0) == 0
