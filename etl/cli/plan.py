"""`clickreplay plan`: everything but the posting."""

from __future__ import annotations

from pathlib import Path

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
from etl.job.days import Asked


@click.command("plan", short_help="Read the inputs and write the outbox: everything but the posting.")
@options(JOB, DATE, LAST, FROM, TO, ONLY, SAMPLE, SET, STATE, REQUIRE_STATE, NEW_STATE, JSON, LOG_FORMAT, METRICS)
def plan(
    job_file: Path,
    day: str | None,
    last: int | None,
    since: str | None,
    until: str | None,
    only: str | None,
    sample: int | None,
    overrides: tuple[str, ...],
    state: Path | None,
    require_state: bool,
    new_state: bool,
    as_json: bool,  # noqa: ARG001 - `Answer` has read it, and the next one
    log_format: str,  # noqa: ARG001
    metrics_file: Path | None,
) -> int:
    """Read the inputs of JOB and write the outbox that `run` posts; exit with 5 where `run` would be stopped by a guard.

    With --last or --from: count what each day would send, as if those before it had been sent, and what all of it costs by each method. No
    outbox is kept then.
    """
    return call(
        job_file,
        overrides,
        Asked(day, last, since, until),
        only,
        sample,
        metrics_file=metrics_file,
        posts=False,
        state=state,
        require_state=require_state and not new_state,
    )
