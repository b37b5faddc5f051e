"""A call on a range of dates: one line a day, the sums, and the days that failed (RULES §8)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, timedelta
from typing import Any

from etl.errors import Exit, worst
from etl.report.books import Books
from etl.report.summary import MEANING, Stop, Summary, Unfinished, details

_MOST_NOTES = 6


@dataclass(frozen=True, slots=True)
class Cost:
    """What sending costs by one method: `seconds` of posting, at `rate` requests a second; `days` with its window's hours only."""

    events: int
    requests: int
    rate: float
    seconds: float
    days: float

    def to_json(self) -> dict[str, float]:
        """Return the JSON object."""
        hours, days = round(self.seconds / 3600, 3), round(self.days, 3)
        return {"events": self.events, "requests": self.requests, "rate": self.rate, "hours": hours, "days": days}


@dataclass(frozen=True, slots=True)
class DaysSummary:
    """What a call did on the days from `first` to `last`: a summary for each day that it came to, oldest first.

    `stop` is why the call ended where that is no matter of a day (a signal between two). `costs` are those of a plan, by method,
    and `day_costs` those of each of its days.
    """

    first: date
    last: date
    empty: Summary  # what a day without a run looks like: job, method and destination
    days: tuple[Summary, ...]
    stop: Stop | None = None
    planned: bool = False
    costs: Mapping[str, Cost] = field(default_factory=dict)
    day_costs: tuple[Mapping[str, Cost], ...] = ()
    earlier: tuple[Summary, ...] = ()  # unfinished runs of dates before the first day, which come first
    unfinished: tuple[Unfinished, ...] = ()  # runs that the call leaves

    @property
    def asked(self) -> int:
        """How many days were asked for."""
        return (self.last - self.first).days + 1

    @property
    def failed(self) -> list[Summary]:
        """The days that are not as they should be: their code is neither 0 nor 3."""
        return [day for day in (*self.earlier, *self.days) if day.exit not in (Exit.OK, Exit.PARTIAL)]

    @property
    def exit(self) -> Exit:
        """The worst code of all days."""
        return worst([day.exit for day in (*self.earlier, *self.days)] + ([Exit.AGAIN] if self.stop else []))

    @property
    def total(self) -> Summary:
        """The sums: over every run of every day, so that they balance as each of these does."""
        runs = [*self.earlier, *(run for day in self.days for run in (*day.earlier, day))]
        failed = self.failed[0] if self.failed else None
        return replace(
            self.empty,
            run=None,
            date=None,
            books=_sum([run.books for run in runs]),
            delivered=sum(run.delivered for run in runs),
            rejected=sum(run.rejected for run in runs),
            unknown=sum(run.unknown for run in runs),
            resent=sum(run.resent for run in runs),
            requests=sum(run.requests for run in runs),
            seconds=sum(run.seconds for run in runs),
            guard=failed.guard if failed else None,
            stopped=self.stop or (failed.stopped if failed else None),
            exit=self.exit,
            finished_before=self.nothing_new,
            unfinished=self.unfinished,
            earlier=self.earlier,
            notes=tuple(_notes((*self.earlier, *self.days))),
        )

    @property
    def nothing_new(self) -> bool:
        """True where every day was finished before, or has no input."""
        quiet = [day.finished_before or day.skipped is not None for day in self.days]
        return not self.earlier and not self.planned and all(quiet) and any(day.finished_before for day in self.days)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object: the sums at the top, and `runs` with an object for each day that the call came to."""
        top = self.total.to_json() | {
            "from": self.first.isoformat(),
            "to": self.last.isoformat(),
            "not_reached": self.asked - len(self.days),
        }
        if self.costs:
            top["cost"] = {method: cost.to_json() for method, cost in self.costs.items()}
        return top | {"runs": [day.to_json() for day in self.days]}


def days_to_text(summary: DaysSummary) -> str:
    """Return the summary as lines for people: the table, the sums, what failed, the cost of a plan."""
    total = summary.total
    head = f"{total.job} · {summary.first} … {summary.last} · {total.method} → {total.destination}"
    new = ["nothing new: these days were finished before, and nothing was sent now"] if summary.nothing_new else []
    lines = [*new, head, *_table(summary, total), *details(total)]
    lines += [f"    note: {note}" for note in (*_shortened(total.notes), *summary.unfinished)]
    for method, cost in summary.costs.items():
        lines.append(f"  {method}: {_cost_words(cost)}")
    if summary.costs:
        lines.append(
            "    an event that is in the files of several days counts on the first of them; nothing of this plan is kept"
        )
    for day in summary.failed:
        reason = day.stopped.reason if day.stopped else MEANING[day.exit]
        guard = f" (guard `{day.guard}`)" if day.guard else ""
        lines.append(f"failed: {day.date}, exit {int(day.exit)}{guard}: {reason}")
        lines += [f"    {day.stopped.hint}"] if day.stopped and day.stopped.hint else []
    if summary.stop:
        lines.append(f"stopped: {summary.stop.reason}")
    if total.stopped and total.stopped.resume_at:
        lines.append(f"resumes at {total.stopped.resume_at}")
    if left := summary.asked - len(summary.days):
        since = summary.last - timedelta(days=left - 1)
        why = " no later day goes out before an earlier one is done;" if not summary.planned else ""
        which = f"{since} … {summary.last}" if left > 1 else f"{since}"
        lines.append(f"not reached: {_days(left)}, {which};{why} the same command goes on there")
    meaning = MEANING[summary.exit]
    if summary.planned and summary.exit is Exit.OK:
        meaning = "planned; `clickreplay run` sends it, day by day"
    lines.append(f"exit {int(summary.exit)}: {meaning}")
    return "\n".join(lines)


def _table(summary: DaysSummary, total: Summary) -> list[str]:
    """Return a line a day and one for the sums, in columns."""
    listed = summary.days if summary.planned else (*summary.earlier, *summary.days)
    if summary.planned:
        names = ("rows", "events", *(f"{method} requests" for method in summary.costs))
        by_day = [
            (day.books.rows, day.books.events, *(cost.requests for cost in costs.values()))
            for day, costs in zip(summary.days, summary.day_costs, strict=True)
        ]
        sums = (total.books.rows, total.books.events, *(cost.requests for cost in summary.costs.values()))
    else:
        names = ("rows", "events", "delivered", "rejected", "unknown", "pending")
        by_day = [_counts(day) for day in listed]
        sums = _counts(total)
    cells = [
        (str(day.date), *(f"{count:,}" for count in counts), str(int(day.exit)), _remark(day))
        for day, counts in zip(listed, by_day, strict=True)
    ]
    rows = [("day", *names, "exit", ""), *cells, (_days(len(summary.days)), *(f"{count:,}" for count in sums), "", "")]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if column in (0, len(row) - 1) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _counts(day: Summary) -> tuple[int, ...]:
    runs = (*day.earlier, day)
    return (
        sum(run.books.rows for run in runs),
        sum(run.books.events for run in runs),
        sum(run.delivered for run in runs),
        sum(run.rejected for run in runs),
        sum(run.unknown for run in runs),
        sum(run.pending for run in runs),
    )


def _remark(day: Summary) -> str:
    """Return what a day's line says beside its counts."""
    if day.skipped is not None:
        return "skipped: no input"
    if day.guard:
        return day.guard
    if day.finished_before:
        return "finished before"
    return f"run {', '.join(dict.fromkeys(str(run.run) for run in (*day.earlier, day)))}" if day.run else ""


