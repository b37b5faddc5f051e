"""`plan` and `run`: go on with what was cut, then plan and post what the input holds more. `decide` says which run comes when."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
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
    ClickreplayError,
    Exit,
    GoneInputError,
    GuardError,
    InputError,
    JobError,
    MissingInputError,
    StateError,
)
from etl.flow import ledger, state
from etl.flow.breakable import End, breakable, interrupted
from etl.flow.contacts import contact_lists, find_contacts
from etl.flow.decide import Call, Decision, Then, decide, finished_before, leaves, present
from etl.flow.guards import Stopped, guard_of, stale_guard
from etl.flow.history import refused_history
from etl.flow.inputs import JobInputs, base, open_inputs, trial, trial_mark
from etl.flow.mended import settle
from etl.flow.opened import opened
from etl.flow.plan import Choice, Progress, Replay, make_plan, present_fingerprint, stale_is_left_out
from etl.flow.progress import DaysProgress
from etl.flow.refused import refused_too_much
from etl.flow.retention import retire
from etl.flow.summary import books_of, summarise
from etl.flow.target import Target, open_target, settings_of
from etl.flow.turns import opened_in_turn
from etl.job.fingerprint import mapping_hash
from etl.job.models import Job
from etl.outbox.pending import Withdrawn, withdrawn
from etl.report.books import Books
from etl.report.summary import Stop, Summary, Unfinished, join
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
    only_date: bool = False
    wait: timedelta = timedelta()  # for another call of the job


@dataclass(frozen=True, slots=True)
class Talk:
    """How a call tells what it does: `planning`, `posting` and `days` are progress, `say` takes a line for people."""

    planning: Progress
    posting: Callable[[Posting], None]
    say: Callable[[str], None]
    days: Callable[[DaysProgress], None] = lambda _: None
    begun: Callable[[str | None, str | None], None] = lambda *_: None  # the run (None before its plan) and its date
    end: End = lambda _: None  # ends the process, and tells why, where planning does not end by itself


class Caller:
    """One call on one job, for one date."""

    def __init__(self, job: Job, choice: Choice, options: Options, talk: Talk, stop: StopFlag) -> None:
        self.job, self.choice, self.options, self.talk, self.stop = job, choice, options, talk, stop
        self.said: set[str] = set()
        self.covers = frozenset({choice.date})  # the dates that the whole call comes to
        self.passes_stale = False  # an earlier run with events that are too old stops a call for one date only
        self.left = options.limit  # events that this call may still send
        if options.state is None and not os.environ.get("CLICKREPLAY_STATE"):
            state.require_own_name(job)
        self.place = state.place_of(job, state.state_folder(job, options.state))
        if options.require_state:
            state.require_ledger(self.place)

    def plan(self) -> Summary:
        """Plan, post nothing; exit as `run` would before its first request."""
        with self.opened() as checkpoint:
            decision = self.decision(checkpoint)
            held = self.held(checkpoint, decision)
            return self.naming(checkpoint, self._plan_present(checkpoint, decision, held))

    def _plan_present(self, checkpoint: Checkpoint, decision: Decision, held: Stopped | None) -> Summary:
        try:
            inputs = self.inputs()
        except MissingInputError as error:
            finished = self.finished_of_date(checkpoint)
            if held is not None:
                return _stopped(self.without_run(), held)
            return self.without_input(error) if finished is None else self.gone_since(checkpoint, finished)
        if held is None and not decision.go_on and (done := self.done(checkpoint, inputs)):
            return done
        run = self._make_plan(checkpoint, inputs)
        stopped = held or self._guard(run)
        summary = self._summary(checkpoint, run, stopped, notes=self._outlook(run))
        return replace(summary, planned=stopped is None)

    def decision(self, checkpoint: Checkpoint, *, earlier: bool = True) -> Decision:
        """Decide what this call does with the runs that are there; `earlier`: with those of earlier dates, too."""
        found = decide(
            self._as_call(earlier=earlier),
            checkpoint.runs(),
            tried=lambda run: _tried(checkpoint, run) > 0,
            overtaken=lambda run: self._overtaken(checkpoint, run),
            where=str(self.place.destination),
        )
        if found.refused is not None:
            raise JobError(found.refused.message, hint=found.refused.hint)
        return found

    def _as_call(self, *, earlier: bool = True) -> Call:
        options = self.options
        return Call(
            kind=self.choice.kind,
            date=self.choice.date,
            method=self.job.delivery.method,
            mapping=mapping_hash(self.job),
            trial=trial_mark(self.choice.trial),
            plan=options.plan,
            finish=options.finish,
            abandon=options.abandon,
            takes_earlier=earlier and not options.only_date,
            covers=self.covers,
        )

    def held(self, checkpoint: Checkpoint, decision: Decision) -> Stopped | None:
        """Return what would stop the unfinished runs that this call goes on with, before a request leaves."""
        for run in decision.go_on:
            if stopped := self._held_by_refusals(checkpoint, run):
                return stopped
            try:
                found = self._no_longer(checkpoint, run)
            except InputError:
                continue
            if found.stale:
                return self._stale(run, found)
        return self._mapping_changed(checkpoint, decision.held) if decision.held is not None else None

    def naming(self, checkpoint: Checkpoint, summary: Summary) -> Summary:
        """Return a summary that names the unfinished runs which this call leaves."""
        return replace(summary, unfinished=self.unfinished(checkpoint, [summary]))

    def unfinished(self, checkpoint: Checkpoint, told: Sequence[Summary]) -> tuple[Unfinished, ...]:
        """Return the unfinished runs whose books `told` does not show, and why they stay so."""
        runs = checkpoint.runs()
        shown = {run.run for one in told for each in (*one.earlier, one) for run in runs if run.name == each.run}
        return tuple(
            Unfinished(left.run.name, left.run.date or None, left.run.kind, _pending_of(checkpoint, left.run), left.why)
            for left in leaves(self._as_call(), runs, shown)
        )

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
        return [
            *refused_history(self.job, self.place.outbox(run.name)),
            lasts,
            *([f"warning: {warning}"] if warning and not delivery.sandbox else []),
            where,
        ]

    def run(self) -> Summary:
        """Go on with what is unfinished, then plan and post what is new; the runs of this call as one summary."""
        with self.opened() as checkpoint:
            with self.retiring(checkpoint):
                summary = self.run_in(checkpoint)
            summary = replace(summary, notes=(*summary.notes, *self.retire(checkpoint)))
            return self.naming(checkpoint, summary)

    def run_in(self, checkpoint: Checkpoint, *, earlier: bool = True) -> Summary:
        """Do what `run` does, for a caller who holds the lock and the checkpoint already."""
        self.talk.begun(None, self.choice.date or None)
        decision = self.decision(checkpoint, earlier=earlier)
        if decision.post is not None:
            return self._post(checkpoint, decision.post)
        if decision.abandon is not None:
            self._close(checkpoint, decision.abandon, "abandoned", Exit.PARTIAL)
        done, ended = self.go_on(checkpoint, decision)
        if not ended or not decision.plans:
            return join(done)
        try:
            return self._run_present(checkpoint, done)
        except ClickreplayError as error:
            if not done and decision.abandon is None:
                raise
            last = decision.go_on[-1] if decision.go_on else decision.abandon
            broken = self._broken(checkpoint, last or checkpoint.runs()[-1], error)
            return join([*done[:-1], broken])

    def go_on(self, checkpoint: Checkpoint, decision: Decision) -> tuple[list[Summary], bool]:
        """Post what unfinished runs have pending, oldest first; return their summaries, and whether all have ended."""
        done: list[Summary] = []
        for run in decision.go_on:
            done.append(self._post(checkpoint, run))
            if done[-1].pending or done[-1].guard or done[-1].stopped:
                done[-1] = self._of_an_earlier_date(done[-1])
                if not (self.passes_stale and done[-1].guard == "stale" and run.date != self.choice.date):
                    return done, False
        if decision.held is not None:
            held = self._summary(checkpoint, decision.held, self._mapping_changed(checkpoint, decision.held))
            done.append(self._of_an_earlier_date(held))
        return done, decision.held is None

    def _of_an_earlier_date(self, summary: Summary) -> Summary:
        """Say that a run of an earlier date has stopped the call, and how to go on."""
        if summary.date == (self.choice.date or None) or self.choice.kind != "main" or self.options.plan is not None:
            return summary
        note = f"run {summary.run} is of an earlier date and comes first: nothing of {self.choice.date} was planned"
        if self.passes_stale and summary.guard == "stale":
            note = f"run {summary.run} is of an earlier date; the dates after it go on"
        return replace(summary, notes=(*summary.notes, note))

    def _run_present(self, checkpoint: Checkpoint, done: list[Summary]) -> Summary:
        """Post the present plan, unless it is finished already."""
        try:
            inputs = self.inputs()
        except GoneInputError as error:
            if done:  # the run that was cut has ended well; that its input is gone is no fault of it
                last = replace(done[-1], notes=(*done[-1].notes, f"{error.message}; nothing new was planned"))
                return join([*done[:-1], last])
            if not isinstance(error, MissingInputError):
                raise
            finished = self.finished_of_date(checkpoint)
            if finished is None:
                return self.without_input(error)
            return self.gone_since(checkpoint, finished)
        then, newest = self._present(checkpoint, inputs)
        if then is Then.DONE and newest is not None:
            return join(done) if done else self._finished(checkpoint, newest)
        if then is Then.PLAN or newest is None:
            newest = self._make_plan(checkpoint, inputs)
        return join([*done, self._post(checkpoint, newest)])

    def done(self, checkpoint: Checkpoint, inputs: JobInputs) -> Summary | None:
        """The summary of a finished run whose inputs are the present ones; None where there is something to plan or to post."""
        then, run = self._present(checkpoint, inputs)
        return self._finished(checkpoint, run) if then is Then.DONE and run is not None else None

    def _present(self, checkpoint: Checkpoint, inputs: JobInputs) -> tuple[Then, RunRow | None]:
        return present(
            self._as_call(),
            present_fingerprint(self.job, self.place, self.choice, inputs),
            checkpoint.runs(),
            overtaken=lambda run: self._overtaken(checkpoint, run),
            postable=self._has_outbox,
            had_future=_had_future,
        )

    def _has_outbox(self, run: RunRow) -> bool:
        """Say whether a plan can still be posted; of a run that has begun, a lost outbox is told when it is posted."""
        return run.state != "planned" or self.place.has_outbox(run.name)

    @contextmanager
    def opened(self) -> Iterator[Checkpoint]:
        """Hold the lock of this call's destination, and its checkpoint."""
        wait = self.options.wait
        with opened_in_turn(self.place, wait, self.stop) if wait else opened(self.place) as checkpoint:
            yield checkpoint

    @contextmanager
    def retiring(self, checkpoint: Checkpoint) -> Iterator[None]:
        """Do what `keep` says also where a call fails, but not where the state itself is in doubt."""
        try:
            yield
        except StateError:
            raise
        except ClickreplayError:
            for line in self.retire(checkpoint):
                self.talk.say(line)
            raise

    def retire(self, checkpoint: Checkpoint) -> list[str]:
        """Take away the contact data that is kept for long enough (`keep`); return lines for people. It never breaks a call."""
        try:
            count, abandoned = retire(self.place, checkpoint, datetime.now(UTC) - self.job.keep)
        except (ClickreplayError, OSError) as error:
            said = error.message if isinstance(error, ClickreplayError) else str(error)
            return [f"warning: old contact data could not be removed: {said}"]
        if not count:
            return []
        days = f"{self.job.keep / timedelta(days=1):g} days"
        return [
            *(
                f"warning: run {name} was unfinished and rested for more than {days} (`keep`): it is abandoned, and what it had pending "
                "was never sent (`purged`)"
                for name in abandoned
            ),
            f"contact data of {count:,} run{'' if count == 1 else 's'} from more than {days} ago was removed (`keep`)",
        ]

    def inputs(self) -> JobInputs:
        """Open the inputs, and say once what was found out about them."""
        with self.breakable():
            inputs = open_inputs(self.job, self.choice.day)
        for note in inputs.source.notes:
            if note not in self.said:
                self.said.add(note)
                self.talk.say(note)
        return inputs

    def _make_plan(self, checkpoint: Checkpoint, inputs: JobInputs) -> RunRow:
        with self.breakable():
            return make_plan(self.job, self.place, checkpoint, self.choice, inputs, self.progress)

    @contextmanager
    def breakable(self) -> Iterator[None]:
        """Let signals and a lack of memory break off the planning within."""
        with breakable(self.stop, self.talk.end):
            yield

    def progress(self, doing: str, rows: int) -> None:
        """Show how far the planning is; end it here when asked to."""
        if self.stop.requested:
            raise interrupted()
        self.talk.planning(doing, rows)

    def finished_of_date(self, checkpoint: Checkpoint) -> RunRow | None:
        """The newest finished run of this call's date: where its input has gone since, nothing is missing."""
        return finished_before("main", self.choice.date, checkpoint.runs()) if self.choice.kind == "main" else None

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

    def _overtaken(self, checkpoint: Checkpoint, plan: RunRow) -> bool:
        """Say whether a run of other inputs or another mapping has sent something since a plan was made.

        Then what the plan knows of the ledger is old: of groups and of changed content, which are judged when planning (RULES §2, 3).
        """
        others = (r for r in checkpoint.runs() if r.run != plan.run and base(r.fingerprint) != base(plan.fingerprint))
        return any(checkpoint.touched_since(other.run, plan.created) for other in others)

    def _post(self, checkpoint: Checkpoint, run: RunRow) -> Summary:
        """Post what is pending of a run, as far as its guards and the API let it."""
        self.talk.begun(run.name, run.date or None)
        if run.state == "planned" and (stopped := self._guard(run)):
            return self._summary(checkpoint, run, stopped)
        try:
            return self._posted(checkpoint, run)
        except ClickreplayError as error:  # whatever it is: what has left until now is told with it
            return self._broken(checkpoint, run, error)

    def _posted(self, checkpoint: Checkpoint, run: RunRow) -> Summary:
        if stopped := self._withdraw(checkpoint, run):
            return self._summary(checkpoint, run, stopped)
        if self._pending(checkpoint, run) == 0:
            return self._ended(checkpoint, run, None)
        if self.left == 0:
            stop = Stop("limit", "--limit is reached; run the same command again to go on")
            return self._summary(checkpoint, run, None, stop=stop, exit_code=Exit.AGAIN)
        checkpoint.update_run(run.run, state="open", method=self.job.delivery.method)
        with open_target(self.job, self.place, self.talk.say) as target:
            if warning := over_the_limit(self.job.delivery.method, self.job.delivery.rate):
                self.talk.say(f"warning: {warning}")
            result = self._deliver(checkpoint, run, target)
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
        found = self._no_longer(checkpoint, run)
        for reason, seqs in found.seqs.items():
            checkpoint.withdraw(run.run, seqs.tolist(), reason)
        return self._stale(run, found) if found.stale else None

    def _no_longer(self, checkpoint: Checkpoint, run: RunRow) -> Withdrawn:
        """Return what of a run may no longer go."""
        delivery = self.job.delivery
        live = delivery.method == "event"
        outbox, books = self.place.outbox(run.name), Books.from_json(run.books)
        timed = not self.job.gives_ids and run.mapping == mapping_hash(self.job)
        since = datetime.fromisoformat(books.first) if books.first and timed else None
        again = _doubted_in(checkpoint, run)
        contacts = contact_lists(find_contacts(self.job, run.day))
        late = run.state == "planned" and stale_is_left_out(self.job, checkpoint, run.kind, run.date)
        with (
            state.storing(self.place),
            TemporaryDirectory(dir=self.place.folder, prefix=self.place.passing) as name,
        ):
            folder = Path(name)
            with connect(memory="500MB", folder=folder, reads=[self.place.folder]) as sql:
                return withdrawn(
                    outbox,
                    checkpoint.settled(run.run, delivery.on_unknown),
                    ledger.sent_files(self.place, checkpoint, folder, since, frozenset({run.run, *again})),
                    sql,
                    oldest=datetime.now(UTC) - delivery.max_age if live and delivery.stale != "send" else None,
                    drop_stale=delivery.stale == "drop" or late,
                    drop_late_carts=live and delivery.late_carts == "drop",
                    contacts=contacts.judge if contacts else None,
                    carts=ledger.sent_files(self.place, checkpoint, folder, since, frozenset({run.run}))
                    if again
                    else None,
                )

    def _stale(self, run: RunRow, found: Withdrawn) -> Stopped:
        """The guard of a run with pending events that have grown too old; of one that has begun, with the way to end it."""
        stopped = stale_guard(found.stale, found.oldest)
        if run.state != "open":
            return stopped
        return replace(stopped, hint=f"{stopped.hint}; or {_abandons(run)}")

    def _pending(self, checkpoint: Checkpoint, run: RunRow) -> int:
        return run.events - len(checkpoint.settled(run.run, self.job.delivery.on_unknown))

    def _ended(self, checkpoint: Checkpoint, run: RunRow, result: Result | None) -> Summary:
        """Close the run when nothing is pending; else say why it stopped."""
        stopped = result.stopped if result else None
        if stopped is None:
            counts = checkpoint.counts(run.run)
            none_valid = run.kind == "replay" and _none_valid(Books.from_json(run.books))
            code = Exit.PARTIAL if counts.rejected or counts.unknown or none_valid else Exit.OK
            self._close(checkpoint, run, "finished", code)
            with state.storing(self.place):
                settle(self.place, checkpoint, run)
            notes = [result.warning] if result and result.warning else []
            notes += ["warning: no row of the file is valid: nothing was sent"] if none_valid else []
            return self._summary(checkpoint, run, None, exit_code=code, notes=notes)
        guard = stopped.guard
        stop = Stop(stopped.reason, stopped.hint, stopped.resume_at)
        if guard == "max_rejected" and (said := self._held_by_refusals(checkpoint, run)):
            stop = Stop(said.reason, said.hint)
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
        with state.storing(self.place):
            ledger.merge(self.place, checkpoint, checkpoint.run(run.run))
            if self.job.ledger.keep is not None:
                ledger.prune(self.place, checkpoint, self.job.ledger.keep, datetime.now(UTC))

    def _finished(self, checkpoint: Checkpoint, run: RunRow) -> Summary:
        """The books of a run that has nothing new, with the code that it finished with."""
        return self._before(checkpoint, run, "its input holds nothing new")

    def gone_since(self, checkpoint: Checkpoint, run: RunRow) -> Summary:
        """The summary of a run that finished before and whose input was taken away."""
        return self._before(checkpoint, run, "its input is gone since")

    def _before(self, checkpoint: Checkpoint, run: RunRow, why: str) -> Summary:
        notes = [f"finished before; {why}"]
        counts = checkpoint.counts(run.run)
        if counts.rejected + counts.unknown and run.exit == Exit.OK:
            notes.append("its rejected and unknown events were delivered by replays since")
        summary = self._summary(checkpoint, run, None, exit_code=Exit(run.exit or 0), notes=notes)
        return replace(summary, finished_before=True)

    def _held_by_refusals(self, checkpoint: Checkpoint, run: RunRow) -> Stopped | None:
        """The guard of a run of which the API has refused too much: it stops again, whatever was mended since."""
        return refused_too_much(run, checkpoint, self.job.delivery.max_rejected)

    def _mapping_changed(self, checkpoint: Checkpoint, run: RunRow) -> Stopped:
        said = self._held_by_refusals(checkpoint, run)
        why = f"; it was stopped before: {said.reason}" if said else ""
        return Stopped(
            "mapping",
            f"run {run.name}{f' of {run.date}' if run.date else ''} is unfinished, and the job's mapping has changed since{why}",
            f"run --finish posts the rest of its outbox as it was planned; {_abandons(run)}",
        )

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


def _pending_of(checkpoint: Checkpoint, run: RunRow) -> int:
    """Return how many events of a run have no verdict yet."""
    counts = checkpoint.counts(run.run)
    return run.events - counts.delivered - counts.rejected - counts.unknown - sum(counts.withdrawn.values())


def _none_valid(books: Books) -> bool:
    return bool(books.invalid) and not books.events + books.duplicate.total() + books.folded


def _abandons(run: RunRow) -> str:
    """Words of how a run is closed."""
    date = f" --date {run.date}" if run.date else ""
    return f"run{date} --abandon closes it (its pending events were never sent) and plans anew"


def _stopped(summary: Summary, guard: Stopped) -> Summary:
    return replace(summary, guard=guard.guard, stopped=Stop(guard.reason, guard.hint), exit=Exit.GUARD)
