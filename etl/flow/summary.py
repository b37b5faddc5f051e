"""A run as its summary: the books of its plan, less what was withdrawn since, and the checkpoint's counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pyarrow.parquet as pq

from etl.delivery.checkpoint import Checkpoint, RunRow
from etl.errors import Exit
from etl.flow.state import Place, storing
from etl.flow.told import warnings_of
from etl.job.models import Job
from etl.report.books import Books
from etl.report.summary import Stop, Summary

#: Reasons of a withdrawal that are kinds of `filtered`; the others are duplicates (DESIGN, reasons).
FILTERED = frozenset({"stale", "max_per_contact", "suppressed", "unknown_contact", "horizon", "purged"})


def books_of(place: Place, checkpoint: Checkpoint, run: RunRow) -> Books:
    """Return the books of a run; a withdrawn event has moved from `events` to its reason (RULES §2).

    Those of a run that has ended are kept so.
    """
    books = Books.from_json(run.books)
    if run.state in ("finished", "abandoned"):
        return books
    for reason, seqs in checkpoint.withdrawn(run.run).items():
        (books.filtered if reason in FILTERED else books.duplicate)[reason] += len(seqs)
        books.events -= len(seqs)
        books.by_type -= _types_of(place, run, seqs)
    return books


def _types_of(place: Place, run: RunRow, seqs: Sequence[int]) -> Counter[str]:
    with storing(place):
        types = pq.read_table(place.outbox(run.name), columns=["type"])["type"]
    return Counter(types.take(list(seqs)).to_pylist())


def summarise(
    job: Job,
    place: Place,
    checkpoint: Checkpoint,
    run: RunRow,
    *,
    guard: str | None = None,
    stopped: Stop | None = None,
    exit_code: Exit = Exit.OK,
    notes: Sequence[str] = (),
) -> Summary:
    """Return the summary of a run as the checkpoint knows it now."""
    counts = checkpoint.counts(run.run)
    books = books_of(place, checkpoint, run)
    unsent = Summary(
        job=job.job,
        run=run.name,
        of=checkpoint.run(run.of).name if run.of is not None else None,
        date=run.date or None,
        method=job.delivery.method,
        destination=str(place.destination),
        books=books,
        guard=guard,
        stopped=stopped,
        exit=exit_code,
        notes=(*warnings_of(books, job, replay=run.of is not None), *notes),
    )
    return replace(
        unsent,
        delivered=counts.delivered,
        rejected=counts.rejected,
        unknown=counts.unknown + counts.sent,  # what has left and has no verdict, where a call had to end at once
        resent=run.resent,
        requests=run.requests,
        seconds=run.seconds,
    )
