"""One model of a plan or run, rendered as the JSON of DESIGN or as lines for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from etl.errors import Exit, worst
from etl.report.books import Books
from schemas.faults import explain


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a call ended before every event had its verdict."""

    reason: str
    hint: str | None = None
    resume_at: str | None = None

    def to_json(self) -> dict[str, str | None]:
        """Return the JSON object `stopped`."""
        return {"reason": self.reason, "resume_at": self.resume_at, "hint": self.hint}


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An unfinished run that a call leaves, with its events that have no verdict yet, and why it is left."""

    run: str
    date: str | None
    kind: str
    pending: int
    why: str

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {"run": self.run, "date": self.date, "kind": self.kind, "pending": self.pending, "why": self.why}

    def __str__(self) -> str:
        kind = "" if self.kind == "main" else f", a {self.kind},"
        of = f" of {self.date}" if self.date else ""
        return f"run {self.run}{of}{kind} is unfinished ({_n(self.pending)} pending): {self.why}"


@dataclass(frozen=True, slots=True)
class Summary:
    """A plan or a run: `books` with the withdrawn events moved to their reasons, and what became of the events."""

    job: str
    run: str | None  # None where no run was planned
    date: str | None
    method: str
    destination: str
    books: Books
    delivered: int = 0
    rejected: int = 0
    unknown: int = 0
    resent: int = 0
    requests: int = 0
    seconds: float = 0.0
    guard: str | None = None
    stopped: Stop | None = None
    exit: Exit = Exit.OK
    notes: tuple[str, ...] = ()
    planned: bool = False  # nothing was posted, nor was it asked for
    finished_before: bool = False  # this call had nothing to do
    skipped: str | None = None  # why there was nothing to plan, where the job takes that as it comes
    earlier: tuple[Summary, ...] = field(default=())
    of: str | None = None  # the run whose rejects it replays
    unfinished: tuple[Unfinished, ...] = ()  # runs that the call leaves

    @property
    def pending(self) -> int:
        """Events without a verdict yet."""
        return self.books.events - self.delivered - self.rejected - self.unknown

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of DESIGN; finished runs of the same call stand in `earlier`."""
        books = self.books
        own: dict[str, Any] = {
            "job": self.job,
            "run": self.run,
            "date": self.date,
            "method": self.method,
            "destination": self.destination,
            "rows": books.rows,
            "extra": books.extra,
            "filtered": dict(books.filtered),
            "invalid": books.invalid,
            "invalid_reasons": dict(books.invalid_reasons),
            "duplicate": dict(books.duplicate),
            "folded": books.folded,
            "events": books.events,
            "by_type": dict(books.by_type),
            "delivered": self.delivered,
            "rejected": self.rejected,
            "unknown": self.unknown,
            "pending": self.pending,
            "resent": self.resent,
            "requests": self.requests,
            "seconds": round(self.seconds, 3),
            "guard": self.guard,
            "stopped": self.stopped.to_json() if self.stopped else None,
            "exit": int(self.exit),
            "finished_before": self.finished_before,
            "notes": list(self.notes),
            "unfinished": [one.to_json() for one in self.unfinished],
        }
        if self.of is not None:
            own["of"] = self.of
        if books.lookups:
            own["lookups"] = books.lookups
        if self.skipped is not None:
            own["skipped"] = self.skipped
        if self.earlier:
            own["earlier"] = [one.to_json() for one in self.earlier]
        return own


def join(summaries: Sequence[Summary]) -> Summary:
    """Return the last of several runs of one call, with the earlier ones in `earlier` and the worst exit code (RULES §8)."""
    *earlier, last = summaries
    if not earlier:
        return last
    return replace(last, earlier=tuple(earlier), exit=worst([one.exit for one in summaries]))


