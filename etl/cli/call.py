"""What `plan` and `run` have in common: the job read, signals turned into a drain, progress shown, the summary printed."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from etl.cli.answer import answer
from etl.cli.metrics import MetricsFile, job_unread
from etl.cli.options import only_of, refuse_contradictions
from etl.cli.progress import shown_progress
from etl.delivery.post import Progress as Posting
from etl.delivery.post import StopFlag
from etl.errors import BusyError, ClickreplayError, Exit
from etl.flow.breakable import end_process
from etl.flow.days import DaysCaller
from etl.flow.plan import Choice
from etl.flow.progress import DaysProgress
from etl.flow.run import Caller, Options, Talk
from etl.job.days import Asked, days_of
from etl.job.read import read_job
from etl.report.days import DaysSummary, days_to_text
from etl.report.summary import Summary, to_text


def call(
    job_file: Path,
    overrides: tuple[str, ...],
    asked: Asked,
    only: str | None,
    sample: int | None,
    *,
    metrics_file: Path | None,
    posts: bool,
    **options: Any,
) -> int:
    """Plan or run a job and print its summary; return the exit code."""
    log = answer().log
    if log is not None:
        log.of(job_file.stem)
    try:
        refuse_contradictions(options, posts=posts)
        job = read_job(job_file, overrides)
        days = days_of(job, asked)
    except ClickreplayError as error:
        if metrics_file is not None:
            job_unread(metrics_file, job_file.stem, error.exit)
        raise
    if log is not None:
        log.of(job.job)
        log.begun(None, str(days[-1]) if len(days) == 1 else None)
    choice = Choice(days[-1] if days else None, only_of(only), sample)

    def made(talk: Talk, stop: StopFlag) -> Summary | DaysSummary:
        if asked.many:
            many = DaysCaller(job, days, choice, Options(**options), talk, stop, looks_back=asked.last is not None)
            return many.run() if posts else many.plan()
        caller = Caller(job, choice, Options(**options), talk, stop)
        return caller.run() if posts else caller.plan()

    if metrics_file is None:
        return posted(made)
    metrics = MetricsFile(metrics_file, job)
    try:
        return posted(made, metrics)
    except BusyError:
        raise  # the file is about the call that is at work
    except ClickreplayError as error:
        metrics.failed(error.exit)
        raise
    except Exception:
        metrics.failed(Exit.BUG)
        raise


def posted(make: Callable[[Talk, StopFlag], Summary | DaysSummary], metrics: MetricsFile | None = None) -> int:
    """Make a plan or run with its progress shown and signals turned into a drain; print its summary; return the exit code."""
    stop = StopFlag()
    told = answer()
    log = told.log

    def end(error: ClickreplayError) -> None:
        if metrics is not None:
            metrics.failed(error.exit)
        end_process(told.failed(error))

    summary: Summary | DaysSummary
    with shown_progress() if log is None else nullcontext(log) as progress, _drained_by_signals(stop):
        talk = Talk(progress.planning, progress.posting, progress.say, progress.days, end=end)
        if log is not None:
            talk = replace(talk, begun=log.begun)
        if metrics is not None:
            talk = _measured(talk, metrics)
        summary = make(talk, stop)
    if metrics is not None:
        metrics.ended(summary)
    if told.as_json:
        told.give(summary.to_json())
    if log is not None:
        for note in _notes(summary):
            log.say(note)
        log.ended(summary.to_json())
    else:
        click.echo(days_to_text(summary) if isinstance(summary, DaysSummary) else to_text(summary))
    return int(summary.exit)


def _measured(talk: Talk, metrics: MetricsFile) -> Talk:
    """Tell the metrics too. They begin when the call has its turn: until then they are those of the call that is at work."""

    def planning(doing: str, rows: int) -> None:
        metrics.begin()
        talk.planning(doing, rows)

    def posting(progress: Posting) -> None:
        metrics.posting(progress)
        talk.posting(progress)

    def days(progress: DaysProgress) -> None:
        metrics.days(progress)
        talk.days(progress)

    def begun(run: str | None, date: str | None) -> None:
        metrics.begin()
        talk.begun(run, date)

    return replace(talk, planning=planning, posting=posting, days=days, begun=begun)


def _notes(summary: Summary | DaysSummary) -> list[str]:
    """Return the notes of every run of a call, each once."""
    last = (*summary.earlier, *summary.days) if isinstance(summary, DaysSummary) else (summary,)
    said = [note for one in last for run in (*one.earlier, one) for note in run.notes]
    return list(dict.fromkeys([*said, *(str(one) for one in summary.unfinished)]))


@contextmanager
def _drained_by_signals(stop: StopFlag) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP ask for a drain; the second one ends it at once. A SIGHUP that `nohup` ignores stays so."""
    asked = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        asked.append(signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: stop.request()) for number in asked}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
