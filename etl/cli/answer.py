"""How a call answers: its one JSON object on stdout, and every error as words, as that object, and as a line of the log.

With `--json` stdout belongs to the object alone: whatever else is printed, by a job's `transform` too, goes to stderr.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from itertools import pairwise
from typing import Any, TextIO

import click

from etl.cli.json_log import JsonLog
from etl.cli.usage import advised
from etl.errors import ClickreplayError, Exit
from etl.job.mistakes import JobMistakes

_BUG = "this is a bug of clickreplay, not yours"
_GO_ON = "nothing was sent twice, run the same command again to go on"


class Answer:
    """The answer of one call. `log` is the JSON log of a call that has one."""

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        options = list(arguments)[: arguments.index("--")] if "--" in arguments else list(arguments)
        self.as_json = "--json" in options
        as_log = "--log-format=json" in options or ("--log-format", "json") in pairwise(options)
        self.log = JsonLog() if as_log else None
        self._out: TextIO = sys.stdout
        self._given = False
        self._shares = options[:1] == ["sandbox"]  # it prints its object itself, and its words to stderr

    @contextmanager
    def alone_on_stdout(self) -> Iterator[None]:
        """With `--json`, keep stdout for the object."""
        with redirect_stdout(sys.stderr if self.as_json and not self._shares else sys.stdout):
            yield

    def give(self, found: dict[str, Any]) -> None:
        """Print the object; a second one would make the first unreadable, so it is left out."""
        if not self._given:
            self._given = True
            click.echo(json.dumps(found), file=self._out)

    def failed(self, error: ClickreplayError) -> int:
        """Tell an error that an analyst can act upon; return its exit code."""
        mistakes = {"mistakes": listed(error)} if isinstance(error, JobMistakes) else {}
        self._give_stop(error.message, error.hint, error.exit, guard=getattr(error, "guard", None), **mistakes)
        if self.log is not None:
            self.log.failed(error.message, error.hint, error.exit)
        else:
            click.echo(f"error: {error}", err=True)
        return int(error.exit)

    def misused(self, error: click.ClickException) -> int:
        """Tell what is wrong with the command line; return the exit code."""
        error = advised(error)
        self._give_stop(error.format_message(), usage_of(error), Exit.USAGE)
        if self.log is not None:
            self.log.failed(error.format_message(), usage_of(error), Exit.USAGE)
        else:
            error.show(file=sys.stderr)
        return int(Exit.USAGE)

    def interrupted(self) -> int:
        """Tell that a signal ended the call; return the exit code."""
        self._give_stop("interrupted", "run the same command again to go on", Exit.AGAIN)
        if self.log is not None:
            self.log.failed("interrupted", "run the same command again to go on", Exit.AGAIN)
        return int(Exit.AGAIN)

    def broken(self, error: Exception) -> int:
        """Tell a bug of ours with its stack; return the exit code."""
        self._give_stop(f"{_BUG} ({type(error).__name__})", f"{_GO_ON}; stderr has the stack", Exit.BUG)
        if self.log is not None:
            self.log.broken(f"{_BUG}; {_GO_ON}", error)
        else:
            traceback.print_exception(error)
            click.echo(f"error: {_BUG}; {_GO_ON}", err=True)
        return int(Exit.BUG)

    def _give_stop(self, reason: str, hint: str | None, code: Exit, guard: str | None = None, **more: object) -> None:
        if self.as_json:
            stopped = {"reason": reason, "resume_at": None, "hint": hint}
            self.give({"guard": guard, "stopped": stopped, **more, "exit": int(code)})


def answer() -> Answer:
    """Return the answer of the call that is at work."""
    return click.get_current_context().ensure_object(Answer)


def listed(found: JobMistakes) -> list[dict[str, Any]]:
    """Return the mistakes of a job file as they stand in JSON."""
    return [{"line": one.line, "key": one.key, "message": one.message} for one in found.mistakes]


def usage_of(error: click.ClickException) -> str | None:
    """Return where help is, for the hint of a mistake of the command line."""
    context = getattr(error, "ctx", None)
    return None if context is None else f"`{context.command_path} --help` shows what it takes"
