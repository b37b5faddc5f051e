"""`clickreplay purge`: contact data out of the state folder, by age or of a person."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import cast

import click

from etl.cli.answer import answer
from etl.cli.options import JOB, JSON, SET, STATE, options
from etl.errors import JobError
from etl.flow.purge import purge_contacts, purge_old
from etl.flow.traces import Traces
from etl.job.read import read_job
from etl.job.values import duration


@click.command("purge", short_help="Take contact data away: of old runs, or of a person.")
@options(
    JOB,
    click.option(
        "--older-than", metavar="AGE", help="Of runs that ended so long ago, e.g. 7d [default: `keep` of the job]."
    ),
    click.option(
        "--contact",
        "contacts",
        multiple=True,
        metavar="ID",
        help="Of this person, by any locator or keyValue, plain or as its SHA-256; - reads ids from stdin, one a line.",
    ),
    click.option("--dry-run", is_flag=True, help="Show what would be removed, and remove nothing."),
    SET,
    STATE,
    JSON,
)
def purge(
    job_file: Path,
    older_than: str | None,
    contacts: tuple[str, ...],
    dry_run: bool,
    overrides: tuple[str, ...],
    state: Path | None,
    as_json: bool,
) -> int:
    """Take contact data away at all destinations of JOB: events' bodies, refused rows, the API's answers. Counts and ids stay.

    By age: of runs that have ended; unfinished ones are left alone. With --contact: of all runs, and what is pending for the person is
    withdrawn. It asks nothing.
    """
    if contacts and older_than is not None:
        raise JobError("--older-than and --contact exclude each other", hint="say one after the other")
    job = read_job(job_file, overrides)
    if contacts:
        found = purge_contacts(job, state, Traces(_ids(contacts)), dry_run=dry_run)
    else:
        found = purge_old(job, state, _age(older_than) if older_than is not None else job.keep, dry_run=dry_run)
    if as_json:
        answer().give(found.to_json() | {"exit": 0})
    click.echo(found.to_text())
    return 0


def _ids(contacts: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for one in contacts:
        found += [line.strip() for line in sys.stdin if line.strip()] if one == "-" else [one]
    return found


def _age(text: str) -> timedelta:
    try:
        found = duration(text)
    except ValueError as error:
        raise JobError(f"--older-than: {error}") from None
    return cast("timedelta", found)
