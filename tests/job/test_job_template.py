"""`{{ date }}` in a path becomes a day, in any form of it."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_example import DESIGN, SMALL, changed, job, mistakes

from etl.errors import JobError
from etl.job.template import fill, parse_date, uses_date

DAY = date(2026, 3, 7)


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("exports/{{ date }}/*.csv", "exports/2026-03-07/*.csv"),
        ("{{date}}", "2026-03-07"),
        ("{{ date | %Y%m%d }}", "20260307"),
        ("{{ date|%Y/%m/%d }}/x", "2026/03/07/x"),
        ("{{ date | %-d.%-m.%y }}", "7.3.26"),
        ("{{ date | week-%V }}", "week-10"),
        ("{{ date | %Y%% }}", "2026%"),
        ("{{ date }}-{{ date | %j }}", "2026-03-07-066"),
        ("plain/*.csv", "plain/*.csv"),
        ("year={a,b}", "year={a,b}"),
    ],
)
def test_a_template_is_filled_in(template, filled):
    assert fill(template, DAY) == filled


@given(st.dates())
def test_every_day_has_a_path_of_its_own_that_sorts_like_days(day):
    assert fill("{{ date | %Y%m%d }}", day) == day.isoformat().replace("-", "")
    assert fill("{{ date }}", day) == day.isoformat()


def test_a_path_without_template_needs_no_date():
    assert fill("a.csv", None) == "a.csv"
    with pytest.raises(JobError, match="needs a date\n  say --date"):
        fill("{{ date }}.csv", None)


def test_a_job_knows_whether_it_needs_a_date():
    assert uses_date(job(DESIGN))
    assert not uses_date(job(SMALL))


@pytest.mark.parametrize(
    "path",
    [
        "{{ dat }}",
        "{{ date | }}",
        "{{ date | x }}",
        "{{ date | %H }}",
        "{{ date | %Q }}",
        "{{ date",
        "date }}",
        "{{ date | %-Y }}",
        "{{ date - 1 }}",
    ],
)
def test_a_template_that_is_none_is_a_mistake_of_the_job_file(path):
    assert set(mistakes(changed("path: visits.csv", f"path: '{path}'", SMALL))) == {"source.path"}


def test_yesterday_is_that_of_the_zone():
    late = datetime(2026, 3, 7, 23, 30, tzinfo=UTC)
    assert parse_date("yesterday", "UTC", now=late) == date(2026, 3, 6)
    assert parse_date("yesterday", "Europe/Kyiv", now=late) == date(2026, 3, 7)
    assert parse_date("today", "Europe/Kyiv", now=late) == date(2026, 3, 8)
    assert parse_date("2026-11-22", "UTC") == date(2026, 11, 22)


@pytest.mark.parametrize("text", ["2026-02-30", "22.11.2026", "20261122", "2026-W47-7", "Yesterday", "", "٢٠٢٦-١١-٢٢"])
def test_what_is_no_date_says_what_one_is(text):
    with pytest.raises(JobError, match="expected a date such as 2026-11-22"):
        parse_date(text, "UTC")
