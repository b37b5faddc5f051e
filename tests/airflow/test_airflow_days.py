"""The days of a DAG's run."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.airflow.days import RunTimes, day_options, days_of_run

KYIV = "Europe/Kyiv"
NIGHT = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("times", "zone", "first", "last"),
    [
        # A cron schedule on Airflow 3's defaults: the interval is a moment. A run of an asset or of the API has none.
        (RunTimes(NIGHT, NIGHT, NIGHT), "UTC", "2026-11-22", "2026-11-22"),
        (RunTimes(NIGHT), "UTC", "2026-11-22", "2026-11-22"),
        # The calendar is that of the job: in Kyiv it is already the 24th, in New York still the 22nd.
        (RunTimes(at("2026-11-23T22:30")), KYIV, "2026-11-23", "2026-11-23"),
        (RunTimes(NIGHT), "America/New_York", "2026-11-21", "2026-11-21"),
        # The logical date that a person gave, long after: `airflow dags test shop_nightly 2026-11-10`.
        (RunTimes(NIGHT, at("2026-11-10"), at("2026-11-10")), "UTC", "2026-11-09", "2026-11-09"),
        # An interval that is not empty: the days it covers, the end open.
        (RunTimes(NIGHT, at("2026-11-22"), at("2026-11-23")), "UTC", "2026-11-22", "2026-11-22"),
        (RunTimes(NIGHT, at("2026-11-22T02:00"), at("2026-11-23T02:00")), "UTC", "2026-11-22", "2026-11-22"),
        (RunTimes(NIGHT, at("2026-11-16"), at("2026-11-23")), "UTC", "2026-11-16", "2026-11-22"),
        (RunTimes(NIGHT, at("2026-11-16"), at("2026-11-23")), KYIV, "2026-11-16", "2026-11-22"),
        (RunTimes(NIGHT, at("2026-11-22T05:00"), at("2026-11-22T06:00")), "UTC", "2026-11-22", "2026-11-22"),
        # The nights in which the clocks of Kyiv change are days of 23 and of 25 hours.
        (RunTimes(NIGHT, at("2026-03-28T22:00"), at("2026-03-29T21:00")), KYIV, "2026-03-29", "2026-03-29"),
        (RunTimes(NIGHT, at("2026-10-24T21:00"), at("2026-10-25T22:00")), KYIV, "2026-10-25", "2026-10-25"),
    ],
)
def test_the_days_of_a_run(times: RunTimes, zone: str, first: str, last: str) -> None:
    assert days_of_run(times, zone) == (date.fromisoformat(first), date.fromisoformat(last))


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    st.lists(st.integers(1, 24 * 40), min_size=2, max_size=8),
    st.sampled_from([KYIV, "UTC", "America/New_York"]),
)
def test_runs_that_follow_each_other_leave_no_day_out(start: datetime, hours: list[int], zone: str) -> None:
    covered = []
    for step in hours:
        end = start + timedelta(hours=step)
        covered.append(days_of_run(RunTimes(end, start, end), zone))
        start = end
    for (_, last), (first, _) in pairwise(covered):
        assert last <= first <= last + timedelta(days=1)


@pytest.mark.parametrize(
    ("given_date", "last", "options"),
    [
        ("", None, ["--date", "2026-11-22"]),
        ("None", None, ["--date", "2026-11-22"]),  # what a template makes of a parameter that is not there
        ("2026-11-01", None, ["--date", "2026-11-01"]),
        ("", 3, ["--date", "2026-11-22", "--last", "3"]),
        (None, None, []),
    ],
)
def test_the_options_of_a_day(given_date: str | None, last: int | None, options: list[str]) -> None:
    assert day_options(given_date, RunTimes(NIGHT), "UTC", last=last) == options


def test_the_options_of_a_week_and_of_the_late_data_before_it() -> None:
    week = RunTimes(NIGHT, at("2026-11-16"), at("2026-11-23"))
    assert day_options("", week, "UTC") == ["--from", "2026-11-16", "--to", "2026-11-22"]
    assert day_options("", week, "UTC", last=3) == ["--from", "2026-11-14", "--to", "2026-11-22"]
