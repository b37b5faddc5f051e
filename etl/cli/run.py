"""`clickreplay run`: go on, plan, post."""

from __future__ import annotations

from pathlib import Path

import click

from etl.cli.call import call
from etl.cli.options import DATE, JOB, JSON, NEW_STATE, ONLY, REQUIRE_STATE, SAMPLE, SET, STATE, options
from etl.errors import JobError


@click.command("run", short_help="Go on with what was cut, then plan and post what is new.")
@options(
    JOB,
    DATE,
    click.option("--plan", "plan_id", metavar="ID", help="Post exactly this plan."),
    click.option(
        "--limit", type=click.IntRange(min=1), metavar="N", help="Send N more events; the rest stays pending (exit 75)."
    ),
    ONLY,
    SAMPLE,
    click.option("--finish", is_flag=True, help="Go on with an unfinished run although the job's mapping has changed."),
    click.option(
        "--abandon", is_flag=True, help="Close an unfinished run (its pending events were never sent) and plan anew."
    ),
    SET,
    STATE,
    REQUIRE_STATE,
    NEW_STATE,
    JSON,
)
def run(
    job_file: Path,
    day: str | None,
    plan_id: str | None,
    limit: int | None,
    only: str | None,
    sample: int | None,
    finish: bool,
    abandon: bool,
    overrides: tuple[str, ...],
    state: Path | None,
    require_state: bool,
    new_state: bool,
    as_json: bool,
) -> int:
    """Post the events of JOB: what an earlier call left first, then what its inputs hold more.

    The same command goes on after any interruption. Ctrl-C ends it once what is in flight has its answer (exit 75); a second one at once.
    """
    if finish and abandon:
        raise JobError("--finish and --abandon exclude each other")
    return call(
        job_file,
        overrides,
        day,
        only,
        sample,
        as_json=as_json,
        posts=True,
        state=state,
        require_state=require_state and not new_state,
        plan=plan_id,
        limit=limit,
        finish=finish,
        abandon=abandon,
    )
