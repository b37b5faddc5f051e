"""`plan` and `run`: go on with what was cut, then plan and post what the input holds more (RULES §2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from etl.delivery.checkpoint import Checkpoint, RunRow
from etl.delivery.methods import over_the_limit
from etl.delivery.post import Progress as Posting
from etl.delivery.post import Result, StopFlag, deliver
from etl.errors import (
    AgainError,
    ClickreplayError,
    Exit,
    GoneInputError,
    GuardError,
    InputError,
    JobError,
    MissingInputError,
)
from etl.flow import ledger, state
from etl.flow.contacts import contact_lists, find_contacts
from etl.flow.guards import Stopped, guard_of, stale_guard
from etl.flow.inputs import JobInputs, base, open_inputs, trial, trial_mark
from etl.flow.opened import opened
from etl.flow.plan import Choice, Progress, Replay, make_plan, present_fingerprint
from etl.flow.progress import DaysProgress
from etl.flow.retention import retire
from etl.flow.summary import books_of, summarise
from etl.flow.target import Target, open_target, settings_of
from etl.job.fingerprint import mapping_hash
from etl.job.models import Job
from etl.outbox.pending import withdrawn
from etl.report.books import Books
from etl.report.summary import Stop, Summary, join
from etl.sql import connect


@dataclass(frozen=True, slots=True)
class Options:
    """What a call asks for, beside its choice."""

    state: Path | None = None
    plan: str | None = None
    limit: int | None = None
    finish: bool = False
    abandon: bool = False
    require_state: bool = False


@dataclass(frozen=True, slots=True)
class Talk:
    """How a call tells what it does: `planning`, `posting` and `days` are progress, `say` takes a line for people."""

    planning: Progress
    posting: Callable[[Posting], None]
    say: Callable[[str], None]
    days: Callable[[DaysProgress], None] = lambda _: None
    begun: Callable[[str | None, str | None], None] = lambda *_: None  # the run (None before its plan) and its date


class Caller:
    """One call on one job, for one date."""

    def __init__(self, job: Job, choice: Choice, options: Options, talk: Talk, stop: StopFlag) -> None:
        self.job, self.choice, self.options, self.talk, self.stop = job, choice, options, talk, stop
        self.said: set[str] = set()
        self.covers = frozenset({choice.date})  # the dates that the whole call comes to
        self.left = options.limit  # events that this call may still send
        self.place = state.place_of(job, state.state_folder(job, options.state))
        if options.require_state:
            state.require_ledger(self.place)

    def plan(self) -> Summary:
        """Plan, post nothing; exit as `run` would before its first request."""
        with self.opened() as checkpoint:
            try:
                inputs = self.inputs()
            except MissingInputError as error:
                return self.without_input(error)
            run = self._make_plan(checkpoint, inputs)
            stopped = self._guard(run)
            notes = [*self._outlook(run), *self._unfinished(checkpoint, also_own=True)]
            summary = self._summary(checkpoint, run, stopped, notes=notes)
            return replace(summary, planned=stopped is None)

    def _outlook(self, run: RunRow) -> list[str]:
        """What posting a plan will take, and where it lies."""
        where = f"the outbox and the quarantine lie in {self.place.run(run.name)}"
        if run.events == 0:
            return [where]
        delivery = self.job.delivery
        requests = run.events if delivery.method == "event" else -(-run.events // delivery.batch)
        seconds = timedelta(seconds=round(requests / delivery.rate))
        lasts = f"posting takes about {seconds} at {delivery.rate:g} requests a second"
        warning = over_the_limit(delivery.method, delivery.rate)
        return [lasts, *([f"warning: {warning}"] if warning and not delivery.sandbox else []), where]

    def run(self) -> Summary:
        """Go on with the unfinished run of this date, then plan and post what is new; the runs of this call as one summary."""
        with self.opened() as checkpoint:
            summary = self.run_in(checkpoint)
            return replace(summary, notes=(*summary.notes, *self.retire(checkpoint)))

    def run_in(self, checkpoint: Checkpoint) -> Summary:
        """Do what `run` does, for a caller who holds the lock and the checkpoint already."""
        done: list[Summary] = []
        self.talk.begun(None, self.choice.date or None)
        unfinished = self._open_run(checkpoint)
        if self.options.plan is not None:
            named = self._named_plan(checkpoint, self.options.plan)
            if named.state == "planned":
                return self._post(checkpoint, named)
            unfinished = named
        if self.options.abandon and unfinished is None:
            raise JobError("--abandon: no run of this job and date is unfinished", hint="see `clickreplay status`")
        if unfinished is not None:
            if not self.options.finish and unfinished.mapping != mapping_hash(self.job):
                if not self.options.abandon:
                    return self._summary(checkpoint, unfinished, _mapping_changed(unfinished))
                self._close(checkpoint, unfinished, "abandoned", Exit.PARTIAL)
            elif self.options.abandon:
                self._close(checkpoint, unfinished, "abandoned", Exit.PARTIAL)
            else:
                done.append(self._post(checkpoint, unfinished))
                if done[0].pending or done[0].guard or done[0].stopped or self.options.plan is not None:
                    return done[0]
        try:
            return self._run_present(checkpoint, done)
        except ClickreplayError as error:
            if not done:
                raise
            return self._broken(checkpoint, unfinished or checkpoint.runs()[-1], error)

    def _run_present(self, checkpoint: Checkpoint, done: list[Summary]) -> Summary:
        """Post the present plan, unless it is finished already."""
        try:
            inputs = self.inputs()
        except GoneInputError as error:
            if done:  # the run that was cut has ended well; that its input is gone is no fault of it
                return replace(done[0], notes=(*done[0].notes, f"{error.message}; nothing new was planned"))
            if not isinstance(error, MissingInputError):
                raise
            finished = self._finished_of_date(checkpoint)
            if finished is None:
                return self.without_input(error)
            return self._before(checkpoint, finished, "its input is gone since")
        mark = present_fingerprint(self.job, self.place, self.choice, inputs)
        same = [
            r
            for r in checkpoint.runs()
            if r.fingerprint == mark and r.kind == self.choice.kind and r.state != "abandoned"
        ]
        newest = same[-1] if same else None
        if newest is not None and newest.state == "planned" and self._overtaken(checkpoint, newest):
            newest = None
        if newest is not None and newest.state == "finished" and not _had_future(newest):
            return done[0] if done else self._finished(checkpoint, newest)
        if newest is None or newest.state == "finished" or not self._has_outbox(newest):
            newest = self._make_plan(checkpoint, inputs)
        return join([*done, self._post(checkpoint, newest)])

    def _has_outbox(self, run: RunRow) -> bool:
        """Say whether a plan can still be posted; of a run that has begun, a lost outbox is told when it is posted."""
        return run.state != "planned" or self.place.has_outbox(run.name)

    @contextmanager
    def opened(self) -> Iterator[Checkpoint]:
        """Hold the lock of this call's destination, and its checkpoint."""
        with opened(self.place) as checkpoint:
            yield checkpoint

    def retire(self, checkpoint: Checkpoint) -> list[str]:
        """Take away the contact data that is kept for long enough (`keep`); return lines for people. It never breaks a call."""
        try:
            count = retire(self.place, checkpoint, datetime.now(UTC) - self.job.keep)
        except (ClickreplayError, OSError) as error:
            said = error.message if isinstance(error, ClickreplayError) else str(error)
            return [f"warning: old contact data could not be removed: {said}"]
        if not count:
            return []
        days = f"{self.job.keep / timedelta(days=1):g} days"
        return [
            f"contact data of {count:,} run{'' if count == 1 else 's'} from more than {days} ago was removed (`keep`)"
        ]

    def inputs(self) -> JobInputs:
        """Open the inputs, and say once what was found out about them."""
        inputs = open_inputs(self.job, self.choice.day)
        for note in inputs.source.notes:
            if note not in self.said:
                self.said.add(note)
                self.talk.say(note)
        return inputs

    def _make_plan(self, checkpoint: Checkpoint, inputs: JobInputs) -> RunRow:
        return make_plan(self.job, self.place, checkpoint, self.choice, inputs, self.progress)

    def progress(self, doing: str, rows: int) -> None:
        """Show how far the planning is; end it here when asked to."""
        if self.stop.requested:
            raise AgainError("interrupted while planning; nothing was sent", hint="run the same command again")
        self.talk.planning(doing, rows)

    def _open_run(self, checkpoint: Checkpoint) -> RunRow | None:
        """The unfinished run that this call goes on with: a trial of the same keyValues, a replay of the same run."""
        runs = [
            r
            for r in checkpoint.runs()
            if r.state == "open" and r.kind == self.choice.kind and r.date == self.choice.date
        ]
        if self.choice.kind != "main":
            runs = [r for r in runs if trial(r.fingerprint) == trial_mark(self.choice.trial)]
        return runs[-1] if runs else None

    def _finished_of_date(self, checkpoint: Checkpoint) -> RunRow | None:
        """The newest finished run of this call's date: where its input has gone since, nothing is missing."""
        wanted = (self.choice.kind, self.choice.date, "finished")
        runs = [r for r in checkpoint.runs() if (r.kind, r.date, r.state) == wanted]
        return runs[-1] if runs and self.choice.day and self.choice.kind == "main" else None

    def without_input(self, error: MissingInputError) -> Summary:
        """The summary of a date that has no input, where the job says that this may be (`source.missing: skip`); else the error."""
        if self.job.source.missing == "error":
            raise error
        return replace(self.without_run(), skipped=error.message)

    def without_run(self) -> Summary:
        """The summary of a date that has no run."""
        return Summary(
            job=self.job.job,
            run=None,
            date=self.choice.date or None,
            method=self.job.delivery.method,
            destination=str(self.place.destination),
            books=Books(),
        )

    def _unfinished(self, checkpoint: Checkpoint, *, also_own: bool = False) -> list[str]:
        """Lines that name the unfinished runs which this call leaves."""
        left = [
            r
            for r in checkpoint.runs()
            if r.state == "open" and (also_own or r.kind != self.choice.kind or r.date not in self.covers)
        ]
        return [
            f"run {r.name}{f' of {r.date}' if r.date else ''}{', a replay,' if r.kind == 'replay' else ''} is unfinished"
            for r in left
        ]

    def _overtaken(self, checkpoint: Checkpoint, plan: RunRow) -> bool:
        """Say whether a run of other inputs or another mapping has sent something since a plan was made.

        Then what the plan knows of the ledger is old: of groups and of changed content, which are judged when planning (RULES §2, 3).
        """
        others = (r for r in checkpoint.runs() if r.run != plan.run and base(r.fingerprint) != base(plan.fingerprint))
        return any(checkpoint.touched_since(other.run, plan.created) for other in others)

    def _named_plan(self, checkpoint: Checkpoint, name: str) -> RunRow:
        found = [r for r in checkpoint.runs() if r.name == name or str(r.run) == name]
        if not found:
            known = ", ".join(r.name for r in checkpoint.runs() if r.state == "planned") or "none"
            raise JobError(f"no plan {name} for {self.place.destination}", hint=f"plans that can be posted: {known}")
        (plan,) = found
        if plan.state in ("finished", "abandoned"):
            raise JobError(f"plan {name} is {plan.state}", hint="run without --plan to post what is new")
        if plan.date != self.choice.date:
            raise JobError(
                f"plan {name} is of {plan.date or 'no date'}, this call of {self.choice.date or 'none'}",
                hint=f"say --date {plan.date}" if plan.date else "leave --date out",
            )
        if plan.state == "planned":
            same = [r for r in checkpoint.runs() if (r.state, r.kind, r.date) == ("open", plan.kind, plan.date)]
            if same and plan.kind == "main":
                raise JobError(
                    f"run {same[-1].name} of the same date is unfinished", hint="run without --plan goes on with it"
                )
            if self._overtaken(checkpoint, plan):
                raise JobError(
                    f"since plan {name} was made, another run has sent events",
                    hint="plan again: what was sent may change the plan",
                )
        return plan

    def _post(self, checkpoint: Checkpoint, run: RunRow) -> Summary:
        """Post what is pending of a run, as far as its guards and the API let it."""
        self.talk.begun(run.name, run.date or None)
        if run.state == "planned" and (stopped := self._guard(run)):
            return self._summary(checkpoint, run, stopped)
        try:
            stopped = self._withdraw(checkpoint, run)
        except InputError as error:  # without its lists of contacts nobody knows for whom nothing may go
            return self._broken(checkpoint, run, error)
        if stopped:
            return self._summary(checkpoint, run, stopped)
        if self._pending(checkpoint, run) == 0:
            return self._ended(checkpoint, run, None)
        if self.left == 0:
            stop = Stop("limit", "--limit is reached; run the same command again to go on")
            return self._summary(checkpoint, run, None, stop=stop, exit_code=Exit.AGAIN)
        try:
            with open_target(self.job, self.place, self.talk.say) as target:
                if warning := over_the_limit(self.job.delivery.method, self.job.delivery.rate):
                    self.talk.say(f"warning: {warning}")
                checkpoint.update_run(run.run, state="open", method=self.job.delivery.method)
                result = self._deliver(checkpoint, run, target)
        except ClickreplayError as error:
            return self._broken(checkpoint, run, error)
        if result.stopped and not _tried(checkpoint, run):
            # Nothing has left: the plan may still be made anew without a word about what was sent.
            checkpoint.update_run(run.run, state="planned")
        return self._ended(checkpoint, run, result)

    def _broken(self, checkpoint: Checkpoint, run: RunRow, error: ClickreplayError) -> Summary:
        """The run as it stands where something stopped it; the error itself where even that cannot be read."""
        guard = Stopped(error.guard, error.message, error.hint or "") if isinstance(error, GuardError) else None
        try:
            return self._summary(checkpoint, run, guard, stop=Stop(error.message, error.hint), exit_code=error.exit)
        except ClickreplayError:
            raise error from None

    def _guard(self, run: RunRow) -> Stopped | None:
        books = Books.from_json(run.books)
        return guard_of(books, self.job, trial=run.kind == "trial", replay=run.kind == "replay")

    def _deliver(self, checkpoint: Checkpoint, run: RunRow, target: Target) -> Result:
        result = deliver(
            self.place.outbox(run.name),
            checkpoint,
            run.run,
            settings_of(self.job, target),
            progress=self.talk.posting,
            stop=self.stop,
            limit=self.left,
        )
        if self.left is not None:
            self.left = max(0, self.left - result.tried)
        return result

    def _withdraw(self, checkpoint: Checkpoint, run: RunRow) -> Stopped | None:
        delivery = self.job.delivery
        live = delivery.method == "event"
        outbox, books = self.place.outbox(run.name), Books.from_json(run.books)
        timed = not self.job.gives_ids and run.mapping == mapping_hash(self.job)
        since = datetime.fromisoformat(books.first) if books.first and timed else None
        again = _doubted_in(checkpoint, run)
        contacts = contact_lists(find_contacts(self.job, self.choice.day))
        with (
            state.storing(self.place.folder),
            TemporaryDirectory(dir=self.place.folder, prefix=self.place.passing) as name,
        ):
            folder = Path(name)
            with connect(memory="500MB", folder=folder, reads=[self.place.folder]) as sql:
                found = withdrawn(
                    outbox,
                    checkpoint.settled(run.run, delivery.on_unknown),
                    ledger.sent_files(self.place, checkpoint, folder, since, frozenset({run.run, *again})),
                    sql,
                    oldest=datetime.now(UTC) - delivery.max_age if live and delivery.stale != "send" else None,
                    drop_stale=delivery.stale == "drop",
                    drop_late_carts=live and delivery.late_carts == "drop",
                    contacts=contacts.judge if contacts else None,
                    carts=ledger.sent_files(self.place, checkpoint, folder, since, frozenset({run.run}))
                    if again
                    else None,
                )
        for reason, seqs in found.seqs.items():
            checkpoint.withdraw(run.run, seqs.tolist(), reason)
        return stale_guard(found.stale, found.oldest) if found.stale else None

    def _pending(self, checkpoint: Checkpoint, run: RunRow) -> int:
        return run.events - len(checkpoint.settled(run.run, self.job.delivery.on_unknown))

    def _ended(self, checkpoint: Checkpoint, run: RunRow, result: Result | None) -> Summary:
        """Close the run when nothing is pending; else say why it stopped."""
        stopped = result.stopped if result else None
        if stopped is None:
            counts = checkpoint.counts(run.run)
            code = Exit.PARTIAL if counts.rejected or counts.unknown else Exit.OK
            self._close(checkpoint, run, "finished", code)
            notes = [*([result.warning] if result and result.warning else []), *self._unfinished(checkpoint)]
            return self._summary(checkpoint, run, None, exit_code=code, notes=notes)
        guard = stopped.guard
        stop = Stop(stopped.reason, stopped.hint, stopped.resume_at)
        return self._summary(
            checkpoint,
            run,
            Stopped(guard, stop.reason, stop.hint or "") if guard else None,
            stop=stop,
            exit_code=stopped.exit,
        )

    def _close(self, checkpoint: Checkpoint, run: RunRow, how: str, code: Exit) -> None:
        """End a run: its books stand, and its ids go into the ledger, which forgets what is older than the job says."""
        if checkpoint.remembers(run.run):
            self.place.outbox(run.name)  # without it the run stays as it is, and says so
        books = books_of(self.place, checkpoint, run)
        checkpoint.update_run(run.run, state=how, exit=int(code), books=books.to_json())
        with state.storing(self.place.folder):
            ledger.merge(self.place, checkpoint, checkpoint.run(run.run))
        if self.job.ledger.keep is not None:
            ledger.prune(self.place, checkpoint, self.job.ledger.keep, datetime.now(UTC))

    def _finished(self, checkpoint: Checkpoint, run: RunRow) -> Summary:
        """The books of a run that has nothing new, with the code that it finished with."""
        return self._before(checkpoint, run, "its input holds nothing new")

    def _before(self, checkpoint: Checkpoint, run: RunRow, why: str) -> Summary:
        notes = [f"finished before; {why}", *self._unfinished(checkpoint)]
        summary = self._summary(checkpoint, run, None, exit_code=Exit(run.exit or 0), notes=notes)
        return replace(summary, finished_before=True)

    def _summary(
        self,
        checkpoint: Checkpoint,
        run: RunRow,
        guard: Stopped | None,
        *,
        stop: Stop | None = None,
        exit_code: Exit = Exit.OK,
        notes: list[str] | None = None,
    ) -> Summary:
        if at := self.place.purged(run.name):
            notes = [
                *(notes or []),
                f"its contact data was removed on {at[:10]} (`keep`, or `purge`); counts and ids stay",
            ]
        if guard is not None and stop is None:
            stop, exit_code = Stop(guard.reason, guard.hint), Exit.GUARD
        return summarise(
            self.job,
            self.place,
            checkpoint,
            checkpoint.run(run.run),
            guard=guard.guard if guard else None,
            stopped=stop,
            exit_code=exit_code,
            notes=notes or [],
        )


def _tried(checkpoint: Checkpoint, run: RunRow) -> int:
    """Return how many events of a run have been sent, or tried."""
    counts = checkpoint.counts(run.run)
    return counts.delivered + counts.rejected + counts.unknown + counts.sent


def _doubted_in(checkpoint: Checkpoint, run: RunRow) -> list[int]:
    """Return the runs in which the outcome of every event of a run is unknown: it was made to send them once more."""
    found: list[int] = []
    while run.of is not None and trial(run.fingerprint) == trial_mark(
        Choice(replay=Replay(checkpoint.run(run.of).name, resend="unknown")).trial
    ):
        run = checkpoint.run(run.of)
        found.append(run.run)
    return found


def _had_future(run: RunRow) -> bool:
    """Say whether a plan left events out because their time had not come yet: it may have by now."""
    return bool(Books.from_json(run.books).invalid_reasons["future"])


def _mapping_changed(run: RunRow) -> Stopped:
    return Stopped(
        "mapping",
        f"run {run.name} is unfinished, and the job's mapping has changed since",
        "run --finish posts the rest of its outbox as it was planned; "
        "run --abandon closes it (its pending events were never sent) and plans anew",
    )
