"""What `plan` and `run` have in common: the job read, signals turned into a drain, progress shown, the summary printed."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import click

from etl.cli.json_log import JsonLog
from etl.cli.metrics import MetricsFile, job_unread
from etl.cli.options import only_of, refuse_contradictions
from etl.cli.progress import shown_progress
from etl.delivery.post import StopFlag
from etl.errors import ClickreplayError, Exit
from etl.flow.breakable import end_process
from etl.flow.days import DaysCaller
from etl.flow.plan import Choice
from etl.flow.run import Caller, Options, Talk
from etl.job.days import Asked, days_of
from etl.job.read import read_job
from etl.report.days import DaysSummary, days_to_text
from etl.report.summary import Summary, to_text

_T = TypeVar("_T")


def call(
    job_file: Path,
    overrides: tuple[str, ...],
    asked: Asked,
    only: str | None,
    sample: int | None,
    *,
    as_json: bool,
    as_log: bool,
    metrics_file: Path | None,
    posts: bool,
    **options: Any,
) -> int:
    """Plan or run a job and print its summary; return the exit code. With `as_json` an error is an object on stdout too."""
    return answered(
        lambda: _call(
            job_file, overrides, asked, only, sample, as_json, as_log, metrics_file, posts=posts, options=options
        ),
        as_json=as_json,
        log=JsonLog(job_file.stem) if as_log else None,
    )


def answered(call: Callable[[], int], *, as_json: bool, log: JsonLog | None = None) -> int:
    """Return what a call returns; with `as_json` an error is an object on stdout too, with `log` a line there and no words."""
    try:
        return call()
    except ClickreplayError as error:
        _tell(error, as_json=as_json, log=log)
        if log is not None:
            return int(error.exit)
        raise


def _tell(error: ClickreplayError, *, as_json: bool, log: JsonLog | None) -> None:
    """Tell an error as an object on stdout, or as a line of the log."""
    if as_json:
        stopped = {"reason": error.message, "resume_at": None, "hint": error.hint}
        click.echo(json.dumps({"guard": getattr(error, "guard", None), "stopped": stopped, "exit": int(error.exit)}))
    if log is not None:
        log.failed(error)


def _call(
    job_file: Path,
    overrides: tuple[str, ...],
    asked: Asked,
    only: str | None,
    sample: int | None,
    as_json: bool,
    as_log: bool,
    metrics_file: Path | None,
    *,
    posts: bool,
    options: dict[str, Any],
) -> int:
    try:
        refuse_contradictions(options, posts=posts)
        job = read_job(job_file, overrides)
        days = days_of(job, asked)
    except ClickreplayError as error:
        if metrics_file is not None:
            job_unread(metrics_file, job_file.stem, error.exit)
        raise
    choice = Choice(days[-1] if days else None, only_of(only), sample)

    def made(talk: Talk, stop: StopFlag) -> Summary | DaysSummary:
        if asked.many:
            many = DaysCaller(job, days, choice, Options(**options), talk, stop, looks_back=asked.last is not None)
            return many.run() if posts else many.plan()
        caller = Caller(job, choice, Options(**options), talk, stop)
        return caller.run() if posts else caller.plan()

    log = JsonLog(job.job) if as_log else None
    if metrics_file is None:
        return posted(made, as_json=as_json, log=log)
    metrics = MetricsFile(metrics_file, job)
    try:
        return posted(made, as_json=as_json, log=log, metrics=metrics)
    except ClickreplayError as error:
        metrics.failed(error.exit)
        raise
    except Exception:
        metrics.failed(Exit.BUG)
        raise


def posted(
    make: Callable[[Talk, StopFlag], Summary | DaysSummary],
    *,
    as_json: bool,
    log: JsonLog | None = None,
    metrics: MetricsFile | None = None,
) -> int:
    """Make a plan or run with its progress shown and signals turned into a drain; print its summary; return the exit code."""
    stop = StopFlag()
    summary: Summary | DaysSummary
    with shown_progress() if log is None else nullcontext(log) as progress, _drained_by_signals(stop):
        posting = progress.posting if metrics is None else _both(progress.posting, metrics.posting)
        days = progress.days if metrics is None else _both(progress.days, metrics.days)
        begun = (lambda *_: None) if log is None else log.begun

        def end(error: ClickreplayError) -> None:
            if metrics is not None:
                metrics.failed(error.exit)
            _tell(error, as_json=as_json, log=log)
            if log is None:
                click.echo(f"error: {error}", err=True)
            end_process(int(error.exit))

        summary = make(Talk(progress.planning, posting, progress.say, days, begun, end), stop)
    if metrics is not None:
        metrics.ended(summary)
    if as_json:
        click.echo(json.dumps(summary.to_json()))
    if log is not None:
        for note in _notes(summary):
            log.say(note)
        log.ended(summary.to_json())
    else:
        click.echo(days_to_text(summary) if isinstance(summary, DaysSummary) else to_text(summary), err=as_json)
    return int(summary.exit)


def _notes(summary: Summary | DaysSummary) -> list[str]:
    """Return the notes of every run of a call, each once."""
    last = (*summary.earlier, *summary.days) if isinstance(summary, DaysSummary) else (summary,)
    said = [note for one in last for run in (*one.earlier, one) for note in run.notes]
    return list(dict.fromkeys([*said, *(str(one) for one in summary.unfinished)]))


def _both(one: Callable[[_T], None], other: Callable[[_T], None]) -> Callable[[_T], None]:
    def told(progress: _T) -> None:
        one(progress)
        other(progress)

    return told


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
