"""An access log to an outbox, beside programs that do less: `python -m benchmarks.access_log --lines 1000000`.

The rivals: GoAccess, which parses and counts; Matomo's import_logs.py in a dry run; and a loop over `re`, which must give the very
bodies of the outbox, in no order. Each is a process; they run in turn.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import click

from benchmarks.measuring import Rival, aim, python, race, run, say, times
from benchmarks.planning import matomo
from benchmarks.planning.log_job import PRODUCTS, write_log_job, write_prices

_OURS, _GOACCESS, _MATOMO, _LOOP = "clickreplay plan", "GoAccess", "Matomo's import_logs", "re loop"


@click.command()
@click.option("--lines", type=int, default=1_000_000, show_default=True)
@click.option("--runs", type=int, default=5, show_default=True, help="Of each, in turn.")
@click.option("--matomo", "script", type=click.Path(exists=True, path_type=Path), help="Matomo's import_logs.py.")
def main(lines: int, runs: int, script: Path | None) -> None:
    """Measure, and check that the loop's bodies are those of the outbox."""
    with tempfile.TemporaryDirectory() as name, matomo.answering() as url:
        log, prices = Path(name) / "access.log", Path(name) / "prices.csv"
        run(python("benchmarks.lines", log, lines))
        write_prices(prices, PRODUCTS)

        def plan(folder: Path) -> list[str]:
            return python("etl", "plan", write_log_job(folder, log, prices), "--state", folder / "state", "--json")

        def loop(folder: Path) -> list[str]:
            return python("benchmarks.planning.log_loop", log, prices, folder / "out.ndjson")

        rivals = [Rival(_OURS, plan), Rival(_LOOP, loop)]
        goaccess = shutil.which("goaccess")
        if goaccess is None:
            click.echo("GoAccess: left out; it is not here (Debian: apt-get install goaccess)")
        else:
            rivals.append(Rival(_GOACCESS, lambda folder: _goaccess(goaccess, log, folder)))
        if script is None:
            click.echo(
                "Matomo's import_logs.py: left out; give --matomo FILE (github.com/matomo-org/matomo-log-analytics)"
            )
        else:
            rivals.append(Rival(_MATOMO, lambda _: matomo.command(script, url, log)))
        click.echo(f"{lines:,} lines, combined ({log.stat().st_size / 1e6:,.0f} MB), {runs} runs of each")
        took = race(rivals, runs, Path(name), _check)
        say(took, lines, "lines")
        if goaccess is not None:
            aim(f"{_OURS}'s rate beside GoAccess's", times(took, _GOACCESS, _OURS), 5, at_least=True)


def _goaccess(program: str, log: Path, folder: Path) -> list[str]:
    flags = ["--log-format=COMBINED", "--no-global-config", "--no-progress", "-o", str(folder / "out.json")]
    return [program, str(log), *flags]


def _check(folders: dict[str, Path]) -> None:
    (outbox,) = folders[_OURS].glob("state/**/outbox.parquet")
    said = run(python("benchmarks.planning.same", outbox, folders[_LOOP] / "out.ndjson")).splitlines()
    click.echo(f"  the same bodies from {_OURS}, {_LOOP}: {said[0]}")


if __name__ == "__main__":
    main()
