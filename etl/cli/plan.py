"""`clickreplay plan`: everything but the posting."""

from __future__ import annotations

from pathlib import Path

import click

from etl.cli.call import call
from etl.cli.options import DATE, JOB, JSON, NEW_STATE, ONLY, REQUIRE_STATE, SAMPLE, SET, STATE, options


@click.command("plan", short_help="Read the inputs and write the outbox: everything but the posting.")
@options(JOB, DATE, ONLY, SAMPLE, SET, STATE, REQUIRE_STATE, NEW_STATE, JSON)
def plan(
    job_file: Path,
    day: str | None,
    only: str | None,
    sample: int | None,
    overrides: tuple[str, ...],
    state: Path | None,
    require_state: bool,
    new_state: bool,
    as_json: bool,
) -> int:
    """Read the inputs of JOB and write the outbox that `run` posts; exit with 5 where `run` would be stopped by a guard."""
    return call(
        job_file,
        overrides,
        day,
        only,
        sample,
        as_json=as_json,
        posts=False,
        state=state,
        require_state=require_state and not new_state,
    )
