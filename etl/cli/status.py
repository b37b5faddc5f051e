"""`clickreplay status`: the runs of a job, also while one is at work."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import click

from etl.cli.answer import answer
from etl.cli.options import JSON, SET, STATE, options
from etl.flow.state import state_folder
from etl.flow.status import RunStanding, Standing, standings
from etl.job.read import read_job

_MOST_DAYS = 5  # days that are named for each state


@click.command("status", short_help="Show the runs of a job, also while one is at work.")
@click.argument("job_file", metavar="[JOB]", required=False, type=click.Path(path_type=Path))
@options(SET, STATE, JSON)
def status(job_file: Path | None, overrides: tuple[str, ...], state: Path | None, as_json: bool) -> int:
    """Show the plans and runs of JOB by destination; without JOB those of every state folder here.

    It only reads: a run that is at work goes on.
    """
    found = [standing for folder in _folders(job_file, overrides, state) for standing in standings(folder)]
    if as_json:
        answer().give({"destinations": [standing.to_json() for standing in found], "exit": 0})
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


def _days(runs: Sequence[RunStanding]) -> str | None:
    """Return how the days of a job stand, by the newest run of each; None where there are not several."""
    newest = {date.fromisoformat(run.date): run for run in runs if run.date and run.kind == "main"}
    if len(newest) < 2:
        return None
    first, last = min(newest), max(newest)
    states = Counter(run.state for run in newest.values())
    told = []
    for state, count in states.most_common():
        days = [str(day) for day, run in sorted(newest.items()) if run.state == state]
        shown = ", ".join(days[:_MOST_DAYS]) + (", …" if count > _MOST_DAYS else "")
        told.append(f"{count:,} {state}" + (f" ({shown})" if state != "finished" else ""))
    line = f"{len(newest):,} days, {first} … {last}: {', '.join(told)}"
    gaps = (last - first).days + 1 - len(newest)
    return line + (f"; between them {gaps:,} day{'' if gaps == 1 else 's'} without a run" if gaps else "")


def _show(standing: Standing) -> None:
    click.echo(f"{standing.job} → {standing.destination}" + (" (a call is at work)" if standing.at_work else ""))
    for run in standing.runs:
        counts = f"{run.events:,} events = {run.delivered:,} delivered + {run.rejected:,} rejected"
        counts += f" + {run.unknown:,} unknown + {run.pending:,} pending"
        purged = f"  (contact data removed on {run.purged[:10]})" if run.purged else ""
        click.echo(f"  {run.run}  {run.state:<9} {run.date or ''}{_kind(run)}  {counts}{purged}")
    if (days := _days(standing.runs)) is not None:
        click.echo(f"  {days}")
