"""How many requests may be in flight."""

from __future__ import annotations

from etl.delivery.breaker import Breaker
from etl.delivery.settings import Patience


def breaker() -> Breaker:
    return Breaker(16, Patience(first=1.0, most=8.0))


def test_the_first_request_goes_alone_until_something_gets_through() -> None:
    it = breaker()
    assert it.slots(0) == 1
    assert not it.ever_through
    it.through(0.0)
    assert it.slots(0) == 16
    assert it.ever_through


def test_some_failures_among_what_gets_through_change_nothing() -> None:
    it = breaker()
    it.through(0.0)
    for _ in range(10):
        for n in range(31):
            it.failed(n, n)
        it.through(0.0)
    assert it.slots(0) == 16
    assert it.failing_since is None


def test_while_nothing_gets_through_one_request_at_a_time_is_tried_ever_more_slowly() -> None:
    it = breaker()
    it.through(0.0)
    for _ in range(32):
        it.failed(10.0, 9.0)
    assert it.slots(10.5) == 0
    waits, now = [], it.next_try
    for _ in range(5):
        assert it.slots(now) == 1
        it.failed(now + 0.1, now)
        waits.append(round(it.next_try - now - 0.1, 3))
        now = it.next_try
    assert waits == [2.0, 4.0, 8.0, 8.0, 8.0]
    assert it.failing_since == 10.0
    it.through(0.0)
    assert it.slots(now) == 16


def test_the_pause_grows_faster_where_each_try_may_be_a_copy() -> None:
    it, now, waits = Breaker(16, Patience(first=0.5, most=30.0)), 0.0, []
    for _ in range(5):
        it.failed(now + 0.1, now, repeat=True)
        waits.append(round(it.next_try - now - 0.1, 3))
        now = it.next_try
    assert waits == [0.5, 2.0, 8.0, 30.0, 30.0]


def test_requests_that_were_in_flight_when_it_opened_do_not_make_it_slower() -> None:
    it = breaker()
    it.through(0.0)
    for _ in range(47):
        it.failed(10.0, 9.0)
    assert it.next_try == 11.0


def test_with_few_keys_a_few_requests_that_left_since_it_began_are_an_outage() -> None:
    it = breaker()
    it.through(0.0)
    for n in range(3):
        it.failed(10.0 + n / 10, 9.0)
    it.failed(10.5, 10.3)
    it.failed(11.2, 10.9)
    assert not it.probing
    it.failed(11.6, 11.3)
    assert it.probing
    assert it.slots(11.6) == 0
    it.through(13.0)
    assert not it.probing
