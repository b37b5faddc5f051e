"""`clickreplay run`: go on, plan, post."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import cast

import click

from etl.cli.call import call
from etl.cli.options import (
    DATE,
    FROM,
    JOB,
    JSON,
    LAST,
    LOG_FORMAT,
    METRICS,
    NEW_STATE,
    ONLY,
    REQUIRE_STATE,
    SAMPLE,
    SET,
    STATE,
    TO,
    options,
)
from etl.errors import JobError
from etl.job.days import Asked
from etl.job.values import duration


@click.command("run", short_help="Go on with what was cut, then plan and post what is new.")
@options(
    JOB,
    DATE,
    LAST,
    FROM,
    TO,
    click.option("--plan", "plan_id", metavar="ID", help="Post exactly this plan."),
    click.option(
        "--limit", type=click.IntRange(min=1), metavar="N", help="Send N more events; the rest stays pending (exit 75)."
    ),
    click.option("--plan-only", is_flag=True, help="Do what `plan` does: say what it would cost, send nothing."),
    ONLY,
    SAMPLE,
    click.option("--finish", is_flag=True, help="Go on with an unfinished run although the job's mapping has changed."),
    click.option(
        "--wait",
        metavar="AGE",
        help="Where another call of the job is at work, wait so long for it, e.g. 5h; between the days of a range it is this one's turn.",
    ),
    click.option("--only-date", is_flag=True, help="Leave unfinished runs of earlier dates, and name them."),
    click.option(
        "--abandon", is_flag=True, help="Close an unfinished run (its pending events were never sent) and plan anew."
    ),
    SET,
    STATE,
    REQUIRE_STATE,
    NEW_STATE,
    JSON,
    LOG_FORMAT,
    METRICS,
)
def run(
    job_file: Path,
    day: str | None,
    last: int | None,
    since: str | None,
    until: str | None,
    plan_id: str | None,
    limit: int | None,
    plan_only: bool,
    only: str | None,
    sample: int | None,
    finish: bool,
    wait: str | None,
    only_date: bool,
    abandon: bool,
    overrides: tuple[str, ...],
    state: Path | None,
    require_state: bool,
    new_state: bool,
    as_json: bool,  # noqa: ARG001 - `Answer` has read it, and the next one
    log_format: str,  # noqa: ARG001
    metrics_file: Path | None,
) -> int:
    """Post the events of JOB: what earlier calls left first, the oldest date first, then what its inputs hold more.

    With --last or --from: one run a day, oldest first, each done before the next begins.

    The same command goes on after any interruption. Ctrl-C ends it once what is in flight has its answer (exit 75); a second one at once.
    """
    return call(
        job_file,
        overrides,
        Asked(day, last, since, until),
        only,
        sample,
        metrics_file=metrics_file,
        posts=not plan_only,
        state=state,
        require_state=require_state and not new_state,
        plan=plan_id,
        limit=limit,
        finish=finish,
        abandon=abandon,
        only_date=only_date,
        wait=_wait(wait),
    )


def _wait(text: str | None) -> timedelta:
    try:
        return timedelta() if text is None else cast("timedelta", duration(text))
    except ValueError as error:
        raise JobError(f"--wait: {error}") from None
