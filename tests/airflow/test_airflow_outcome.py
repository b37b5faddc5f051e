"""What a task does about an exit code."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from etl.airflow.outcome import Then, outcome_of, summary_of
from etl.errors import Exit


@pytest.mark.parametrize(
    ("code", "then"),
    [
        (0, Then.SUCCEED),
        (1, Then.FAIL),
        (2, Then.FAIL),
        (3, Then.WARN),
        (4, Then.RETRY),  # the export may only be late
        (5, Then.FAIL),
        (75, Then.RETRY),
        (77, Then.FAIL),
        (-9, Then.RETRY),  # killed: the next try goes on where it was cut
        (126, Then.FAIL),
    ],
)
def test_an_exit_code_has_one_meaning(code: int, then: Then) -> None:
    assert outcome_of(code, {"exit": code}).then is then
    assert outcome_of(code, None).then is then


def test_every_exit_code_has_a_meaning() -> None:
    assert all("does not know" not in outcome_of(code, None).words for code in Exit)


def test_rejects_fail_only_where_that_is_asked_for() -> None:
    summary = {"exit": 3, "rejected": 2, "unknown": 1, "delivered": 1000}
    assert outcome_of(3, summary).words == "exit 3: 1,000 delivered, 2 rejected, 1 unknown"
    assert outcome_of(3, summary, fail_on_rejects=True).then is Then.FAIL


def stopped(resume_at: str | None) -> dict[str, Any]:
    return {"exit": 75, "stopped": {"reason": "outside delivery.window", "hint": "run again", "resume_at": resume_at}}


def test_a_stop_that_says_until_when_is_waited_for() -> None:
    outcome = outcome_of(75, stopped("2026-11-23T07:00:00Z"))
    assert (outcome.then, outcome.at) == (Then.WAIT, datetime(2026, 11, 23, 7, tzinfo=UTC))
    assert outcome_of(75, stopped(None)).then is Then.RETRY


def test_a_day_without_input_is_skipped_and_a_range_only_where_no_day_had_any() -> None:
    skipped, done = {"exit": 0, "skipped": "nothing found"}, {"exit": 0}
    assert outcome_of(0, skipped).then is Then.SKIP
    assert outcome_of(0, {"runs": [skipped, skipped]}).then is Then.SKIP
    assert outcome_of(0, {"runs": [skipped, done]}).then is Then.SUCCEED


@pytest.mark.parametrize("text", ["", "{", "[1]", "Killed"])
def test_a_process_that_was_cut_leaves_no_summary(text: str) -> None:
    assert summary_of(text) is None
