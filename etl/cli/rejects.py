"""`clickreplay rejects`: what a run refused; see it, export it, replay it."""

from __future__ import annotations

from pathlib import Path

import click

from etl.cli.answer import answer
from etl.cli.call import posted
from etl.cli.options import JOB, JSON, SET, STATE, options
from etl.delivery.checkpoint import State
from etl.errors import JobError
from etl.flow.rejects import Asked, look, run_named, run_to_replay
from etl.flow.replay import Replayer, Resender
from etl.flow.run import Options
from etl.job.read import read_job
from etl.job.template import parse_date
from etl.report.rejects import to_text

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("rejects", short_help="What a run refused: see it, export it to be mended, replay it.")
@options(
    JOB,
    click.option("--run", "run_id", metavar="RUN", help="Name or number of the run [default: the newest]."),
    click.option("--date", "day", metavar="DATE", help="The newest run of this date: 2026-11-22, yesterday or today."),
    click.option("--dead-letters", is_flag=True, help="Only the events that the API rejected."),
    click.option("--unknown", is_flag=True, help="Only the events whose outcome is unknown."),
    click.option(
        "--export", "export_to", type=_FILE, metavar="FILE", help="Write the refused rows in the input's own form."
    ),
    click.option(
        "--replay", "replay_from", type=_FILE, metavar="FILE", help="Plan and post the rows of an export, mended."
    ),
    click.option(
        "--accept-changes", is_flag=True, help="With --replay: contacts that differ from those refused are meant."
    ),
    click.option(
        "--resend",
        is_flag=True,
        help="With --dead-letters or --unknown: send these events once more, exactly as they are.",
    ),
    click.option(
        "--limit", type=click.IntRange(min=1), metavar="N", help="Send N more events; the rest stays pending (exit 75)."
    ),
    SET,
    STATE,
    JSON,
)
def rejects(
    job_file: Path,
    run_id: str | None,
    day: str | None,
    dead_letters: bool,
    unknown: bool,
    export_to: Path | None,
    replay_from: Path | None,
    accept_changes: bool,
    resend: bool,
    limit: int | None,
    overrides: tuple[str, ...],
    state: Path | None,
    as_json: bool,
) -> int:
    """Show what the newest run of JOB refused: matches that are invalid, and events that the API rejected.

    --export writes the rows; mend them in that file, delete those that you give up, and --replay posts it as a run of its own. An
    interrupted replay goes on with the same command.
    """
    _refuse_together(dead_letters, unknown, export_to, replay_from, resend)
    if accept_changes and replay_from is None:
        raise JobError("--accept-changes is for --replay", hint="say --replay FILE with it")
    job = read_job(job_file, overrides)
    date = None if day is None else parse_date(day, job.time.zone if job.time else "UTC")
    if run_id is not None and day is not None:
        raise JobError("--run and --date exclude each other", hint="a run has one date: say --run alone")
    if replay_from is not None:
        of = run_to_replay(job, state, replay_from, run_id)
        return posted(
            lambda talk, stop: Replayer(
                job, of, replay_from, Options(state=state, limit=limit), talk, stop, accept_changes=accept_changes
            ).run(),
        )
    if resend:
        of = run_named(job, state, run_id, date)
        which = State.UNKNOWN if unknown else State.REJECTED
        return posted(
            lambda talk, stop: Resender(job, of, which, Options(state=state, limit=limit), talk, stop).run(),
        )
    asked = Asked(run_id, date, quarantine=not (dead_letters or unknown), dead=not unknown, unknown=unknown)
    found = look(job, state, asked, export_to)
    if as_json:
        answer().give(found.to_json())
    click.echo(to_text(found))
    return 0


def _refuse_together(
    dead_letters: bool, unknown: bool, export_to: Path | None, replay_from: Path | None, resend: bool
) -> None:
    if sum((export_to is not None, replay_from is not None, resend)) > 1:
        raise JobError("--export, --replay and --resend exclude each other", hint="say one after the other")
    if dead_letters and unknown:
        raise JobError("--dead-letters and --unknown exclude each other")
    if resend and not (dead_letters or unknown):
        raise JobError("--resend sends events exactly as they are", hint="say which: --dead-letters or --unknown")
    if unknown and (export_to is not None or replay_from is not None):
        raise JobError(
            "an unknown event may be there already: mended, it would be there twice",
            hint="--unknown --resend sends it once more, exactly as it is",
        )
    if dead_letters and replay_from is not None:
        raise JobError("--replay takes all rows of its file", hint="leave --dead-letters out")
