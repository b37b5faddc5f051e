"""How far a call on many days is, and how long the rest will take."""

from datetime import date, timedelta

import pytest

from etl.cli.progress import today, whole
from etl.delivery.post import Progress
from etl.flow.progress import DaysProgress, DaysWatch

DAY = date(2026, 11, 20)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def posted(done: int, total: int) -> Progress:
    return Progress(done, total, 10.0, done, 0, 0)


def watched(of: int) -> tuple[DaysWatch, list[DaysProgress], Clock]:
    told: list[DaysProgress] = []
    clock = Clock()
    return DaysWatch(of, told.append, clock), told, clock


def test_the_rest_is_reckoned_from_the_days_so_far() -> None:
    watch, told, clock = watched(4)
    watch.begin(DAY)
    watch.planning("reading", 100)
    assert (told[-1].doing, told[-1].done, told[-1].total, told[-1].seconds_left) == ("reading", 100, None, None)
    watch.posting(posted(0, 100))
    clock.now += 10
    watch.posting(posted(50, 100))
    # 5 a second; 50 events of today and three days of a hundred.
    assert told[-1].rate == pytest.approx(5)
    assert told[-1].seconds_left == pytest.approx(350 / 5)
    clock.now += 10
    watch.posting(posted(100, 100))
    watch.ended(100)
    watch.begin(DAY + timedelta(days=1))
    watch.posting(posted(0, 300))
    # Two hundred a day by now: all of today, and twice as much for each day to come.
    assert (told[-1].number, told[-1].sent) == (2, 100)
    assert told[-1].seconds_left == pytest.approx((300 + 2 * 200) / 5)


def test_what_was_done_before_this_call_is_no_speed_of_its() -> None:
    watch, told, clock = watched(3)
    watch.begin(DAY)
    watch.ended(500)  # finished before: it took no time
    watch.begin(DAY + timedelta(days=1))
    watch.posting(posted(400, 500))
    clock.now += 10
    watch.posting(posted(450, 500))
    assert (told[-1].sent, told[-1].rate) == (50, pytest.approx(5))
    assert told[-1].seconds_left == pytest.approx((50 + 500) / 5)


def test_nothing_is_said_of_the_rest_before_anything_has_gone_out() -> None:
    watch, told, _ = watched(2)
    watch.begin(DAY)
    watch.posting(posted(0, 10))
    assert told[-1].seconds_left is None
    assert whole(told[-1]) == "day 1 of 2 (2026-11-20), 0 events done"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "5 s"), (90, "2 min"), (3600, "60 min"), (3 * 3600, "3.0 h"), (86_400, "24.0 h"), (9 * 86_400, "9.0 days")],
)
def test_the_rest_is_told_in_the_unit_that_people_would_take(seconds: float, words: str) -> None:
    progress = DaysProgress(DAY, 12, 365, "posting", 3411, 11_904, 130_411, 49.8, seconds)
    assert whole(progress) == f"day 12 of 365 (2026-11-20), 130,411 events done, 49.8/s, about {words} left"
    assert today(progress) == "posting: 3,411 of 11,904 events"
