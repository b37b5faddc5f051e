"""A call on many days: one run a day, oldest first, each with its own books.

Strictly one after the other: no day is begun before the one before it is done, so no event of a key overtakes an earlier day's. A day that
is done in part (rejected, unknown) is done; one that could not be finished ends the call, and the same command goes on there. A day whose
events are too old (guard `stale`) ends with its own code, and the days after it go on: waiting would not make its events younger.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from etl.delivery.checkpoint import Checkpoint
from etl.delivery.post import StopFlag
from etl.errors import AgainError, ClickreplayError, Exit, GuardError, JobError, MissingInputError
from etl.flow import ledger
from etl.flow.cost import costs
from etl.flow.decide import Decision
from etl.flow.guards import Stopped, guard_of
from etl.flow.history import refused_history
from etl.flow.plan import Choice, count_plan
from etl.flow.progress import DaysWatch
from etl.flow.run import Caller, Options, Talk
from etl.flow.told import warnings_of
from etl.flow.turns import is_awaited, opened_again
from etl.job.fingerprint import mapping_hash
from etl.job.models import Job
from etl.report.books import Books
from etl.report.days import DaysSummary
from etl.report.summary import Stop, Summary

_INTERRUPTED = Stop("interrupted", "run the same command again to go on")
_GOES_ON = (Exit.OK, Exit.PARTIAL)


class DaysCaller:
    """One call on one job, for several days."""

    def __init__(
        self,
        job: Job,
        days: Sequence[date],
        choice: Choice,
        options: Options,
        talk: Talk,
        stop: StopFlag,
        *,
        looks_back: bool = False,
    ) -> None:
        _refuse_options_of_one_day(options)
        self._job, self._days, self._choice, self._options = job, tuple(days), choice, options
        self._stop, self._say, self._said = stop, talk.say, set[str]()
        self._watch = DaysWatch(len(days), talk.days)
        self._talk = replace(talk, planning=self._watch.planning, posting=self._watch.posting, say=self._say_once)
        self._left = options.limit
        self._looks_back = looks_back  # the last few days: one without input is no fault, but for the newest

    def run(self) -> DaysSummary:
        """Go on with earlier dates, then with each day, and plan and send what is new of it; end where a run cannot be finished."""
        done: list[Summary] = []
        stop = None
        first = self._caller(self._days[0])
        with ExitStack() as held:
            checkpoint = held.enter_context(first.opened())
            with first.retiring(checkpoint):
                earlier, ended = self._go_on_with_earlier(first, checkpoint)
            self._left = first.left
            for day in self._days if ended else ():
                if self._stop.requested:
                    stop = _INTERRUPTED
                    break
                if done and is_awaited(first.place):  # another date's turn, between two days of this range
                    held.close()
                    try:
                        checkpoint = held.enter_context(opened_again(first.place, self._stop))
                    except AgainError:
                        return self._ended(first, done, earlier, _INTERRUPTED)
                self._watch.begin(day)
                caller = self._caller(day)
                done.append(self._run_day(caller, checkpoint, is_first=not done))
                self._left = caller.left
                self._watch.ended(done[-1].books.events)
                if done[-1].exit not in _GOES_ON and done[-1].guard != "stale":
                    break
            if done:
                # Of all days: a day that was finished before has no notes in the table.
                for line in first.retire(checkpoint):
                    self._say(line)
            left = first.unfinished(checkpoint, [*earlier, *done])
        return replace(self._ended(first, done, earlier, stop), unfinished=left)

    def _ended(
        self, first: Caller, done: Sequence[Summary], earlier: Sequence[Summary], stop: Stop | None
    ) -> DaysSummary:
        ends = self._days[0], self._days[-1]
        return DaysSummary(*ends, first.without_run(), tuple(done), stop, earlier=tuple(earlier))

    def _go_on_with_earlier(self, first: Caller, checkpoint: Checkpoint) -> tuple[list[Summary], bool]:
        """Go on with the unfinished runs of dates before the first day; say whether the days may begin."""
        decision = first.decision(checkpoint)
        before = first.choice.date
        runs = tuple(run for run in decision.go_on if run.date < before)
        held = decision.held if decision.held is not None and decision.held.date < before else None
        return first.go_on(checkpoint, replace(decision, go_on=runs, held=held))

    def _run_day(self, caller: Caller, checkpoint: Checkpoint, *, is_first: bool) -> Summary:
        try:
            return caller.run_in(checkpoint, earlier=False)
        except MissingInputError as error:
            if not self._may_be_missing(caller):
                return _failed(caller, error, is_first=is_first)
            return _skipped(caller, error.message)
        except ClickreplayError as error:
            return _failed(caller, error, is_first=is_first)

    def _may_be_missing(self, caller: Caller) -> bool:
        return self._looks_back and caller.choice.day != self._days[-1]

    def plan(self) -> DaysSummary:
        """Plan each day as if those before it had been sent, keep the counts and no outbox; go on after a day that fails."""
        done: list[Summary] = []
        books: list[Books] = []
        stop = None
        first = self._caller(self._days[0])
        place = first.place
        with (
            first.opened() as checkpoint,
            TemporaryDirectory(dir=place.folder, prefix=place.passing) as folder,
        ):
            before = _Before(Path(folder), self._job)
            decision = first.decision(checkpoint)
            held = first.held(checkpoint, decision) if self._is_before(decision) else None
            for day in self._days:
                if self._stop.requested:
                    stop = _INTERRUPTED
                    break
                self._watch.begin(day)
                caller = self._caller(day)
                done.append(self._plan_day(caller, checkpoint, before, is_first=not done))
                books.append(done[-1].books)
                self._watch.ended(done[-1].books.events)
                if done[-1].exit is Exit.AGAIN:
                    break
            place.clear_planning().rmdir()
            left = first.unfinished(checkpoint, ())
        if held is not None and done:
            done[0] = _stopped(done[0], held)
        return DaysSummary(
            self._days[0],
            self._days[-1],
            first.without_run(),
            tuple(done),
            stop,
            planned=True,
            costs=costs(self._job, books),
            day_costs=tuple(costs(self._job, [one]) for one in books),
            unfinished=left,
        )

    def _is_before(self, decision: Decision) -> bool:
        """Say whether a run of a date before the first day comes first."""
        runs = [*decision.go_on, *([decision.held] if decision.held else [])]
        return any(run.date < self._days[0].isoformat() for run in runs)

    def _plan_day(self, caller: Caller, checkpoint: Checkpoint, before: _Before, *, is_first: bool) -> Summary:
        job, place, choice = self._job, caller.place, caller.choice
        try:
            try:
                inputs = caller.inputs()
            except MissingInputError as error:
                if (run := caller.finished_of_date(checkpoint)) is not None:
                    return _finished(caller, caller.gone_since(checkpoint, run))
                return _skipped(caller, error.message) if self._may_be_missing(caller) else caller.without_input(error)
            decision = caller.decision(checkpoint, earlier=False)
            held = caller.held(checkpoint, decision)
            if held is None and not decision.go_on and (finished := caller.done(checkpoint, inputs)):
                return _finished(caller, finished)
            with caller.breakable():
                found = count_plan(job, place, checkpoint, choice, inputs, caller.progress, before.files)
        except ClickreplayError as error:
            return _failed(caller, error, is_first=is_first)
        outbox = place.planning / "outbox.parquet"
        before.add(outbox, found)
        notes = (*warnings_of(found, job), *refused_history(job, outbox))
        stopped = held or guard_of(found, job, trial=choice.kind == "trial")
        summary = replace(caller.without_run(), books=found, planned=True, notes=notes)
        return summary if stopped is None else _stopped(summary, stopped)

    def _caller(self, day: date) -> Caller:
        options = replace(self._options, limit=self._left)
        caller = Caller(self._job, replace(self._choice, day=day), options, self._talk, self._stop)
        caller.covers = frozenset(day.isoformat() for day in self._days)
        caller.passes_stale = True
        return caller

    def _say_once(self, line: str) -> None:
        """Say what is said of each day (the account, the sandbox, the shape of a log) for the first of them only; warnings once each."""
        if line not in self._said and (self._watch.is_first or line.startswith("warning")):
            self._said.add(line)
            self._say(line)


class _Before:
    """What the days before are taken to have sent, as files (SENT): a day's overlap with them counts as sent before."""

    def __init__(self, folder: Path, job: Job) -> None:
        self._folder, self._mapping = folder, mapping_hash(job)
        self._timed = all((rule.time or job.time) is not None for rule in job.events)
        self._files: list[tuple[Path, datetime | None]] = []

    def add(self, outbox: Path, books: Books) -> None:
        """Take the outbox of a day as sent."""
        if books.events:
            path = self._folder / f"planned-{len(self._files):06d}.parquet"
            ledger.write_planned(path, outbox, self._mapping)
            self._files.append((path, datetime.fromisoformat(books.last) if self._timed and books.last else None))

    def files(self, since: datetime | None) -> list[Path]:
        """Return the files that may hold something of the day before `since`, or later, or without a time."""
        return [path for path, last in self._files if since is None or last is None or last >= since - ledger.DAY]


