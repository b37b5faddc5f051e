"""Options that several commands share, and what they mean together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from etl.errors import JobError

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

JOB = click.argument("job_file", metavar="JOB", type=click.Path(path_type=Path))
SET = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a key of the job file, e.g. delivery.rate=100/s.",
)
STATE = click.option(
    "--state", type=click.Path(path_type=Path), help="State folder [default: .clickreplay/<job>/ beside the job file]."
)
DATE = click.option("--date", "day", metavar="DATE", help="Fills {{ date }}: 2026-11-22, yesterday or today.")
LAST = click.option(
    "--last",
    type=click.IntRange(min=1),
    metavar="N",
    help="N days, oldest first, up to yesterday or --date: late data of the days before too.",
)
FROM = click.option("--from", "since", metavar="DATE", help="All days from this one on, oldest first: a backfill.")
TO = click.option("--to", "until", metavar="DATE", help="With --from: the last day [default: yesterday].")
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout and nothing else there.")
LOG_FORMAT = click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="What stderr gets: text for people, or a JSON object a line.",
)
METRICS = click.option(
    "--metrics-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PATH",
    help="Write metrics for Prometheus (node_exporter's textfile collector).",
)
ONLY = click.option("--only", metavar="ID[,ID]", help="Keep these keyValues only: a trial on your own contact.")
SAMPLE = click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Keep N events only: a trial.")
REQUIRE_STATE = click.option(
    "--require-state", is_flag=True, help="Exit 5 when there is no ledger at the state's place."
)
NEW_STATE = click.option("--new-state", is_flag=True, help="With --require-state: start a ledger where there is none.")


def options(*decorators: Decorator) -> Decorator:
    """Apply several options to a command, the first one shown first."""

    def apply(command: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return apply


def refuse_contradictions(options: Mapping[str, Any], *, posts: bool) -> None:
    """Raise JobError where options of `run` exclude each other."""
    if options.get("finish") and options.get("abandon"):
        raise JobError("--finish and --abandon exclude each other")
    given = [name for name in ("plan", "limit", "finish", "abandon", "only_date") if options.get(name)]
    if not posts and given:
        raise JobError(f"--plan-only sends nothing: --{given[0].replace('_', '-')} has no meaning beside it")


def only_of(text: str | None) -> frozenset[str]:
    """Return the keyValues of `--only`; raise JobError where it names none: an unset variable must not send everything."""
    if text is None:
        return frozenset()
    found = frozenset(part.strip() for part in text.split(",") if part.strip())
    if not found:
        raise JobError(
            "--only names no keyValue", hint="say --only ID or --only ID,ID; leave it out to send everything"
        )
    return found
