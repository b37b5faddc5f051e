"""`clickreplay status`: the runs of a job, also while one is at work."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from etl.cli.options import JSON, SET, STATE, options
from etl.flow.state import state_folder
from etl.flow.status import RunStanding, Standing, standings
from etl.job.read import read_job


@click.command("status", short_help="Show the runs of a job, also while one is at work.")
@click.argument("job_file", metavar="[JOB]", required=False, type=click.Path(path_type=Path))
@options(SET, STATE, JSON)
def status(job_file: Path | None, overrides: tuple[str, ...], state: Path | None, as_json: bool) -> int:
    """Show the plans and runs of JOB by destination; without JOB those of every state folder here.

    It only reads: a run that is at work goes on.
    """
    found = [standing for folder in _folders(job_file, overrides, state) for standing in standings(folder)]
    if as_json:
        click.echo(json.dumps({"destinations": [standing.to_json() for standing in found]}))
    elif not found:
        click.echo("nothing has been planned yet")
    else:
        for standing in found:
            _show(standing)
    return 0


def _folders(job_file: Path | None, overrides: tuple[str, ...], state: Path | None) -> list[Path]:
    if job_file is not None:
        return [state_folder(read_job(job_file, overrides), state)]
    if state is not None:
        return [state]
    roots = [Path(os.environ["CLICKREPLAY_STATE"])] if os.environ.get("CLICKREPLAY_STATE") else []
    roots += [*Path().glob(".clickreplay"), *Path().glob("*/.clickreplay")]
    return [folder for root in roots if root.is_dir() for folder in sorted(root.iterdir()) if folder.is_dir()]


def _kind(run: RunStanding) -> str:
    return {"main": "", "trial": " trial", "replay": f" replay of {run.of}"}[run.kind]


def _show(standing: Standing) -> None:
    click.echo(f"{standing.job} → {standing.destination}" + (" (a call is at work)" if standing.at_work else ""))
    for run in standing.runs:
        counts = f"{run.events:,} events = {run.delivered:,} delivered + {run.rejected:,} rejected"
        counts += f" + {run.unknown:,} unknown + {run.pending:,} pending"
        click.echo(f"  {run.run}  {run.state:<9} {run.date or ''}{_kind(run)}  {counts}")
