"""Dates: one run a day with its own books, each done before the next begins, told as a table."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from called import JOB, Ended, Shop, pages

from etl.sandbox.process import Child
from etl.sandbox.record import Record
from etl.sandbox.settings import Misbehaviour

Records = Callable[..., Record]

DATED = JOB.replace('path: "*.csv"', 'path: "{{ date | %Y%m%d }}.csv"')
RANGE = ("--from", "2026-11-20", "--to", "2026-11-22")


@pytest.fixture
def week(shop: Shop) -> Shop:
    """A job with a file a day, of three days."""
    shop.job = DATED
    for day in (20, 21, 22):
        shop.write(rows(day), f"202611{day}.csv")
    return shop


def rows(day: int, count: int = 20) -> list[dict[str, str]]:
    """The rows of one day: those of five users, a second apart."""
    return [row | {"time": row["time"].replace("2026-11-20", f"2026-11-{day:02d}")} for row in pages(count)]


def per_day(ended: Ended, *keys: str) -> list[tuple[Any, ...]]:
    return [tuple(run[key] for key in ("date", *keys)) for run in ended.json["runs"]]


def balances(one: dict[str, Any]) -> bool:
    made = one["rows"] + one["extra"]
    ends = sum(one["filtered"].values()) + one["invalid"] + sum(one["duplicate"].values()) + one["folded"]
    verdicts = sum(one[name] for name in ("delivered", "rejected", "unknown", "pending"))
    return bool(made == ends + one["events"] and one["events"] == verdicts)


# One day


def test_a_day_reads_its_own_file(week: Shop, record: Records) -> None:
    ended = week.call("run", "--date", "2026-11-21")
    assert (ended.exit, ended.json["date"], ended.json["delivered"]) == (0, "2026-11-21", 20)
    assert "runs" not in ended.json
    assert week.call("run", "--date", "2026-11-20").json["delivered"] == 20
    assert record().accepted() == 40


def test_a_date_in_an_expression_is_that_of_the_call(week: Shop, record: Records) -> None:
    week.job = DATED.replace(
        "page: {location: url}", "page: {location: url}, params: {batch: \"'{{ date | %d.%m. }}'\"}"
    )
    assert week.call("run", *RANGE).exit == 0
    bodies = [event.body for event in record().events()]
    assert sum('"21.11."' in body for body in bodies) == 20
    assert not any("{{" in body for body in bodies)


def test_yesterday_is_that_of_the_jobs_zone(shop: Shop, record: Records) -> None:
    shop.job = DATED.replace("time: {column: time}", "time: {column: time, zone: Pacific/Kiritimati}")
    day = (datetime.now(UTC) + timedelta(hours=14)).date() - timedelta(days=1)
    shop.write(pages(3), f"{day:%Y%m%d}.csv")
    assert shop.call("run", "--date", "yesterday").json["date"] == day.isoformat()
    assert [run["date"] for run in shop.call("run", "--last", "1").json["runs"]] == [day.isoformat()]


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_template_without_a_date_and_a_date_without_a_template_are_mistakes(command: str, week: Shop) -> None:
    assert "needs a date" in week.call(command).json["stopped"]["reason"]
    assert week.call(command).exit == 2
    week.job = JOB
    assert week.call(command, "--last", "2").exit == 2


@pytest.mark.parametrize(
    "more",
    [
        ("--date", "2026-11-20", "--from", "2026-11-20"),
        ("--to", "2026-11-20"),
        ("--last", "2", "--from", "2026-11-20"),
        (*RANGE, "--plan", "1"),
        (*RANGE, "--abandon"),
        (*RANGE, "--plan-only", "--limit", "3"),
    ],
)
def test_options_that_contradict_each_other_are_mistakes_and_send_nothing(
    more: tuple[str, ...], week: Shop, record: Records
) -> None:
    ended = week.call("run", *more)
    assert ended.exit == 2
    assert ended.json["stopped"]["reason"]
    assert record().accepted() == 0


def test_check_takes_any_day_for_the_expressions(week: Shop) -> None:
    week.job = DATED.replace("page: {location: url}", "page: {location: url}, where: \"time < '{{ date }}'\"")
    assert "3 columns" in week.call("check", "--date", "2026-11-20", as_json=False).out
    assert "needs --date" in week.call("check", as_json=False).out
    week.job = week.job.replace('"{{ date | %Y%m%d }}.csv"', '"*.csv"')
    assert "3 columns" in week.call("check", as_json=False).out


# Several days


def test_each_day_has_its_own_run_and_books_and_the_sums_balance(week: Shop, record: Records) -> None:
    ended = week.call("run", *RANGE)
    assert ended.exit == 0
    assert per_day(ended, "delivered", "exit") == [(f"2026-11-{day}", 20, 0) for day in (20, 21, 22)]
    assert all(balances(run) for run in (ended.json, *ended.json["runs"]))
    top = {key: ended.json[key] for key in ("run", "date", "from", "to", "rows", "delivered", "not_reached")}
    assert top == {
        "run": None,
        "date": None,
        "from": "2026-11-20",
        "to": "2026-11-22",
        "rows": 60,
        "delivered": 60,
        "not_reached": 0,
    }
    assert len({run["run"] for run in ended.json["runs"]}) == 3
    assert record().accepted() == 60


def test_the_table_has_a_line_a_day_and_the_sums(week: Shop) -> None:
    out = week.call("run", *RANGE, as_json=False).out.splitlines()
    assert out[0].startswith("small · 2026-11-20 … 2026-11-22 · event → ")
    lines = [line.split()[:4] for line in out if line.startswith("  2026-11-")]
    assert lines == [[f"2026-11-{day}", "20", "20", "20"] for day in (20, 21, 22)]
    assert any(line.split()[:5] == ["3", "days", "60", "60", "60"] for line in out)


def test_the_last_days_end_at_the_date(week: Shop, record: Records) -> None:
    ended = week.call("run", "--last", "2", "--date", "2026-11-22")
    assert per_day(ended, "delivered") == [("2026-11-21", 20), ("2026-11-22", 20)]


def test_a_finished_day_is_not_sent_again_and_one_that_has_grown_sends_the_rest(week: Shop, record: Records) -> None:
    week.call("run", *RANGE)
    again = week.call("run", *RANGE)
    assert (again.exit, again.json["delivered"], record().accepted()) == (0, 60, 60)
    assert "finished before" in week.call("run", *RANGE, as_json=False).out
    week.write(rows(21, 25), "20261121.csv")
    grown = week.call("run", *RANGE)
    assert per_day(grown, "delivered") == [("2026-11-20", 20), ("2026-11-21", 5), ("2026-11-22", 20)]
    assert grown.json["runs"][1]["duplicate"] == {"sent_before": 20}
    assert record().accepted() == 65


def test_what_is_in_the_files_of_two_days_goes_once(week: Shop, record: Records) -> None:
    week.write([*rows(20)[10:], *rows(21)], "20261121.csv")
    planned = week.call("plan", *RANGE)
    sent = week.call("run", *RANGE)
    for ended in (planned, sent):
        assert [run["duplicate"] for run in ended.json["runs"]] == [{}, {"sent_before": 10}, {}]
    assert record().accepted() == 60


def test_a_finished_day_shows_its_code_again(week: Shop, serve: Callable[..., Child]) -> None:
    week.job = DATED.replace("pageViewed, page: {location: url}", "odd, custom: true, params: {t: url}") + "\n"
    week.job = week.job.replace("rate: 1000/s", "rate: 1000/s, max_rejected: 100%, on_unknown: hold")
    week.api = serve("bad", Misbehaviour(seed=1, rate_500_after=0.2)).url
    first = week.call("run", *RANGE)
    assert first.exit == 3
    assert first.json["unknown"] > 0
    assert first.json["not_reached"] == 0
    again = week.call("run", *RANGE)
    assert per_day(again, "exit", "unknown") == per_day(first, "exit", "unknown")


def test_a_missing_day_ends_the_range_and_the_same_command_goes_on_there(week: Shop, record: Records) -> None:
    file = week.folder / "20261121.csv"
    text = file.read_text()
    file.unlink()
    ended = week.call("run", *RANGE)
    assert (ended.exit, ended.json["exit"], ended.json["not_reached"]) == (4, 4, 1)
    assert per_day(ended, "run", "exit")[1] == ("2026-11-21", None, 4)
    assert "nothing found at 20261121.csv" in ended.json["stopped"]["reason"]
    assert record().accepted() == 20
    out = week.call("run", *RANGE, as_json=False).out
    assert "failed: 2026-11-21, exit 4" in out
    assert "not reached: 1 day, 2026-11-22" in out
    file.write_text(text)
    assert week.call("run", *RANGE).json["delivered"] == 60


def test_a_missing_day_is_skipped_where_the_job_says_so(week: Shop, record: Records) -> None:
    (week.folder / "20261121.csv").unlink()
    ended = week.call("run", *RANGE, "--set", "source.missing=skip")
    assert (ended.exit, ended.json["delivered"]) == (0, 40)
    assert "nothing found at" in ended.json["runs"][1]["skipped"]
    assert all(balances(run) for run in (ended.json, *ended.json["runs"]))
    one = week.call("run", "--date", "2026-11-21", "--set", "source.missing=skip")
    assert (one.exit, one.json["run"], one.json["rows"]) == (0, None, 0)
    assert "nothing found at" in one.json["skipped"]
    assert week.call("plan", "--date", "2026-11-21", "--set", "source.missing=skip").exit == 0
    assert week.call("run", "--date", "2026-11-21").exit == 4


def test_a_part_that_is_missing_and_a_file_that_cannot_be_read_are_not_skipped(week: Shop, record: Records) -> None:
    week.job = DATED.replace(
        'path: "{{ date | %Y%m%d }}.csv"', 'path: ["{{ date | %Y%m%d }}.csv", "more-{{ date }}.csv"]'
    )
    assert week.call("run", "--date", "2026-11-21", "--set", "source.missing=skip").exit == 4
    week.job = DATED
    (week.folder / "20261121.csv").write_bytes(b"")
    assert week.call("run", "--date", "2026-11-21", "--set", "source.missing=skip").exit == 4
    assert record().accepted() == 0


def test_a_missing_lookup_is_no_day_without_input(week: Shop) -> None:
    week.job = DATED + "lookups: {crm: {path: 'crm-{{ date }}.csv', key: id, on: user}}\n"
    assert week.call("run", "--date", "2026-11-21", "--set", "source.missing=skip").exit == 4


def test_a_finished_day_whose_files_were_taken_away_is_not_missing(week: Shop, record: Records) -> None:
    week.call("run", *RANGE)
    (week.folder / "20261120.csv").unlink()
    ended = week.call("run", *RANGE)
    assert (ended.exit, ended.json["delivered"], record().accepted()) == (0, 60, 60)


def test_a_guard_ends_the_range(week: Shop, record: Records) -> None:
    week.write([], "20261121.csv")
    week.write([{"user": "", "url": "/", "time": "x"}], "20261121.csv")
    ended = week.call("run", *RANGE)
    assert (ended.exit, ended.json["guard"], ended.json["not_reached"]) == (5, "max_invalid", 1)
    assert record().accepted() == 20


def test_a_limit_is_of_the_whole_call(week: Shop, record: Records) -> None:
    sent = []
    for code in (75, 75, 0):
        ended = week.call("run", *RANGE, "--limit", "25")
        assert ended.exit == code
        sent.append(record().accepted())
    assert sent == [25, 50, 60]


def test_an_unfinished_day_is_gone_on_with_before_the_days_after_it(week: Shop, record: Records) -> None:
    week.call("run", "--date", "2026-11-21", "--limit", "5")
    ended = week.call("run", *RANGE)
    assert ended.exit == 0
    assert ended.json["delivered"] == 60
    assert not any("is unfinished" in line for line in ended.err.splitlines())
    assert record().accepted() == 60


def test_an_unfinished_day_before_the_range_goes_first_and_only_date_leaves_and_names_it(
    week: Shop, record: Records
) -> None:
    cut = week.call("run", "--date", "2026-11-20", "--limit", "5").json["run"]
    ended = week.call("run", "--from", "2026-11-21", "--to", "2026-11-21", "--only-date")
    assert (ended.json["delivered"], ended.json["unfinished"][0]["date"]) == (20, "2026-11-20")
    assert "of 2026-11-20 is unfinished (15 pending)" in ended.err
    ended = week.call("run", "--from", "2026-11-21", "--to", "2026-11-22")
    assert ([one["run"] for one in ended.json["earlier"]], ended.json["unfinished"]) == ([cut], [])
    assert (ended.exit, balances(ended.json), record().accepted()) == (0, True, 60)


def test_a_second_call_while_a_range_is_at_work_exits_75(week: Shop, record: Records) -> None:
    week.job = week.job.replace("rate: 1000/s", "rate: 20/s")
    first = week.start("run", *RANGE)
    try:
        while not record().accepted():
            assert first.poll() is None
            time.sleep(0.05)
        second = week.call("run", "--date", "2026-11-22")
        assert second.exit == 75
    finally:
        first.kill()
        first.wait()


def test_a_call_that_waits_gets_its_turn_between_the_days_of_a_range(week: Shop, record: Records) -> None:
    week.write(rows(23, 5), "20261123.csv")
    backfill = week.start("run", *RANGE, "--set", "delivery.rate=4/s")  # five seconds a day
    night = None
    try:
        while not record().accepted():
            assert backfill.poll() is None
            time.sleep(0.05)
        night = week.start("run", "--date", "2026-11-23", "--wait", "5m")
        out, err = night.communicate(timeout=120)
        assert night.returncode == 0, err
        assert json.loads(out)["delivered"] == 5
        assert backfill.poll() is None  # it is not over yet
        out, err = backfill.communicate(timeout=120)
        assert backfill.returncode == 0, err
        assert [day["delivered"] for day in json.loads(out)["runs"]] == [20, 20, 20]
    finally:
        for call in filter(None, (backfill, night)):
            call.kill()
            call.wait()
    assert record().accepted() == 65


def test_a_wait_that_is_over_is_75(week: Shop, record: Records) -> None:
    week.job = week.job.replace("rate: 1000/s", "rate: 5/s")
    first = week.start("run", "--date", "2026-11-20")
    try:
        while not record().accepted():
            assert first.poll() is None
            time.sleep(0.05)
        assert week.call("run", "--date", "2026-11-22", "--wait", "1s").exit == 75
        assert week.call("run", "--date", "2026-11-22", "--wait", "soon").exit == 2
    finally:
        first.kill()
        first.wait()


def test_a_refused_key_ends_the_range_at_its_first_day(week: Shop, serve: Callable[..., Child]) -> None:
    week.api = serve("refusing", keys=("other",)).url
    ended = week.call("run", *RANGE)
    assert (ended.exit, ended.json["not_reached"]) == (77, 2)


# The cost of a range


def test_a_plan_of_a_range_counts_each_day_and_keeps_nothing(week: Shop, record: Records) -> None:
    ended = week.call("plan", *RANGE)
    assert (ended.exit, ended.json["events"], ended.json["pending"]) == (0, 60, 60)
    assert per_day(ended, "run", "events") == [(f"2026-11-{day}", None, 20) for day in (20, 21, 22)]
    assert record().accepted() == 0
    assert list(week.folder.rglob("outbox.parquet")) == []
    assert [path.name for path in week.folder.rglob("passing-*")] == []


def test_run_plan_only_is_plan(week: Shop, record: Records) -> None:
    planned, only = week.call("plan", *RANGE), week.call("run", *RANGE, "--plan-only")
    assert (only.exit, only.json) == (planned.exit, planned.json)
    assert record().accepted() == 0


def test_a_plan_says_what_each_method_would_cost(week: Shop) -> None:
    cost = week.call("plan", *RANGE, "--set", "delivery.rate=10/s", "--set", "delivery.batch=15").json["cost"]
    assert cost["event"] == {"events": 60, "requests": 60, "rate": 10.0, "hours": round(6 / 3600, 3), "days": 0.0}
    assert (cost["past_events"]["requests"], cost["past_events"]["events"]) == (6, 60)


def test_the_cost_counts_pauses_the_limit_of_the_api_and_the_hours_of_the_window(week: Shop) -> None:
    pauses = ("--set", "delivery.bulk={size: 5, pause: 1h}", "--set", "delivery.rate=1000/s")
    cost = week.call("plan", *RANGE, *pauses, "--set", "delivery.window=06:00-12:00").json["cost"]
    assert (cost["event"]["rate"], cost["past_events"]["rate"]) == (350, 100)
    assert cost["event"]["hours"] == cost["past_events"]["hours"] == 9.0
    assert cost["event"]["days"] == pytest.approx(4 * 9 / 24, rel=0.02)
    assert cost["past_events"]["days"] == pytest.approx(9 / 24, rel=0.02)


def test_what_is_too_old_to_go_live_counts_as_history(week: Shop) -> None:
    ended = week.call("plan", *RANGE, "--set", "delivery.stale=drop", "--set", "delivery.max_age=1s")
    assert ended.json["events"] == 0
    assert (ended.json["cost"]["event"]["events"], ended.json["cost"]["past_events"]["events"]) == (0, 60)


def test_a_plan_names_every_day_that_fails(week: Shop) -> None:
    (week.folder / "20261121.csv").unlink()
    week.write([{"user": "", "url": "/", "time": "x"}], "20261122.csv")
    ended = week.call("plan", *RANGE)
    assert per_day(ended, "exit") == [("2026-11-20", 0), ("2026-11-21", 4), ("2026-11-22", 5)]
    assert (ended.exit, ended.json["not_reached"]) == (5, 0)
    out = week.call("plan", *RANGE, as_json=False).out
    assert "failed: 2026-11-21, exit 4" in out
    assert "failed: 2026-11-22, exit 5 (guard `max_invalid`)" in out


def test_a_plan_of_days_that_were_sent_has_nothing_left(week: Shop) -> None:
    week.call("run", "--date", "2026-11-20")
    assert per_day(week.call("plan", *RANGE), "events") == [("2026-11-20", 0), ("2026-11-21", 20), ("2026-11-22", 20)]


# What is told meanwhile


def test_without_a_terminal_a_range_says_no_line_for_each_day(week: Shop) -> None:
    ended = week.call("run", *RANGE, as_json=False)
    told = ended.err.splitlines()
    assert not [line for line in told if line.startswith("day ")]  # a line a minute at most
    assert told.count(next(line for line in told if line.startswith("account: "))) == 1


def test_status_sums_up_the_days(week: Shop) -> None:
    week.call("run", *RANGE)
    (week.folder / "20261124.csv").write_text((week.folder / "20261122.csv").read_text().replace("11-22", "11-24"))
    week.call("run", "--date", "2026-11-24", "--limit", "3")
    out = week.call("status", as_json=False).out
    assert "4 days, 2026-11-20 … 2026-11-24: 3 finished, 1 open (2026-11-24); between them 1 day without a run" in out


def test_history_that_the_api_does_not_keep_is_said_by_the_plan(week: Shop) -> None:
    week.write(
        [{"user": "u", "url": f"/{year}", "time": f"{year}-01-01T00:00:00Z"} for year in (2020, 2021, 2026)],
        "20261120.csv",
    )
    history = ("--set", "delivery.method=past_events")
    for days in (("--date", "2026-11-20"), RANGE):
        told = [note for note in week.call("plan", *days, *history).json["notes"] if "two years" in note]
        assert len(told) == 1
        assert "2 events from before" in told[0]
        assert "the oldest is of 2020-01-01" in told[0]
        assert not any("two years" in note for note in week.call("plan", *days).json["notes"])
