"""`{{ date }}` in a path becomes a day, in any form of it."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_example import DESIGN, SMALL, changed, job, mistakes

from etl.errors import JobError
from etl.job.fingerprint import mapping_hash
from etl.job.template import dated, fill, parse_date, paths_use_date, uses_date

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


EXPRESSION = changed("page: {location: url}", 'page: {location: url}\n    params: {day: "EXPRESSION"}', SMALL)


def expression(text: str) -> str:
    return EXPRESSION.replace("EXPRESSION", text)


@pytest.mark.parametrize(
    ("written", "filled"),
    [
        ("'{{ date }}'", "'2026-03-07'"),
        ("day = '{{ date | %d.%m.%Y }}'", "day = '07.03.2026'"),
        ("try_cast(day as int) < {{ date | %Y%m%d }}", "try_cast(day as int) < 20260307"),
        ("'it''s ' || '{{ date }}'", "'it''s ' || '2026-03-07'"),
        ("date '{{date}}' + 1", "date '2026-03-07' + 1"),
        ("url like '%{{%'", "url like '%{{%'"),
        ("{'a': {'b': 1}}", "{'a': {'b': 1}}"),
    ],
)
def test_a_date_in_an_expression_is_filled_in_and_other_braces_stay(written, filled):
    one = job(expression(written))
    assert dated(one, DAY).events[0].params == {"day": filled}
    assert uses_date(one) is (written != filled)
    assert not paths_use_date(one)


def test_a_date_is_filled_in_wherever_an_expression_may_stand():
    text = changed("path: visits.csv", "path: visits.csv, types: {day: date}", SMALL)
    text += """
let: {today: "'{{ date }}'"}
filters: {later: "day > '{{ date }}'"}
key_value: email || '{{ date }}'
time: {column: "'{{ date }} ' || clock"}
lookups: {crm: {path: crm.csv, key: id, on: id, where: "since < '{{ date }}'"}}
"""
    one = dated(job(text), DAY)
    found = [one.let["today"], one.filters["later"], one.key_value, one.time.column, one.lookups["crm"].where]
    assert all("2026-03-07" in value and "{{" not in value for value in found)


def test_the_mapping_is_the_same_whatever_the_day_is():
    one = job(expression("'{{ date }}'"))
    assert mapping_hash(one) != mapping_hash(job(expression("'x'")))
    assert dated(job(SMALL), None) == job(SMALL)
    with pytest.raises(JobError, match="needs a date\n  say --date"):
        dated(one, None)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{{ date }}", "is text, and text stands in quotes"),
        ("day = {{ date | %Y-%m }}", "is text, and text stands in quotes"),
        ("'a' || {{ date }} || 'b'", "is text, and text stands in quotes"),
        ("'{{ dat }}'", "expected {{ date }}"),
        ("'{{ date | %H }}'", "a date has no %H"),
        ("'{{ date | x }}'", "expected a form"),
    ],
)
def test_a_date_that_sql_would_take_for_a_sum_or_that_is_none_is_a_mistake(written, words):
    found = mistakes(expression(written))
    assert set(found) == {"events[0].params.day"}
    assert words in found["events[0].params.day"]


def test_that_a_day_without_input_is_skipped_is_no_other_mapping():
    assert mapping_hash(job(SMALL)) == mapping_hash(job(SMALL, "source.missing=skip"))
    assert set(mistakes(SMALL, "source.missing=maybe")) == {"source.missing"}
