"""Replays: a run's rejects once more, as a run of their own with books of their own (RULES §9).

A replay stands apart from the main run of its date, as a trial does: it may be unfinished beside it, and of each run at most one is.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

from etl.delivery.checkpoint import Checkpoint, RunRow, State
from etl.delivery.post import StopFlag
from etl.errors import Exit, GuardError
from etl.files import create_private
from etl.flow.beside import open_beside
from etl.flow.changed_contacts import refuse_changed_contacts
from etl.flow.inputs import JobInputs, settings_of, trial_mark
from etl.flow.origin import copy_origin, read_origin
from etl.flow.plan import Choice, Replay, appear, iso
from etl.flow.run import Caller, Options, Talk
from etl.flow.state import storing
from etl.job.fingerprint import mapping_hash
from etl.job.models import Job
from etl.outbox.forget import with_bodies
from etl.outbox.resent import write_again
from etl.report.books import Books
from etl.report.summary import Summary, join
from etl.source.mended import MendedSource, marked_run
from etl.tables import QUARANTINE


def run_in(job: Job, run: RunRow, folder: Path, file: Path) -> str:
    """Return the name of the run whose rejects a file holds; `run` is any run of the job, with its folder. Raises InputError."""
    return marked_run(file, read_origin(folder).origin.format, settings_of(job, run.day))


class Replayer(Caller):
    """One call that replays a file of mended rows."""

    def __init__(
        self,
        job: Job,
        of: RunRow,
        file: Path,
        options: Options,
        talk: Talk,
        stop: StopFlag,
        *,
        accept_changes: bool = False,
    ) -> None:
        """Raises GuardError, once it runs, where the contacts of the file are others than those refused, unless `accept_changes`."""
        super().__init__(job, Choice(of.day, replay=Replay(of.name, file)), options, talk, stop)
        self._of, self._file, self._held, self._accept = of, file, ExitStack(), accept_changes

    def run(self) -> Summary:
        """Go on with an unfinished replay of the same run, then plan and post what the file holds more."""
        with self._held:
            return super().run()

    def inputs(self) -> JobInputs:
        """Open the mended file as the source, and what the job reads beside it."""
        if self._of.mapping != mapping_hash(self.job):
            raise GuardError(
                "mapping",
                f"the job's mapping has changed since run {self._of.name}, whose rejects these are",
                hint="`clickreplay run` reads the inputs anew with the mapping as it is now; "
                "what it refuses then can be exported and replayed",
            )
        scratch = Path(self._held.enter_context(TemporaryDirectory(dir=self.place.folder, prefix=self.place.passing)))
        origin = read_origin(self.place.run(self._of.name)).origin
        with self.breakable():
            source = MendedSource(self._file, origin, settings_of(self.job, self.choice.day), scratch)
            quarantine = self.place.run(self._of.name) / "quarantine.parquet"
            if not self._accept and quarantine.exists():
                refuse_changed_contacts(self.job, source, quarantine)
            return JobInputs(source, open_beside(self.job, self.choice.day))


class Resender(Caller):
    """One call that sends events of a run once more, exactly as they are: those that the API refused, or those without a verdict."""

    def __init__(self, job: Job, of: RunRow, which: State, options: Options, talk: Talk, stop: StopFlag) -> None:
        again = Replay(of.name, resend="unknown" if which is State.UNKNOWN else "dead_letters")
        # Their bodies are frozen: what the mapping is now is nothing to them.
        super().__init__(job, Choice(of.day, replay=again), replace(options, finish=True), talk, stop)
        self._of, self._which = of, which

    def _run_present(self, checkpoint: Checkpoint, done: list[Summary]) -> Summary:
        of = checkpoint.run(self._of.run)
        found = checkpoint.unknowns(of.run) if self._which is State.UNKNOWN else checkpoint.dead_letters(of.run)
        seqs = with_bodies(self.place.outbox(of.name), [event.seq for event in found])
        if not seqs:
            what = "unknown" if self._which is State.UNKNOWN else "rejected"
            note = f"no event of it is {what}: nothing to send again"
            return self._summary(checkpoint, of, None, exit_code=Exit.OK, notes=[note])
        told = json.dumps([of.fingerprint, seqs]).encode()
        mark = f"{hashlib.sha256(told).hexdigest()[:16]}-{trial_mark(self.choice.trial)}"
        same = [r for r in checkpoint.runs() if r.fingerprint == mark and r.state != "abandoned"]
        if same and same[-1].state == "finished":
            return done[0] if done else self._finished(checkpoint, same[-1])
        run = same[-1] if same and self._has_outbox(same[-1]) else self._again(checkpoint, of, seqs, mark)
        return join([*done, self._post(checkpoint, run)])

    def _again(self, checkpoint: Checkpoint, of: RunRow, seqs: list[int], mark: str) -> RunRow:
        """Record the events as a run in state `planned`; its folder appears whole."""
        place = self.place
        with storing(place):
            folder = place.clear_planning()
            written = write_again(folder / "outbox.parquet", place.outbox(of.name), seqs, folder)
            create_private(folder / "quarantine.parquet")
            pq.write_table(QUARANTINE.empty_table(), folder / "quarantine.parquet")
            copy_origin(place.run(of.name), folder)
            name = appear(place, checkpoint, folder, mark)
        books = Books(
            rows=written.events,
            events=written.events,
            by_type=written.by_type,
            keys=written.keys,
            first=iso(written.first),
            last=iso(written.last),
        )
        number = checkpoint.add_run(
            name=name,
            kind="replay",
            date=of.date,
            mapping=of.mapping,
            fingerprint=mark,
            method=self.job.delivery.method,
            events=written.events,
            books=books.to_json(),
            of=of.run,
            doubted=self._which is State.UNKNOWN,
        )
        return checkpoint.run(number)
