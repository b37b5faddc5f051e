"""Several days: sums that balance, a line a day, what failed and what was not reached."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta

from etl.errors import Exit
from etl.report.books import Books
from etl.report.days import Cost, DaysSummary, days_to_text
from etl.report.summary import Stop, Summary

FIRST = date(2026, 11, 20)
EMPTY = Summary("shop", None, None, "event", "sandbox", Books())


def day(number: int, **changes: object) -> Summary:
    books = Books(
        rows=10, extra=2, filtered=Counter(no_rule=1), invalid=2, duplicate=Counter(exact=1), folded=3, events=5
    )
    found = replace(
        EMPTY, run=f"{number:06d}-abcdef", date=str(FIRST + timedelta(days=number)), books=books, delivered=5
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def days(*found: Summary, asked: int | None = None, **more: object) -> DaysSummary:
    last = FIRST + timedelta(days=(asked or len(found)) - 1)
    return DaysSummary(FIRST, last, EMPTY, found, **more)  # type: ignore[arg-type]


def test_the_sums_are_those_of_every_run_of_every_day() -> None:
    found = days(day(0, earlier=(day(0, delivered=4, rejected=1),)), day(1)).to_json()
    assert (found["rows"], found["events"], found["delivered"], found["rejected"], found["pending"]) == (
        30,
        15,
        14,
        1,
        0,
    )
    assert (found["filtered"], found["duplicate"]) == ({"no_rule": 3}, {"exact": 3})
    assert [run["date"] for run in found["runs"]] == ["2026-11-20", "2026-11-21"]
    assert "30 rows + 6 extra = 3 filtered + 6 invalid + 3 duplicate + 9 folded + 15 events" in days_to_text(
        days(day(0), day(1), day(2))
    )


def test_the_worst_day_is_the_code_and_the_first_that_failed_the_reason() -> None:
    failed = day(1, run=None, books=Books(), delivered=0, stopped=Stop("no input", "look"), exit=Exit.INPUT)
    found = days(day(0, exit=Exit.PARTIAL), failed, asked=5)
    assert found.exit is Exit.INPUT
    top = found.to_json()
    assert (top["exit"], top["stopped"]["reason"], top["not_reached"]) == (4, "no input", 3)
    lines = days_to_text(found).splitlines()
    assert "failed: 2026-11-21, exit 4: no input" in lines
    assert any(line.startswith("not reached: 3 days, 2026-11-22 … 2026-11-24;") for line in lines)


def test_a_signal_between_two_days_is_no_matter_of_a_day() -> None:
    found = days(day(0), asked=2, stop=Stop("interrupted", "again"))
    assert (found.exit, found.failed) == (Exit.AGAIN, [])
    assert found.to_json()["stopped"]["reason"] == "interrupted"


def test_when_to_come_back_stands_at_the_top() -> None:
    closed = day(1, delivered=0, stopped=Stop("closed", None, "2026-11-25T09:00:00Z"), exit=Exit.AGAIN)
    found = days(day(0), closed, asked=3)
    assert found.to_json()["stopped"]["resume_at"] == "2026-11-25T09:00:00Z"
    assert "resumes at 2026-11-25T09:00:00Z" in days_to_text(found).splitlines()


def test_the_columns_stand_below_each_other() -> None:
    lines = days_to_text(days(day(0), day(1, skipped="gone"), day(2, finished_before=True))).splitlines()[1:5]
    assert len({line.index("  0") for line in lines[1:4]}) == 1
    assert [line.rsplit("  ", 1)[-1] for line in lines[1:]] == [
        "run 000000-abcdef",
        "skipped: no input",
        "finished before",
    ]


def test_a_note_that_every_day_has_is_told_once() -> None:
    text = days_to_text(
        days(*(day(n, notes=("one of all", f"own {n}") if n < 3 else ("one of all",)) for n in range(9)))
    )
    assert text.count("one of all") == 1
    assert "note: 2026-11-21: own 1" in text


def test_the_cost_is_told_by_method() -> None:
    live, past = Cost(1000, 1000, 50.0, 7200.0, 0.25), Cost(1000, 2, 50.0, 0.04, 0.0)
    costs = {"event": live, "past_events": past}
    text = days_to_text(days(day(0), planned=True, costs=costs, day_costs=(costs,)))
    assert "event: 1,000 events in 1,000 requests, 2.0 hours at 50 requests a second, 0.2 days" in text
    assert "past_events: 1,000 events in 2 requests, 0.0 seconds at 50 requests a second\n" in text
