"""`plan`: from the inputs to a frozen outbox, with its books."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import starmap
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from etl.address import masked_address
from etl.delivery.checkpoint import Checkpoint, RunRow
from etl.files import create_private, sync
from etl.flow.cart_rest import add_rest
from etl.flow.contacts import contact_lists
from etl.flow.decide import finished_before
from etl.flow.inputs import JobInputs, fingerprint
from etl.flow.ledger import horizon, sent_files
from etl.flow.origin import keep_origin
from etl.flow.prepare import Prepared, Preparer
from etl.flow.senders import Earlier, Plan, in_words
from etl.flow.side_by_side import side_by_side, worker_count
from etl.flow.state import Place, number_of, storing
from etl.flow.unlike import told_with_columns
from etl.job.fingerprint import mapping_hash
from etl.job.models import Job
from etl.job.template import dated
from etl.mapping.match_times import MovedTimes
from etl.outbox.elimination import Policy, eliminate
from etl.outbox.render import STAGED
from etl.outbox.staging import Staging
from etl.outbox.write import write_outbox
from etl.report.books import Books
from etl.source.mended import MendedSource
from etl.source.reader import Source
from etl.sql import connect, fetch, literal
from etl.tables import QUARANTINE

Progress = Callable[[str, int], None]  # what is being done, how many rows so far
Sent = Callable[[datetime | None], list[Path]]  # files (SENT) of what is taken for sent, from this time on


#: How many places a warning names.
_MOST_PLACES = 3


@dataclass(frozen=True, slots=True)
class Replay:
    """A run's refused rows, mended, in `file`; without one its events as they are: `resend` says which."""

    of: str
    file: Path | None = None
    resend: str = ""  # dead_letters or unknown

    @property
    def of_number(self) -> int:
        """The number of the run."""
        return number_of(self.of)


@dataclass(frozen=True, slots=True)
class Choice:
    """What one call plans: the date that fills the templates, what a trial keeps, what a replay replays."""

    day: date | None = None
    only: frozenset[str] = frozenset()
    sample: int | None = None
    replay: Replay | None = None

    @property
    def kind(self) -> str:
        """`replay` of another run's rejects, `trial` where the call keeps only a part, else `main`."""
        if self.replay is not None:
            return "replay"
        return "trial" if self.only or self.sample is not None else "main"

    @property
    def trial(self) -> list[str]:
        """What of a trial or replay goes into its fingerprint: runs that are apart from the main one."""
        if self.replay is not None:
            return [f"replay {self.replay.of} {self.replay.resend}"]
        return [*sorted(self.only), f"sample={self.sample}"] if self.kind == "trial" else []

    @property
    def date(self) -> str:
        """The date as the checkpoint keeps it."""
        return self.day.isoformat() if self.day else ""


def present_fingerprint(job: Job, place: Place, choice: Choice, inputs: JobInputs) -> str:
    """Return the fingerprint that a plan made now would have."""
    return fingerprint(job, place.destination.address, choice.day, inputs, choice.trial)


def make_plan(
    job: Job, place: Place, checkpoint: Checkpoint, choice: Choice, inputs: JobInputs, progress: Progress
) -> RunRow:
    """Read the inputs, write outbox and quarantine, and record the plan as a run in state `planned`.

    The folder of the run appears whole: until then everything lies in `planning/`, which the next plan clears.
    """
    now = datetime.now(UTC)
    mark = present_fingerprint(job, place, choice, inputs)
    with storing(place):
        folder = place.clear_planning()
        planner = _Planner(job, place, checkpoint, choice, inputs, now, folder, progress)
        books = planner.run()
        keep_origin(folder, inputs, planner.first_rows, planner.digests, job.source.path)
        for file in inputs.files:
            file.prove()
        name = appear(place, checkpoint, folder, mark)
    run = checkpoint.add_run(
        name=name,
        kind=choice.kind,
        date=choice.date,
        mapping=mapping_hash(job),
        fingerprint=mark,
        method=job.delivery.method,
        events=books.events,
        books=books.to_json(),
        of=choice.replay.of_number if choice.replay else None,
    )
    return checkpoint.run(run)