def _notes(days: Sequence[Summary]) -> list[str]:
    """Return what the days say, each once, with the first day that says it."""
    said: dict[str, str] = {}
    for day in days:
        for note in () if day.finished_before else day.notes:
            said.setdefault(note, day.date or "")
    return [f"{day}: {note}" for note, day in said.items()]


def _shortened(notes: Sequence[str]) -> Sequence[str]:
    more = len(notes) - _MOST_NOTES
    return notes if more <= 1 else [*notes[:_MOST_NOTES], f"and {more} more; --json and --log-format json tell all"]


def _cost_words(cost: Cost) -> str:
    words = f"{cost.events:,} events in {cost.requests:,} requests, {_span(cost.seconds)} at {cost.rate:g} requests a second"
    if cost.days * 86_400 > cost.seconds * 1.01:
        words += f", {cost.days:,.1f} days with the hours of delivery.window"
    return words


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:,.1f} seconds"
    if seconds < 3600:
        return f"{seconds / 60:,.0f} minutes"
    return f"{seconds / 3600:,.1f} hours"


def _days(count: int) -> str:
    return f"{count:,} day{'' if count == 1 else 's'}"


def _sum(books: Sequence[Books]) -> Books:
    """Return books whose counts are the sums of others'; what cannot be summed (keyValues) is left at 0."""
    total = Books()
    for one in books:
        for each in fields(Books):
            mine, theirs = getattr(total, each.name), getattr(one, each.name)
            if isinstance(mine, Counter | int):
                setattr(total, each.name, mine + theirs)
        for reason, place in one.examples.items():
            total.examples.setdefault(reason, place)
        for name, counts in one.lookups.items():
            known = total.lookups.setdefault(name, dict.fromkeys(counts, 0))
            for key, count in counts.items():
                known[key] += count
    total.keys = 0
    total.first = min((one.first for one in books if one.first), default=None)
    total.last = max((one.last for one in books if one.last), default=None)
    total.oldest = min((one.oldest for one in books if one.oldest), default=None)
    return total
