"""One model of a run: the contract's JSON, and both equations for people."""

from collections import Counter

import pytest

from etl.errors import Exit, worst
from etl.report.books import Books
from etl.report.summary import Stop, Summary, join, to_text


def books(**values: object) -> Books:
    made = Books(
        rows=10,
        extra=2,
        filtered=Counter(no_rule=1),
        invalid=2,
        invalid_reasons=Counter(time=2),
        duplicate=Counter(exact=1),
    )
    made.folded, made.events, made.by_type = 3, 5, Counter(pageViewed=5)
    for name, value in values.items():
        setattr(made, name, value)
    return made


def summary(**values: object) -> Summary:
    return Summary(
        **{
            "job": "j",
            "run": "000001-a",
            "date": None,
            "method": "event",
            "destination": "sandbox",
            "books": books(),
            **values,
        }
    )  # type: ignore[arg-type]


def test_books_balance_or_say_by_how_much_they_do_not() -> None:
    assert books().balance == 0
    assert books(events=4).balance == 1


def test_books_survive_their_json() -> None:
    assert Books.from_json(books().to_json()) == books()


def test_the_share_of_invalid_leaves_out_what_was_filtered() -> None:
    assert books().invalid_share == pytest.approx(2 / 11)
    assert Books().invalid_share == 0


def test_pending_is_what_has_no_verdict() -> None:
    assert summary(delivered=2, rejected=1, unknown=1).pending == 1


def test_people_see_both_equations_and_a_stop_with_its_hint() -> None:
    text = to_text(
        summary(delivered=5, stopped=Stop("interrupted", "run again", "2026-11-25T09:00:00Z"), exit=Exit.AGAIN)
    )
    assert "10 rows + 2 extra = 1 filtered + 2 invalid + 1 duplicate + 3 folded + 5 events" in text
    assert "5 events = 5 delivered + 0 rejected + 0 unknown + 0 pending" in text
    assert "stopped: interrupted; resumes at 2026-11-25T09:00:00Z" in text
    assert text.endswith("exit 75: not finished: run again to go on")


def test_an_equation_that_does_not_hold_says_so() -> None:
    assert "≠" in to_text(summary(books=books(events=4)))


def test_several_runs_of_one_call_are_the_last_with_the_earlier_ones_and_the_worst_code() -> None:
    joined = join([summary(run="1", exit=Exit.PARTIAL), summary(run="2")])
    found = joined.to_json()
    assert (found["run"], found["exit"], [one["run"] for one in found["earlier"]]) == ("2", 3, ["1"])
    assert "earlier" not in summary().to_json()


def test_the_worst_code_is_in_the_order_of_the_rules() -> None:
    order = [Exit.BUG, Exit.REFUSED, Exit.USAGE, Exit.GUARD, Exit.INPUT, Exit.AGAIN, Exit.PARTIAL, Exit.OK]
    for position, code in enumerate(order):
        assert worst(order[position:]) is code
    assert worst([]) is Exit.OK