def to_text(summary: Summary) -> str:
    """Return the summary as lines for people: both equations, each with its parts."""
    parts = [to_text(one) for one in summary.earlier]
    lines = ["nothing new: it was finished before, and nothing was sent now"] if summary.finished_before else []
    where = " · ".join(filter(None, (summary.job, _run(summary), summary.date)))
    lines += [f"{where} · {summary.method} → {summary.destination}"]
    lines += [f"skipped: {summary.skipped}"] if summary.skipped is not None else details(summary)
    lines += [f"    note: {note}" for note in (*summary.notes, *summary.unfinished)]
    if summary.guard:
        sent = "nothing more was sent" if summary.requests else "nothing was sent"
        lines.append(f"stopped by guard `{summary.guard}`: {sent}")
    if summary.stopped:
        lines.append(
            f"stopped: {summary.stopped.reason}"
            + (f"; resumes at {summary.stopped.resume_at}" if summary.stopped.resume_at else "")
        )
        lines += [f"    {summary.stopped.hint}"] if summary.stopped.hint else []
    meaning = "planned; `clickreplay run` posts it" if summary.planned else MEANING[summary.exit]
    lines.append(f"exit {int(summary.exit)}: {meaning}")
    return "\n".join([*parts, *lines])


def _run(summary: Summary) -> str | None:
    return summary.run and f"run {summary.run}" + (f", a replay of {summary.of}" if summary.of else "")


def details(summary: Summary) -> list[str]:
    """Return both equations, each with its parts."""
    b = summary.books
    lines = [
        _equation(
            {"rows": b.rows, "extra": b.extra},
            {
                "filtered": b.filtered.total(),
                "invalid": b.invalid,
                "duplicate": b.duplicate.total(),
                "folded": b.folded,
                "events": b.events,
            },
        ),
    ]
    for title, counts in (("filtered", b.filtered), ("duplicate", b.duplicate)):
        lines += [f"    {title}: {_list(counts)}"] if counts else []
    for reason, count in b.invalid_reasons.most_common(_MOST_REASONS):
        lines.append(f"    invalid: {reason} {_n(count)}, first at {b.examples.get(reason, '?')}. {explain(reason)}")
    if len(b.invalid_reasons) > _MOST_REASONS:
        lines.append(
            f"    invalid: {len(b.invalid_reasons) - _MOST_REASONS} more reasons; each stands in the quarantine"
        )
    if b.events:
        lines.append(
            f"    events: {_list(b.by_type)}"
            + (f"; {_n(b.keys)} keyValues" if b.keys else "")
            + (f"; {b.first} … {b.last}" if b.first else "")
        )
    for name, joined in b.lookups.items():
        lines.append(f"    lookup {name}: {_n(joined['found'])} of {_n(joined['rows'])} rows found a partner")
    if b.times_twice or b.times_skipped:
        lines.append(
            f"    local times: {_n(b.times_twice)} occur twice ({_passages(b)}), {_n(b.times_skipped)} do not occur (moved forward)"
        )
    lines.append(
        _equation(
            {"events": b.events},
            {
                "delivered": summary.delivered,
                "rejected": summary.rejected,
                "unknown": summary.unknown,
                "pending": summary.pending,
            },
        )
    )
    if summary.requests:
        rate = f", {summary.requests / summary.seconds:,.1f}/s" if summary.seconds > 0 else ""
        resent = f", {_n(summary.resent)} resent" if summary.resent else ""
        lines.append(f"    {_n(summary.requests)} requests in {summary.seconds:,.1f} s{rate}{resent}")
    return lines


def _passages(books: Books) -> str:
    if not books.times_later:
        return "the earlier was taken"
    return f"the earlier was taken, but for {_n(books.times_later)} after the clock went back in their file"


_MOST_REASONS = 6
MEANING = {
    Exit.OK: "every event delivered, or nothing to do",
    Exit.BUG: "a bug",
    Exit.USAGE: "usage or job file",
    Exit.PARTIAL: "finished, but some events were rejected or are unknown",
    Exit.INPUT: "input missing or unreadable",
    Exit.GUARD: "stopped by a guard",
    Exit.AGAIN: "not finished: run again to go on",
    Exit.REFUSED: "credentials, account or endpoint refused",
}


def _equation(left: dict[str, int], right: dict[str, int]) -> str:
    def side(parts: dict[str, int]) -> str:
        return " + ".join(f"{_n(count)} {name}" for name, count in parts.items())

    sign = "=" if sum(left.values()) == sum(right.values()) else "≠"
    return f"  {side(left)} {sign} {side(right)}"


def _list(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {_n(count)}" for name, count in counts.most_common())


def _n(count: int) -> str:
    return f"{count:,}"
