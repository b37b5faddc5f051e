"""A call on many days: one run a day, oldest first, each with its own books (RULES §2, 8).

Strictly one after the other, under one lock: no day is begun before the one before it is done, so no event of a key overtakes an
earlier day's (DESIGN, promise 4). A day that is done in part (rejected, unknown) is done; one that could not be finished ends the
call, and the same command goes on there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from etl.delivery.checkpoint import Checkpoint
from etl.delivery.post import StopFlag
from etl.errors import AgainError, ClickreplayError, Exit, GuardError, JobError, MissingInputError
from etl.flow import ledger
from etl.flow.cost import costs
from etl.flow.guards import guard_of
from etl.flow.plan import Choice, count_plan
from etl.flow.progress import DaysWatch
from etl.flow.run import Caller, Options, Talk
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
        self, job: Job, days: Sequence[date], choice: Choice, options: Options, talk: Talk, stop: StopFlag
    ) -> None:
        _refuse_options_of_one_day(options)
        self._job, self._days, self._choice, self._options = job, tuple(days), choice, options
        self._stop, self._say, self._said = stop, talk.say, set[str]()
        self._watch = DaysWatch(len(days), talk.days)
        self._talk = replace(talk, planning=self._watch.planning, posting=self._watch.posting, say=self._say_once)
        self._left = options.limit

    def run(self) -> DaysSummary:
        """Go on with each day, and plan and send what is new of it; end at the first day that cannot be finished."""
        done: list[Summary] = []
        stop = None
        first = self._caller(self._days[0])
        with first.opened() as checkpoint:
            for day in self._days:
                if self._stop.requested:
                    stop = _INTERRUPTED
                    break
                self._watch.begin(day)
                caller = self._caller(day)
                done.append(self._run_day(caller, checkpoint, is_first=not done))
                self._left = caller.left
                self._watch.ended(done[-1].books.events)
                if done[-1].exit not in _GOES_ON:
                    break
            if done:
                # Of all days: a day that was finished before has no notes in the table.
                for line in first.retire(checkpoint):
                    self._say(line)
        return DaysSummary(self._days[0], self._days[-1], first.without_run(), tuple(done), stop)

    def _run_day(self, caller: Caller, checkpoint: Checkpoint, *, is_first: bool) -> Summary:
        try:
            return caller.run_in(checkpoint)
        except ClickreplayError as error:
            return _failed(caller, error, is_first=is_first)

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
        return DaysSummary(
            self._days[0],
            self._days[-1],
            first.without_run(),
            tuple(done),
            stop,
            planned=True,
            costs=costs(self._job, books),
            day_costs=tuple(costs(self._job, [one]) for one in books),
        )

    def _plan_day(self, caller: Caller, checkpoint: Checkpoint, before: _Before, *, is_first: bool) -> Summary:
        job, place, choice = self._job, caller.place, caller.choice
        try:
            try:
                inputs = caller.inputs()
            except MissingInputError as error:
                return caller.without_input(error)
            found = count_plan(job, place, checkpoint, choice, inputs, caller.progress, before.files)
        except ClickreplayError as error:
            return _failed(caller, error, is_first=is_first)
        before.add(place.planning / "outbox.parquet", found)
        stopped = guard_of(found, job, trial=choice.kind == "trial")
        summary = replace(caller.without_run(), books=found, planned=True)
        if stopped is None:
            return summary
        reason = Stop(stopped.reason, stopped.hint)
        return replace(summary, guard=stopped.guard, stopped=reason, exit=Exit.GUARD, planned=False)

    def _caller(self, day: date) -> Caller:
        options = replace(self._options, limit=self._left)
        caller = Caller(self._job, replace(self._choice, day=day), options, self._talk, self._stop)
        caller.covers = frozenset(day.isoformat() for day in self._days)
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


def _refuse_options_of_one_day(options: Options) -> None:
    for given, option in ((options.plan is not None, "--plan"), (options.abandon, "--abandon")):
        if given:
            raise JobError(f"{option} is for one day", hint="say which by --date")
