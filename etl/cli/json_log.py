"""`--log-format json`: a line of JSON on stderr for whatever a call tells, each with job, run and date."""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from etl.errors import Exit
from etl.output import Outlet

if TYPE_CHECKING:
    from etl.delivery.post import Progress as Posting
    from etl.flow.progress import DaysProgress

_EVERY = 60.0  # seconds


class _Lines(logging.Formatter):
    """A record as one JSON object; `context` stands in every line."""

    def __init__(self, context: dict[str, Any]) -> None:
        super().__init__()
        self._context = context

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **self._context,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        # JSON is UTF-8 or ASCII, whatever the terminal takes.
        return json.dumps(told, ensure_ascii=not (isinstance(sys.stderr, Outlet) and sys.stderr.is_utf8))


class JsonLog:
    """What a call tells, as lines of JSON: progress once a minute at most."""

    def __init__(self) -> None:
        self._context: dict[str, Any] = {"job": None, "run": None, "date": None}
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Lines(self._context))
        self._logger = logging.Logger("clickreplay")
        self._logger.addHandler(handler)
        self._last = time.monotonic()

    def of(self, job: str) -> None:
        """From now on it is about this job: its file's name until that is read."""
        self._context.update(job=job)

    def begun(self, run: str | None, date: str | None) -> None:
        """From now on it is about this run and this date."""
        self._context.update(run=run, date=date)

    def planning(self, doing: str, rows: int) -> None:
        """Rows read so far."""
        self._progress(doing, rows=rows)

    def posting(self, progress: Posting) -> None:
        """Events posted so far."""
        self._progress("posting", **_numbers(progress))

    def days(self, progress: DaysProgress) -> None:
        """How far a call on many days is."""
        self._context.update(date=str(progress.day))
        counts = {"rows" if progress.doing != "posting" else "done": progress.done, "total": progress.total}
        self._progress(progress.doing, day=progress.number, days=progress.of, rate=round(progress.rate, 1), **counts)

    def say(self, line: str) -> None:
        """A line for people."""
        warning = line.startswith("warning: ")
        self._logger.log(logging.WARNING if warning else logging.INFO, "%s", line.removeprefix("warning: "))

    def ended(self, summary: dict[str, Any]) -> None:
        """The summary, as the last line."""
        self._log(logging.INFO if summary["exit"] == 0 else logging.WARNING, "ended", summary=summary)

    def failed(self, message: str, hint: str | None, code: Exit) -> None:
        """An error in the place of a summary."""
        self._log(logging.ERROR, message, hint=hint, exit=int(code))

    def broken(self, message: str, error: Exception) -> None:
        """A bug, with its stack in the same line."""
        fields = {"fields": {"hint": None, "exit": int(Exit.BUG)}}
        self._logger.error("%s", message, exc_info=error, extra=fields)

    def _progress(self, doing: str, **fields: object) -> None:
        now = time.monotonic()
        if now - self._last >= _EVERY:
            self._last = now
            self._log(logging.INFO, doing, **fields)

    def _log(self, level: int, message: str, **fields: object) -> None:
        self._logger.log(level, "%s", message, extra={"fields": fields})


def _numbers(progress: Posting) -> dict[str, object]:
    names = ("done", "total", "delivered", "rejected", "unknown", "waiting")
    return {"rate": round(progress.rate, 1), **{name: getattr(progress, name) for name in names}}
