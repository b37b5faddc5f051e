"""Progress on stderr: bars with rate and time left on a terminal, a plain line a minute elsewhere (cron, Airflow)."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Protocol, cast

import click

from etl.delivery.post import Progress as Posting
from etl.flow.progress import DaysProgress
from etl.output import Outlet, visible

_PLAIN_EVERY = 60.0  # seconds


class Shown(Protocol):
    """Where a call tells what it does."""

    def planning(self, doing: str, rows: int) -> None:
        """Rows read so far."""

    def posting(self, progress: Posting) -> None:
        """Events posted so far."""

    def days(self, progress: DaysProgress) -> None:
        """How far a call on many days is."""

    def say(self, line: str) -> None:
        """A line for people."""


def whole(progress: DaysProgress) -> str:
    """Return how far all days are, and how long the rest will take."""
    line = f"day {progress.number:,} of {progress.of:,} ({progress.day}), {progress.sent:,} events done"
    if progress.seconds_left is not None:
        line += f", {progress.rate:,.1f}/s, about {_span(progress.seconds_left)} left"
    return line


def today(progress: DaysProgress) -> str:
    """Return what is done for the present day."""
    unit = "events" if progress.doing == "posting" else "rows"
    done = f"{progress.done:,}" + (f" of {progress.total:,}" if progress.total is not None else "")
    return f"{progress.doing}: {done} {unit}" + (f" ({progress.waiting})" if progress.waiting else "")


def _span(seconds: float) -> str:
    """Return a time in the unit that people would say it in."""
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size or (unit == "min" and seconds >= size):
            return f"{seconds / size:,.1f} {unit}" if unit != "min" else f"{seconds / size:,.0f} min"
    return f"{seconds:,.0f} s"


@contextmanager
def shown_progress() -> Iterator[Shown]:
    """Give the progress that fits where stderr goes."""
    if not sys.stderr.isatty():
        yield _Plain()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    # Its bars move the cursor; what they tell of data is escaped where it is told.
    stream = sys.stderr.steering() if isinstance(sys.stderr, Outlet) else sys.stderr
    console = Console(file=cast("IO[str]", stream))
    with Progress(*columns, console=console, transient=True) as bars:
        yield _Bars(bars)


class _Plain:
    """A line a minute at most: a short call says nothing but its summary."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def planning(self, doing: str, rows: int) -> None:
        self._line(f"{doing}: {rows:,} rows")

    def posting(self, progress: Posting) -> None:
        left = f", {progress.rate:,.1f} requests/s" if progress.rate else ""
        self._line(f"posting: {progress.done:,} of {progress.total:,} events{left}")

    def days(self, progress: DaysProgress) -> None:
        self._line(f"{whole(progress)}; {today(progress)}")

    def say(self, line: str) -> None:
        click.echo(line.replace("\n", "\n  "), err=True)

    def _line(self, line: str) -> None:
        now = time.monotonic()
        if now - self._last >= _PLAIN_EVERY:
            self._last = now
            click.echo(line, err=True)


class _Bars:
    """A bar a step."""

    def __init__(self, bars) -> None:  # type: ignore[no-untyped-def]
        self._bars = bars
        self._tasks: dict[str, object] = {}

    def planning(self, doing: str, rows: int) -> None:
        self._show(doing, rows, None, "")

    def posting(self, progress: Posting) -> None:
        self._show("posting", progress.done, progress.total, f"{progress.rate:,.1f}/s")

    def days(self, progress: DaysProgress) -> None:
        self._show("days", progress.number - 1, progress.of, whole(progress))
        self._show("day", progress.done, progress.total, today(progress))

    def say(self, line: str) -> None:
        self._bars.console.print(visible(line), highlight=False, markup=False)

    def _show(self, step: str, done: int, of: int | None, rate: str) -> None:
        if step not in self._tasks:
            self._tasks[step] = self._bars.add_task(step, total=of, rate="")
        self._bars.update(self._tasks[step], completed=done, total=of, rate=rate)
