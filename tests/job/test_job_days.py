"""The days that a call is for: --date, --last, --from and --to."""

from datetime import UTC, date, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_example import SMALL, changed, job

from etl.errors import JobError
from etl.job.days import Asked, days_of

DATED = changed("path: visits.csv", "path: 'visits/{{ date }}.csv'", SMALL)
KYIV = DATED + "time: {column: time, zone: Europe/Kyiv}\n"
LATE = datetime(2026, 3, 7, 23, 30, tzinfo=UTC)  # in Kyiv it is the 8th already


def days(text: str = DATED, **asked: object) -> list[str]:
    return [day.isoformat() for day in days_of(job(text), Asked(**asked), now=LATE)]  # type: ignore[arg-type]


def test_a_date_is_one_day():
    assert days(day="2026-11-22") == ["2026-11-22"]


def test_today_and_yesterday_are_those_of_the_jobs_zone():
    assert days(day="yesterday") == ["2026-03-06"]
    assert days(KYIV, day="yesterday") == ["2026-03-07"]
    assert days(KYIV, day="today") == ["2026-03-08"]


def test_the_last_days_end_yesterday_oldest_first():
    assert days(last=3) == ["2026-03-04", "2026-03-05", "2026-03-06"]
    assert days(KYIV, last=1) == ["2026-03-07"]


def test_the_last_days_end_at_a_date_that_is_given():
    assert days(last=3, day="2026-03-01") == ["2026-02-27", "2026-02-28", "2026-03-01"]
    assert days(last=2, day="today") == ["2026-03-06", "2026-03-07"]


def test_a_range_has_both_its_ends():
    assert days(since="2026-02-27", until="2026-03-01") == ["2026-02-27", "2026-02-28", "2026-03-01"]
    assert days(since="2026-02-27", until="2026-02-27") == ["2026-02-27"]


def test_a_range_without_an_end_ends_yesterday():
    assert days(since="2026-03-05") == ["2026-03-05", "2026-03-06"]


@given(st.dates(min_value=date(1900, 1, 1), max_value=date(2100, 1, 1)), st.integers(1, 800))
def test_every_day_comes_once_and_the_older_before_the_newer(last, count):
    found = days_of(job(DATED), Asked(day=last.isoformat(), last=count))
    assert (len(found), found[-1]) == (count, last)
    assert all((later - earlier).days == 1 for earlier, later in pairwise(found))


def test_a_job_without_a_template_needs_no_day_and_takes_none():
    assert days(SMALL) == []
    for asked, option in (({"day": "today"}, "--date"), ({"last": 2}, "--last"), ({"since": "2026-01-01"}, "--from")):
        with pytest.raises(JobError, match=f"{option} is given, but neither a path nor an expression"):
            days(SMALL, **asked)


def test_a_template_without_a_day_is_a_mistake():
    with pytest.raises(JobError, match="the job needs a date"):
        days()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"day": "2026-01-01", "since": "2026-01-01"}, "--from and --date exclude each other"),
        ({"last": 2, "since": "2026-01-01", "until": "2026-01-02"}, "--from and --last exclude each other"),
        ({"until": "2026-01-01"}, "--to is given without --from"),
        ({"until": "2026-01-01", "day": "2026-01-01"}, "--to is given without --from"),
        ({"since": "2026-01-02", "until": "2026-01-01"}, "--from 2026-01-02 is after --to 2026-01-01"),
        ({"since": "today"}, "which is yesterday, since there is no --to"),
        ({"since": "2026-02-30"}, "there is no day"),
        ({"since": "0202-01-01"}, "days are asked for"),
        ({"last": 40_000}, "40,000 days are asked for"),
    ],
)
def test_options_that_contradict_each_other_are_mistakes(asked, words):
    with pytest.raises(JobError, match=words):
        days(**asked)


def test_days_before_the_calendar_begins_are_a_mistake():
    with pytest.raises(JobError, match="at most"):
        days(day="0001-01-02", last=3)
    assert days(day="0001-01-02", last=2) == ["0001-01-01", "0001-01-02"]
