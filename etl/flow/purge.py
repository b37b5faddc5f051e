"""`purge`: contact data out of the state folder of a job, by age or of a person, at all its destinations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from etl.delivery.checkpoint import Checkpoint, RunRow
from etl.errors import JobError
from etl.flow import state
from etl.flow.opened import opened
from etl.flow.retention import remove_old
from etl.flow.state import Place, places_of, storing
from etl.flow.traces import Traces
from etl.job.models import Job
from etl.outbox.forget import blank_events, events_of, rewrite
from etl.report.purged import Purged, PurgedPlace, PurgedRun
from etl.sandbox.forget import forget
from etl.sql import connect

_REASON = "purged"


def purge_old(job: Job, given: Path | None, age: timedelta, *, dry_run: bool) -> Purged:
    """Take away the contact data of runs that ended longer than `age` ago. Raises AgainError, JobError, StateError."""
    before = datetime.now(UTC) - age
    with _all_opened(job, given) as found:
        done = tuple(remove_old(place, checkpoint, before, dry_run=dry_run) for place, checkpoint in found)
    return Purged(job.job, done, dry_run)


def purge_contacts(job: Job, given: Path | None, traces: Traces, *, dry_run: bool) -> Purged:
    """Take persons out of all runs that are kept, and withdraw what is pending for them or holds an address or a phone of theirs.

    It can be repeated after a kill: what was found once and not yet taken is found again. Raises AgainError, JobError, StateError.
    """
    with _all_opened(job, given) as found:
        done = tuple(_purge(place, checkpoint, traces, dry_run=dry_run) for place, checkpoint in found)
    notes = ("what later input holds of them is planned anew: list them in `contacts.suppress`",)
    return Purged(job.job, done, dry_run, notes)


@contextmanager
def _all_opened(job: Job, given: Path | None) -> Iterator[list[tuple[Place, Checkpoint]]]:
    """Open every destination of the job before anything is taken away: where a call is at work at one, nothing is."""
    folder = state.state_folder(job, given)
    with ExitStack() as stack:
        found = [(place, stack.enter_context(opened(place))) for place in places_of(job, folder) if place.exists]
        if not found:
            raise JobError(f"nothing has been planned yet in {folder}", hint="is --state right?")
        yield found


def _purge(place: Place, checkpoint: Checkpoint, traces: Traces, *, dry_run: bool) -> PurgedPlace:
    runs = []
    with (
        storing(place),
        TemporaryDirectory(dir=place.folder, prefix=place.passing) as name,
    ):
        for run in checkpoint.runs():
            one = _Kept(place, checkpoint, run, traces, Path(name)).purge(dry_run=dry_run)
            if one.anything:
                runs.append(one)
        arrived = forget(place.folder / "sandbox.sqlite", judge=traces.judge_bodies, only_count=dry_run)
    return PurgedPlace(str(place.destination), tuple(runs), arrived)


class _Kept:
    """What is kept of one run."""

    def __init__(self, place: Place, checkpoint: Checkpoint, run: RunRow, traces: Traces, folder: Path) -> None:
        self._checkpoint, self._run, self._traces, self._passing = checkpoint, run, traces, folder
        self._outbox = place.run(run.name) / "outbox.parquet"
        self._quarantine = place.run(run.name) / "quarantine.parquet"

    def purge(self, *, dry_run: bool) -> PurgedRun:
        events, withdrawn, answers = self._events(dry_run=dry_run)
        refused = self._refused(dry_run=dry_run)
        if not dry_run:
            self._forget_lines()
        run = self._run
        return PurgedRun(run.name, run.date or None, run.state, events, refused, answers, withdrawn)

    def _events(self, *, dry_run: bool) -> tuple[int, int, int]:
        """Their events: how many, how many of them pending, of how many the API's answer was kept."""
        if not self._outbox.exists():
            return 0, 0, 0
        with connect(memory="500MB", folder=self._passing, reads=[self._outbox.parent]) as sql:
            seqs = events_of(self._outbox, self._traces.judge, self._traces.mentioned, sql)
        if not len(seqs):
            return 0, 0, 0
        run, checkpoint = self._run.run, self._checkpoint
        unfinished = self._run.state in ("planned", "open")
        pending = checkpoint.may_go(run, seqs) if unfinished else 0
        answers = checkpoint.answers(run, seqs)
        if not dry_run:
            # What has lost its body must not be sent: that it may not is on the disk first.
            if unfinished:
                checkpoint.withdraw(run, seqs.tolist(), _REASON, durable=True)
            checkpoint.forget_answers(run, seqs)
            blank_events(self._outbox, seqs, self._passing)
        return len(seqs), pending, answers

    def _forget_lines(self) -> None:
        """Take their lines out of what a replay keeps of its carts."""
        for file in self._outbox.parent.glob("lines-*.parquet"):
            if self._without_lines(pq.read_table(file)).num_rows < pq.read_metadata(file).num_rows:
                rewrite(file, self._without_lines, self._passing)

    def _without_lines(self, rows: pa.Table) -> pa.Table:
        known = [name for name in rows.column_names if name == "key" or name.startswith("contact.")]
        return rows.filter(pa.array(~self._traces.judge(rows.select(known)))) if "key" in known else rows

    def _refused(self, *, dry_run: bool) -> int:
        """Rows of the quarantine whose original holds an id of theirs: place and reasons stay."""
        if not self._quarantine.exists():
            return 0
        count = 0
        with pq.ParquetFile(self._quarantine) as file:
            for group in range(file.num_row_groups):
                originals = file.read_row_group(group, columns=["original"])["original"]
                count += pc.sum(self._theirs(originals)).as_py() or 0
        if count and not dry_run:
            rewrite(self._quarantine, self._without_originals, self._passing)
        return count

    def _theirs(self, originals: pa.ChunkedArray) -> pa.ChunkedArray:
        return pc.fill_null(self._traces.judge_texts(originals), False)

    def _without_originals(self, rows: pa.Table) -> pa.Table:
        theirs = self._theirs(rows["original"])
        at = rows.column_names.index("original")
        kept = pc.if_else(theirs, pa.scalar(None, pa.string()), rows["original"])
        return rows.set_column(at, rows.schema.field(at), kept)
