"""What a task does about the exit code and the summary of `clickreplay run`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from etl.errors import Exit


class Then(Enum):
    """What becomes of the task."""

    SUCCEED = "success"
    WARN = "success, with a warning"
    SKIP = "skipped"
    RETRY = "failed, tried again as its `retries` say"
    WAIT = "waits until a time, without a slot and without using a retry"
    FAIL = "failed, not tried again"


# People have to act first: a bug, a mistake, a guard, a refused key. An export (4) may only be late, and 75 says so itself.
_BY_CODE = {
    Exit.OK: Then.SUCCEED,
    Exit.BUG: Then.FAIL,
    Exit.USAGE: Then.FAIL,
    Exit.PARTIAL: Then.WARN,
    Exit.INPUT: Then.RETRY,
    Exit.GUARD: Then.FAIL,
    Exit.AGAIN: Then.RETRY,
    Exit.REFUSED: Then.FAIL,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of the task, in words too; `at` is when one that waits goes on."""

    then: Then
    words: str
    at: datetime | None = None


def outcome_of(code: int, summary: Mapping[str, Any] | None, *, fail_on_rejects: bool = False) -> Outcome:
    """Return what an exit code (DESIGN) and the JSON of a run ask for; a negative code is the signal that ended the process."""
    if code < 0:
        return Outcome(Then.RETRY, f"ended by signal {-code}; the next try goes on where it was cut")
    if code not in _BY_CODE:
        return Outcome(Then.FAIL, f"exit {code}, which clickreplay does not know: was something else started?")
    then, said = _BY_CODE[Exit(code)], _words(code, summary or {})
    if summary is None:
        return Outcome(then, said)
    if then is Then.SUCCEED and _skipped(summary):
        return Outcome(Then.SKIP, said)
    if then is Then.WARN and fail_on_rejects:
        return Outcome(Then.FAIL, f"{said} (fail_on_rejects)")
    if code == Exit.AGAIN and (at := _resume_at(summary)):
        return Outcome(Then.WAIT, f"{said}; goes on at {at.isoformat()}", at)
    return Outcome(then, said)


def summary_of(stdout: str) -> dict[str, Any] | None:
    """Return the JSON object of `--json`; None where a process that was cut left none."""
    try:
        found = json.loads(stdout)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _words(code: int, summary: Mapping[str, Any]) -> str:
    """One line, which stands in the task's log and in what is mailed."""
    stopped = summary.get("stopped") or {}
    counts = ", ".join(
        f"{summary[name]:,} {name}" for name in ("delivered", "rejected", "unknown", "pending") if summary.get(name)
    )
    reasons = filter(None, (counts, summary.get("skipped"), stopped.get("reason"), stopped.get("hint")))
    return ": ".join(filter(None, (f"exit {code}", "; ".join(reasons))))


def _skipped(summary: Mapping[str, Any]) -> bool:
    """True where there was no input on any day, and the job takes that as it comes (`source.missing: skip`)."""
    runs = summary.get("runs")
    return all("skipped" in run for run in runs) if runs else "skipped" in summary


def _resume_at(summary: Mapping[str, Any]) -> datetime | None:
    text = (summary.get("stopped") or {}).get("resume_at")
    if not text:
        return None
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
