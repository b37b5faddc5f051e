"""What does it take before the first row? `python -m benchmarks.start`: `clickreplay --help`, and `plan` of a thousand rows."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median

import click

from benchmarks.measuring import Rival, aim, python, race, run, say
from benchmarks.planning.job import write_job

_ROWS = 1_000
_HELP, _PLAN = "clickreplay --help", f"plan of {_ROWS:,} rows"


@click.command()
@click.option("--runs", type=int, default=5, show_default=True, help="Of each, in turn.")
def main(runs: int) -> None:
    """Measure the program as it is installed."""
    program = str(Path(sys.executable).with_name("clickreplay"))
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "rows.csv"
        run(python("benchmarks.rows", source, _ROWS))

        def plan(folder: Path) -> list[str]:
            return [program, "plan", str(write_job(folder, source)), "--state", str(folder / "state"), "--json"]

        took = race([Rival(_HELP, lambda _: [program, "--help"]), Rival(_PLAN, plan)], runs, Path(name))
    say({_HELP: took[_HELP]}, 1, "calls")
    say({_PLAN: took[_PLAN]}, _ROWS)
    aim(f"CPU seconds of {_HELP}", median(t.cpu for t in took[_HELP]), 0.25)
    aim(f"seconds of a {_PLAN}", median(t.seconds for t in took[_PLAN]), 1.5)


if __name__ == "__main__":
    main()
