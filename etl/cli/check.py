"""`clickreplay check`: every mistake of a job file, without reading data."""

from __future__ import annotations

import json
from pathlib import Path

import click

from etl.cli.options import DATE, JOB, JSON, SET, options
from etl.errors import Exit, InputError
from etl.job.models import Job
from etl.job.read import JobMistakes, read_job
from etl.job.template import dated, parse_date, paths_use_date


@click.command("check", short_help="Say every mistake of a job file, without reading data.")
@options(JOB, SET, DATE, JSON)
def check(job_file: Path, overrides: tuple[str, ...], day: str | None, as_json: bool) -> int:
    """Say every mistake of JOB at once, each with its file and line.

    Expressions are checked against the columns in the inputs' headers, where the inputs are there.
    """
    mistakes: JobMistakes | None = None
    seen = ""
    try:
        job = read_job(job_file, overrides)
        seen = _check_expressions(job, day)
    except JobMistakes as found:
        mistakes = found
    if as_json:
        listed = [{"line": m.line, "key": m.key, "message": m.message} for m in mistakes.mistakes] if mistakes else []
        click.echo(
            json.dumps({"job": str(job_file), "mistakes": listed, "exit": int(Exit.USAGE if listed else Exit.OK)})
        )
    elif mistakes is not None:
        click.echo(str(mistakes), err=True)
    else:
        click.echo(f"{job_file}: no mistakes ({seen})")
    return int(Exit.USAGE if mistakes is not None else Exit.OK)


def _check_expressions(job: Job, day: str | None) -> str:
    """Check the expressions as far as that goes without reading data; return what they were checked against."""
    from etl.flow.inputs import describe, lookup_columns_of
    from etl.mapping.program import check_against, check_syntax

    # Any day will do for the expressions: what is wrong with them hangs on none.
    zone = job.time.zone if job.time else "UTC"
    date = parse_date(day or "today", zone)
    job = dated(job, date)
    if paths_use_date(job) and day is None:
        check_syntax(job)
        return "columns not checked: the path needs --date"
    try:
        found, lookups = describe(job, date), lookup_columns_of(job, date)
    except InputError as error:
        check_syntax(job)
        return f"columns not checked: {error.message}"
    if found.columns is None or lookups is None:
        check_syntax(job)
        kind = "a JSON log" if found.notes else "NDJSON"
        return "; ".join([f"columns not checked: {kind} has none until it is read", *found.notes])
    check_against(job, found.columns, lookups)
    return "; ".join([f"{len(found.columns)} columns", *found.notes])