def appear(place: Place, checkpoint: Checkpoint, folder: Path, mark: str) -> str:
    """Let a folder in which all of a plan lies be that of the next run, whole and on the disk; return the run's name."""
    number = max((run.run for run in checkpoint.runs()), default=0) + 1
    name = f"{number:06d}-{mark[:6]}"
    checkpoint.announce([name])
    shutil.rmtree(place.run(name), ignore_errors=True)  # of a plan of this call that could not be recorded
    sync(folder)
    folder.rename(place.run(name))
    sync(place.runs)
    return name


def count_plan(
    job: Job, place: Place, checkpoint: Checkpoint, choice: Choice, inputs: JobInputs, progress: Progress, sent: Sent
) -> Books:
    """Return the books that a plan would have, and record none.

    `sent` gives what else is taken for sent: the plans of the days before. Its outbox lies in `planning/` until the next plan.
    """
    with storing(place):
        folder = place.clear_planning()
        books = _Planner(job, place, checkpoint, choice, inputs, datetime.now(UTC), folder, progress, sent).run()
        for file in inputs.files:
            file.prove()
    return books


class _Planner:
    def __init__(
        self,
        job: Job,
        place: Place,
        checkpoint: Checkpoint,
        choice: Choice,
        inputs: JobInputs,
        now: datetime,
        folder: Path,
        progress: Progress,
        also_sent: Sent = lambda _: [],
    ) -> None:
        self.also_sent = also_sent
        self.job, self.place, self.checkpoint, self.choice, self.source = job, place, checkpoint, choice, inputs.source
        source = inputs.source
        self.now, self.folder, self.progress = now, folder, progress
        self.books = Books()
        self.examples: dict[str, tuple[int, int]] = {}
        self.moved_times = MovedTimes()
        untimed = any((rule.time or job.time) is None for rule in job.events)
        self.files = source.files
        self.first_rows = [source.first_rows_hash(i) for i in range(len(self.files))] if untimed else None
        lookups, contacts = inputs.beside.tables(inputs.source), contact_lists(inputs.beside.contacts)
        job = dated(job, choice.day)
        with told_with_columns(source):
            self.preparer = Preparer(
                job, source.schema, self.files, self.first_rows, now, choice.only, lookups, contacts,
                own=source.own, limited=choice.replay is not None, new=_is_new(checkpoint),
            )  # fmt: skip
        self.books.lookups = {name: {"rows": 0, "found": 0} for name in job.lookups}

    def run(self) -> Books:
        """Plan in the folder; return the books."""
        books = self.books
        quarantine = self.folder / "quarantine.parquet"
        create_private(quarantine)
        with (
            pq.ParquetWriter(quarantine, QUARANTINE, compression="zstd") as self.quarantine,
            Staging(self.folder) as staging,
        ):
            staging.add_events(STAGED.empty_table())
            workers = [self.preparer, *(self.preparer.beside() for _ in range(worker_count() - 1))]
            batches = starmap(self.preparer.begin, enumerate(self.source.batches(self.preparer.columns)))
            for prepared in side_by_side([worker.prepare for worker in workers], batches):
                for rule, lines in prepared.lines:
                    staging.add_lines(rule, lines)
                self._take(prepared, staging)
                self.progress("reading", books.rows)
            with connect(memory="500MB", folder=self.folder, reads=[self.place.folder]) as sql:
                self._add_rest(staging, sql)
                carts = (
                    (shape, lines)
                    for shape in self.preparer.shapes
                    if shape.folds
                    for lines in staging.sorted_lines(shape.index, sql)
                )
                for prepared in side_by_side([worker.fold for worker in workers], carts):
                    self._take(prepared, staging)
                staging.close()
                self.progress("ordering", books.rows)
                self._eliminate(staging.events, sql)
        # A replay keeps its lines: they were mended, so nobody else knows them, and a later replay may need them for a cart.
        lines = () if self.choice.replay is not None else self.folder.glob("lines-*")
        for leftover in (*self.folder.glob("staged*"), *lines, *self.folder.glob("sent-*")):
            leftover.unlink()
        shutil.rmtree(self.folder / "spill", ignore_errors=True)
        books.doubts = self.source.doubts() if isinstance(self.source, Source) else []
        moved = self.moved_times
        books.times_twice, books.times_later, books.times_skipped = moved.twice, moved.later, moved.skipped
        books.carts_twice = len(moved.carts)
        books.carts_twice_at = [f"{self.files[file]}:{row}" for file, row in sorted(moved.carts)[:_MOST_PLACES]]
        books.doubts += doubts_of_absent(self.preparer.absent)
        books.doubts += [
            f"lookup {name} has no row (or `where` keeps none): nothing matches" for name in self.preparer.empty_lookups
        ]
        books.examples = {reason: f"{self.files[file]}:{row}" for reason, (file, row) in self.examples.items()}
        if books.balance != 0:
            raise AssertionError(f"the books do not balance by {books.balance}: {books}")
        return books

    def _take(self, prepared: Prepared, staging: Staging) -> None:
        books = self.books
        books.rows += prepared.rows
        books.extra += prepared.extra
        books.filtered += prepared.filtered
        books.invalid += prepared.invalid
        books.unread += prepared.unread
        books.invalid_reasons += prepared.invalid_reasons
        for reason, place in prepared.examples.items():
            self.examples[reason] = min(place, self.examples.get(reason, place))
        books.folded += prepared.folded
        books.reached += prepared.reached
        books.taken += Counter({str(rule): count for rule, count in prepared.taken.items()})
        books.short_carts += prepared.short_carts
        self.moved_times.add(prepared.moved_times)
        for name, counts in books.lookups.items():
            counts["rows"] += prepared.asked
            counts["found"] += prepared.partners[name]
        if prepared.repeats:
            books.duplicate["exact"] += prepared.repeats
        for table in prepared.quarantine:
            self.quarantine.write_table(table)
        for events in prepared.events:
            staging.add_events(events)

    def _eliminate(self, staged: Path, sql) -> None:  # type: ignore[no-untyped-def]
        job, delivery = self.job, self.job.delivery
        types = tuple(rule.type for rule in job.events)
        live = delivery.method == "event"
        policy = Policy(
            types=types,
            dedupe=tuple(shape.dedupe for shape in self.preparer.shapes),
            now=self.now,
            mapping=mapping_hash(job),
            max_age=delivery.max_age if live else None,
            stale=self._stale(),
            max_per_contact=delivery.max_per_contact,
            zone=job.time.zone if job.time else "UTC",
            sample=self.choice.sample,
            drop_late_carts=live and delivery.late_carts == "drop",
            changed=job.changed,
            horizon=horizon(self.checkpoint),
            older=job.ledger.older,
        )
        since = self._since(staged, sql)
        sent = [*sent_files(self.place, self.checkpoint, self.folder, since), *self.also_sent(since)]
        earlier = self._earlier()
        self.digests = earlier.read(self.source, lambda: self.progress("ordering", self.books.rows))
        gone = eliminate(
            staged, sent, policy, sql, self._relatives(), lambda: earlier.senders(self.folder, *self._span(staged, sql))
        )
        written = write_outbox(self.folder / "outbox.parquet", staged, types, sql)
        books = self.books
        books.duplicate += gone.duplicate
        books.filtered += gone.filtered
        books.events, books.by_type, books.keys = written.events, written.by_type, written.keys
        books.first, books.last = iso(written.first), iso(written.last)
        books.stale, books.oldest, books.changed = gone.stale, iso(gone.oldest), gone.changed
        books.forgotten = gone.forgotten
        books.reidentified = in_words(self.place, gone.reidentified)
        books.left_out = in_words(self.place, gone.left_out)

    def _earlier(self) -> Earlier:
        """The runs that have sent something, as this plan asks them."""
        replay = self.choice.replay
        replayed = self._root(replay.of_number) if replay else None
        paths = tuple(masked_address(path) for path in self.job.source.path)
        return Earlier(self.place, self.checkpoint, Plan(self.choice.date, mapping_hash(self.job), paths, replayed))

    def _stale(self) -> str:
        """What is done with events that are too old: late rows of a day that was finished before stop no night."""
        late = stale_is_left_out(self.job, self.checkpoint, self.choice.kind, self.choice.date)
        return "late" if late else self.job.delivery.stale

    def _add_rest(self, staging: Staging, sql: duckdb.DuckDBPyConnection) -> None:
        """Make the carts of a replay whole: their other lines are rows that are read again."""
        if self.choice.replay is not None and isinstance(self.source, MendedSource):
            root = self._root(self.choice.replay.of_number)
            replays = [run for run in reversed(self._family(root)) if run.run != root.run]
            more = add_rest(self.job, self.place, root, replays, self.source, staging, sql)
            self.books.rows += more

    def _root(self, number: int) -> RunRow:
        """The run that read the inputs of which a run is a replay, over all steps."""
        run = self.checkpoint.run(number)
        return run if run.of is None else self._root(run.of)

    def _relatives(self) -> list[Path]:
        """The outboxes of the run whose rejects are replayed, and of its other replays: with this plan they are one.

        Raises JobError where they were purged: an event of another row, in the same second, would pass for an older form of this one.
        """
        if self.choice.replay is None:
            return []
        runs = self._family(self._root(self.choice.replay.of_number))
        for run in runs:
            self.place.require_contact_data(run.name)
        return [self.place.outbox(run.name) for run in runs if self.place.has_outbox(run.name)]

    def _family(self, root: RunRow) -> list[RunRow]:
        """The run that read the inputs and all replays of its rejects, the oldest first."""
        return [run for run in self.checkpoint.runs() if self._root(run.run).run == root.run]

    def _since(self, staged: Path, sql) -> datetime | None:  # type: ignore[no-untyped-def]
        """Return the earliest time that matters in the ledger: that of the first event; None where an id says nothing of its time."""
        return None if self.job.gives_ids else self._span(staged, sql)[0]

    def _span(self, staged: Path, sql) -> tuple[datetime | None, datetime | None]:  # type: ignore[no-untyped-def]
        """Return the times of the first and the last event; None where events have no time."""
        file = literal(str(staged))
        (span,) = fetch(
            sql, f"SELECT min(instant) AS first, max(instant) AS last FROM read_parquet({file})"
        ).to_pylist()
        return span["first"], span["last"]


def _is_new(checkpoint: Checkpoint) -> bool:
    """Say whether the job has never run to its end: then a name that no row has may be a typing error."""
    return not any(run.kind == "main" and run.state == "finished" for run in checkpoint.runs())


def doubts_of_absent(names: Sequence[str]) -> list[str]:
    """Say which names of the job no row has: on a quiet night that is right, else one of them is mistyped."""
    if not names:
        return []
    shown = ", ".join(f"`{name}`" for name in names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    return [f"no row of this input has {shown}: null there (right on a quiet night; else check the spelling)"]


def stale_is_left_out(job: Job, checkpoint: Checkpoint, kind: str, date: str) -> bool:
    """Say whether events that are too old fall out with a warning, where the job says that they stop a run: late rows of a finished day."""
    if job.delivery.stale != "stop" or kind == "replay":
        return False
    return finished_before("main", date, checkpoint.runs()) is not None


def iso(instant: datetime | None) -> str | None:
    """Return an instant as the books have it: ISO 8601 in UTC, to the second."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if instant is not None else None
