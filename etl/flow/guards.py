"""What stops a run before its first request (RULES §8, exit 5), judged from the books and the job as they are now."""

from __future__ import annotations

from dataclasses import dataclass

from etl.job.models import Job
from etl.report.books import Books, SentOtherwise


@dataclass(frozen=True, slots=True)
class Stopped:
    """The guard that stops a run, in words."""

    guard: str
    reason: str
    hint: str


def guard_of(books: Books, job: Job, *, trial: bool = False, replay: bool = False) -> Stopped | None:
    """Return the first guard that the books do not pass, or None; a `trial` is a plan of a few keyValues or events.

    How many rows a `replay` has, and how many of them are still invalid, is the analyst's own affair: they were all refused before.
    """
    if not replay and (stopped := _unlike(books, job, trial=trial)):
        return stopped
    if books.reidentified.count and job.changed == "stop":
        return reidentified_guard(books.reidentified)
    if books.stale and job.delivery.method == "event" and job.delivery.stale == "stop":
        return stale_guard(books.stale, books.oldest)
    if books.changed and job.changed == "stop":
        return Stopped(
            "changed",
            f"{books.changed:,} events were sent before with other content (same type, keyValue and time), under another mapping",
            "say changed: send to send them again as they are now, or changed: drop to leave them out",
        )
    if books.forgotten and job.ledger.older == "stop":
        return Stopped(
            "horizon",
            f"{books.forgotten:,} events are from before what the ledger remembers (ledger.keep): nobody knows whether they were sent",
            "say ledger.older: drop to leave them out, or ledger.older: send if they were never sent",
        )
    return None


def _unlike(books: Books, job: Job, *, trial: bool) -> Stopped | None:
    """The guards against an export that is not what it used to be."""
    expect = job.expect
    if expect.rows is not None and books.rows < expect.rows:
        return Stopped(
            "expect",
            f"{books.rows:,} rows, expected at least {expect.rows:,} (expect.rows)",
            "is the export complete? nothing was sent",
        )
    if books.reached and not books.taken and expect.events != 0:
        return Stopped(
            "no_match",
            f"none of {books.reached:,} rows was taken by a rule: no `where` holds",
            "compare the `where` of each event with what its columns hold (`head` of the file, or `clickreplay check`); "
            "where such a night is right, say expect: {events: 0}",
        )
    # A trial keeps a few events on purpose.
    if not trial and expect.events is not None and books.events + books.duplicate["sent_before"] < expect.events:
        return Stopped(
            "expect",
            f"{books.events:,} events, expected at least {expect.events:,} (expect.events)",
            "is the export complete? nothing was sent",
        )
    tried = books.without_unread() if trial else books
    if tried.invalid and tried.invalid_share > job.max_invalid:
        return Stopped(
            "max_invalid",
            f"{tried.invalid:,} invalid of {tried.judged:,} matches ({tried.invalid_share:.1%}), "
            f"more than max_invalid {job.max_invalid:.1%}",
            "`clickreplay rejects JOB` shows each with its place and reasons",
        )
    return None


def reidentified_guard(found: SentOtherwise) -> Stopped:
    """Return the guard for events of rows that went out already, which a changed job gives another keyValue, time or id."""
    events = "1 event" if found.count == 1 else f"{found.count:,} events"
    runs = f"run {found.runs[0]}" if len(found.runs) == 1 else f"runs {', '.join(found.runs)}"
    return Stopped(
        "reidentified",
        f"{events} went out already, in {runs}: same row and type, but another keyValue, time or id under the job as it is now: "
        f"{'; '.join(found.examples)}",
        "say changed: drop in the job to leave them out, as long as the input holds these rows; or changed: send to send them once "
        "more as they are now. If the change of the job was a mistake, take it back",
    )


def stale_guard(count: int, oldest: object) -> Stopped:
    """Return the guard for events that are too old to be sent live (DESIGN, promise 7)."""
    return Stopped(
        "stale",
        f"{count:,} events are older than delivery.max_age (the oldest is of {oldest}); sent live they would start campaigns",
        "say delivery.stale: drop or delivery.stale: send; history belongs into `method: past_events`, which starts none",
    )
