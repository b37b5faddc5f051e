"""`clickreplay check`: every mistake of a job file, and what is wrong with its inputs."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from etl.cli.answer import answer, listed
from etl.cli.options import DATE, JOB, JSON, SET, options
from etl.errors import Exit, InputError
from etl.flow.advice import doubts_of
from etl.job.models import Job
from etl.job.read import JobMistakes, read_job
from etl.job.template import dated, parse_date, paths_use_date

_MOST = 256 << 20  # bytes of JSON that are read for its columns


@click.command("check", short_help="Say every mistake of a job file, and what is wrong with its inputs.")
@options(JOB, SET, DATE, JSON)
def check(job_file: Path, overrides: tuple[str, ...], day: str | None, as_json: bool) -> int:
    """Say every mistake of JOB at once, each with its file and line.

    Expressions are checked against the columns of the inputs: those of headers, or those that JSON has. An input that is missing or cannot
    be read is exit 4.
    """
    mistakes: JobMistakes | None = None
    seen, unread = "", None
    notes: list[str] = []
    try:
        job = read_job(job_file, overrides)
        notes = doubts_of(job)
        seen, unread = _check_expressions(job, day)
    except JobMistakes as found:
        mistakes = found
    code = Exit.USAGE if mistakes is not None else Exit.OK if unread is None else Exit.INPUT
    if as_json:
        all_of_them = listed(mistakes) if mistakes else []
        told = None if unread is None else {"reason": unread.message, "resume_at": None, "hint": unread.hint}
        answer().give(
            {"job": str(job_file), "mistakes": all_of_them, "stopped": told, "notes": notes, "exit": int(code)}
        )
    elif mistakes is not None:
        click.echo(str(mistakes), err=True)
    else:
        click.echo("\n".join([f"{job_file}: no mistakes ({seen})", *notes]))
        if unread is not None:
            click.echo(f"error: {unread}", err=True)
    return int(code)


def _check_expressions(job: Job, day: str | None) -> tuple[str, InputError | None]:
    """Check the expressions as far as the inputs are there; return what they were checked against, and why an input could not be read."""
    from etl.flow.inputs import describe, lookup_columns_of
    from etl.flow.unlike import told_with_columns
    from etl.mapping.program import check_against, check_syntax

    # Any day will do for the expressions: what is wrong with them hangs on none.
    zone = job.time.zone if job.time else "UTC"
    filled = parse_date(day or "today", zone)
    job = dated(job, filled)
    if paths_use_date(job) and day is None:
        check_syntax(job)
        return "columns not checked: the path needs --date", None
    try:
        found, lookups = describe(job, filled), lookup_columns_of(job, filled)
    except InputError as error:
        check_syntax(job)
        return f"columns not checked: {error.message}", error
    if found.columns is None or lookups is None:
        check_syntax(job)
        try:
            return _check_json(job, filled), None
        except InputError as error:
            return f"columns not checked: {error.message}", error
    with told_with_columns(found.source):
        check_against(job, found.columns, lookups)
    return "; ".join([f"{len(found.columns)} columns", *found.notes]), None


def _check_json(job: Job, day: date) -> str:
    """Check the expressions against the columns of JSON, which has none until it is read; not where that would take long."""
    from etl.flow.inputs import open_inputs
    from etl.flow.plan import doubts_of_absent
    from etl.flow.transform import Transform
    from etl.mapping.program import check_against

    inputs = open_inputs(job, day) if _size(job, day) <= _MOST else None
    if inputs is None:
        return f"columns not checked: more than {_MOST >> 20} MB of JSON, which `plan` reads"
    schema = inputs.source.schema
    if not schema.names:
        return "columns not checked: no row of the input has any"
    columns = Transform(job, schema).schema if job.transform else schema
    absent = check_against(job, columns, {name: source.schema for name, source in inputs.beside.lookups.items()})
    return "; ".join([f"{len(columns)} columns", *inputs.source.notes, *doubts_of_absent(absent)])


def _size(job: Job, day: date) -> int:
    from etl.flow.inputs import settings_of
    from etl.source.inputs import find_inputs

    return sum(found.size for found in find_inputs(settings_of(job, day).paths, job.folder))
