"""The pace of requests, under a clock of the test's own."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.delivery.rate import Pace
from etl.delivery.settings import Bulk


def departures(pace: Pace, seconds: float, lateness: random.Random | None = None, most: float = 0.0) -> list[float]:
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
    left = departures(Pace(rate, None, 0.0), 25, random.Random(seed), most)
    assert most_within(left, 1.0) <= rate + 1
    assert most_within(left, 10.0) <= 10 * rate + 1


@pytest.mark.parametrize("rate", [20, 100, 350])
def test_the_rate_is_kept_within_a_hundredth_over_thirty_seconds(rate: int) -> None:
    left = departures(Pace(rate, None, 0.0), 30, random.Random(1), 0.002)
    assert len(left) == pytest.approx(rate * 30, rel=0.01)


def test_time_that_was_lost_is_made_up_for_by_a_twentieth_of_a_second_at_most() -> None:
    pace = Pace(100, None, 0.0)
    pace.take(0.0)
    burst = 0
    while pace.wait(5.0) == 0:
        pace.take(5.0)
        burst += 1
    assert burst == 6


def test_a_bulk_is_followed_by_its_pause() -> None:
    left = departures(Pace(1000, Bulk(10, 2.0), 0.0), 5)
    gaps = [later - earlier for earlier, later in itertools.pairwise(left)]
    assert [i for i, gap in enumerate(gaps, 1) if gap >= 2.0] == [10, 20]


def test_a_bulk_counts_events_and_says_how_many_it_still_takes() -> None:
    pace = Pace(1000, Bulk(10, 2.0), 0.0)
    pace.take(0.0, 7)
    assert pace.room == 3
    pace.take(0.01, 3)
    assert (pace.room, pace.wait(0.01)) == (10, pytest.approx(2.0))


def test_retry_after_pauses_everything_once() -> None:
    pace = Pace(100, None, 0.0)
    pace.refused(10.0, left_at=9.9, retry_after=3.0)
    assert pace.wait(10.0) == pytest.approx(3.0)
    pace.refused(10.2, left_at=9.95, retry_after=3.0)  # left before the pause began
    assert pace.wait(10.2) == pytest.approx(2.8)
    pace.refused(13.5, left_at=13.1, retry_after=1.0)
    assert pace.wait(13.5) == pytest.approx(1.0)
    assert pace.rate == 100


def test_a_refusal_without_retry_after_halves_the_rate_which_comes_back_by_steps() -> None:
    pace = Pace(80, None, 0.0)
    pace.refused(1.0, left_at=0.9, retry_after=None)
    pace.refused(1.1, left_at=0.95, retry_after=None)
    assert pace.rate == 40
    rates = []
    for second in range(2, 40):
        pace.passed(float(second))
        rates.append(pace.rate)
    assert sorted(set(rates)) == [40, 50, 60, 70, 80]
    assert rates == sorted(rates)


def test_refusals_never_bring_the_rate_to_nothing() -> None:
    pace = Pace(64, None, 0.0)
    for n in range(1, 100):
        pace.refused(float(n), left_at=n - 0.1, retry_after=None)
    assert pace.rate == 1


def test_requests_that_wait_for_their_connections_count_as_leaving_now() -> None:
    pace, let_go, now = Pace(2, None, 0.0), [], 0.0
    while now < 8.0:
        if pace.wait(now) == 0:
            let_go.append(pace.take(now))
        now += 0.01
    assert len(let_go) == 3  # a second may hold one more than the rate
    for departure in let_go:
        departure.at = 8.0
    assert pace.wait(8.0) > 0.9


def test_a_request_that_never_leaves_makes_room() -> None:
    pace, now = Pace(2, None, 0.0), 0.0
    first = pace.take(now)
    for _ in range(2):
        now += 0.5
        pace.take(now)
    assert pace.wait(3.0) > 0
    pace.stayed(first)
    assert pace.wait(3.0) == 0