def _failed(caller: Caller, error: ClickreplayError, *, is_first: bool) -> Summary:
    """The summary of a day that could not even be planned; a mistake of the job is told at the first day, as for one day."""
    if isinstance(error, JobError) and is_first:
        raise error
    guard = error.guard if isinstance(error, GuardError) else None
    stop = _INTERRUPTED if isinstance(error, AgainError) else Stop(error.message, error.hint)
    return replace(caller.without_run(), guard=guard, stopped=stop, exit=error.exit)


def _finished(caller: Caller, before: Summary) -> Summary:
    """A day of a plan that was finished before: there is nothing to send, and nothing to count."""
    return replace(caller.without_run(), finished_before=True, exit=before.exit, notes=before.notes, planned=True)


def _skipped(caller: Caller, why: str) -> Summary:
    return replace(caller.without_run(), skipped=why, notes=(f"warning: the day was passed over: {why}",))


def _stopped(summary: Summary, guard: Stopped) -> Summary:
    reason = Stop(guard.reason, guard.hint)
    return replace(summary, guard=guard.guard, stopped=reason, exit=Exit.GUARD, planned=False)


def _refuse_options_of_one_day(options: Options) -> None:
    for given, option in ((options.plan is not None, "--plan"), (options.abandon, "--abandon")):
        if given:
            raise JobError(f"{option} is for one day", hint="say which by --date")
