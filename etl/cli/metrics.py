"""`--metrics-file`: the file that node_exporter's textfile collector picks up, replaced whole while a call works and at its end."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click

from etl.delivery.post import Progress as Posting
from etl.errors import Exit, JobError
from etl.files import PUBLIC, replaced
from etl.flow.progress import DaysProgress
from etl.flow.state import destination_of
from etl.job.models import Job
from etl.report.days import DaysSummary
from etl.report.metrics import Sample, books_samples, end_samples, labels_in, render, value_in
from etl.report.summary import Summary

_EVERY = 15.0  # seconds: a common scrape interval


def job_unread(path: Path, name: str, code: Exit) -> None:
    """Note the code of a call that could not read its job file, of which `name` is known."""
    try:
        MetricsFile(path, name).failed(code)
    except JobError as error:
        click.echo(f"warning: {error.message}", err=True)


class MetricsFile:
    """The file of one job. Raises JobError where it cannot be read or written at the start; later that is a warning."""

    def __init__(self, path: Path, job: Job | str) -> None:
        """Take the job, or the name of one whose file could not be read: then the labels are those of the call before."""
        self._path = path
        try:
            before = path.read_text("utf-8", "replace") if path.is_file() else ""
        except OSError as error:
            raise JobError(
                f"--metrics-file: {path} cannot be read: {error.strerror}",
                hint="it holds the time of the last success; remove it, or name another",
            ) from error
        if isinstance(job, str):
            self._labels = labels_in(before, "running") or {"job": job}
        else:
            self._labels = {"job": job.job, "destination": str(destination_of(job))}
        self._success = value_in(before, "last_success_timestamp_seconds") or 0.0
        self._code = value_in(before, "exit_code")
        now = time.time()
        self._first = value_in(before, "first_call_timestamp_seconds") or now
        self._last, self._begun = 0.0, False
        try:
            tempfile.TemporaryFile(dir=path.parent).close()
        except OSError as error:
            raise JobError(
                f"--metrics-file: {path} cannot be written: {error.strerror}",
                hint="name a file in a folder that is there",
            ) from error

    def begin(self) -> None:
        """Note that the call is at work, once: it has its turn."""
        if not self._begun:
            self._try([Sample("running", 1), *self._known()])

    def posting(self, progress: Posting) -> None:
        """Note how far the posting is, four times a minute at most."""
        if time.monotonic() - self._last < _EVERY:
            return
        verdicts = {
            "delivered": progress.delivered,
            "rejected": progress.rejected,
            "unknown": progress.unknown,
            "pending": progress.total - progress.done,
        }
        samples = [Sample("verdicts", count, {"verdict": name}) for name, count in verdicts.items()]
        self._try([Sample("running", 1), Sample("rate", progress.rate), *samples, *self._known()])

    def days(self, progress: DaysProgress) -> None:
        """Note how fast a call on many days goes, four times a minute at most."""
        if time.monotonic() - self._last >= _EVERY:
            self._try([Sample("running", 1), Sample("rate", progress.rate), *self._known()])

    def ended(self, summary: Summary | DaysSummary) -> None:
        """Note the books of the call and its code."""
        total = summary.total if isinstance(summary, DaysSummary) else summary
        verdicts = {name: getattr(total, name) for name in ("delivered", "rejected", "unknown", "pending")}
        counts = books_samples(total.books, verdicts, total.requests, total.resent, total.seconds)
        self._try([*counts, *self._end(summary.exit)])

    def failed(self, code: Exit) -> None:
        """Note the code of a call that has no books."""
        self._try(self._end(code))

    def _end(self, code: Exit) -> list[Sample]:
        return end_samples(code, time.time(), self._success, self._first)

    def _known(self) -> list[Sample]:
        known = {
            "first_call_timestamp_seconds": self._first,
            "last_success_timestamp_seconds": self._success,
            "exit_code": self._code,
        }
        return [Sample(name, value) for name, value in known.items() if value is not None]

    def _try(self, samples: list[Sample]) -> None:
        try:
            self._write(samples)
        except OSError as error:
            click.echo(f"warning: --metrics-file: {self._path} cannot be written: {error.strerror}", err=True)

    def _write(self, samples: list[Sample]) -> None:
        self._last, self._begun = time.monotonic(), True
        # The collector reads *.prom only, so it never sees the part; it runs as another user, so all may read.
        with replaced(self._path, PUBLIC) as part:
            part.write_text(render(samples, self._labels), "utf-8")
