"""A table to an outbox, beside the machine's limit and others: `python -m benchmarks.table --rows 1000000`.

The rivals: one DuckDB script written by hand, which must give the very same bodies; a plain Python loop, which must too, but in no order;
and mixpanel-import, which has a form of its own. Each is a process; they run in turn.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import click

from benchmarks.measuring import Rival, Took, aim, python, race, run, say, times
from benchmarks.planning import mixpanel
from benchmarks.planning.job import write_job

_OURS, _SCRIPT, _LOOP, _MIXPANEL = "clickreplay plan", "DuckDB script", "plain loop", "mixpanel-import"
_SMALL = 20_000

_Command = Callable[[Path, Path], list[str]]  # of an input and an empty folder


@click.command()
@click.option("--rows", type=int, default=1_000_000, show_default=True)
@click.option("--runs", type=int, default=5, show_default=True, help="Of each, in turn.")
@click.option("--format", "forms", type=click.Choice(["csv", "parquet"]), default=["csv", "parquet"], multiple=True)
@click.option("--slow/--no-slow", default=True, help="With the plain loop and mixpanel-import, which read CSV.")
def main(rows: int, runs: int, forms: tuple[str, ...], slow: bool) -> None:
    """Check the bodies at a small size, measure at the full one and check them there too."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for form in forms:
            fast = [(_OURS, _plan), (_SCRIPT, _script)]
            _measure(folder, form, _SMALL, 1, [*fast, (_LOOP, _loop)] if form == "csv" else fast, quiet=True)
            took = _measure(folder, form, rows, runs, fast)
            aim(f"{form}: {_OURS}'s time beside the script's", times(took, _OURS, _SCRIPT), 1.5)
        if slow and "csv" in forms:
            program = mixpanel.installed()
            others: list[tuple[str, _Command]] = [(_OURS, _plan), (_LOOP, _loop)]
            if isinstance(program, Path):
                others.append((f"{_MIXPANEL} {mixpanel.VERSION}", lambda source, _: mixpanel.command(program, source)))
            else:
                click.echo(f"  {_MIXPANEL}: left out; it {program}")
            took = _measure(folder, "csv", rows, runs, others)
            aim(f"{_OURS}'s rate beside the plain loop's", times(took, _LOOP, _OURS), 5, at_least=True)
            if isinstance(program, Path):
                rate = times(took, f"{_MIXPANEL} {mixpanel.VERSION}", _OURS)
                aim(f"{_OURS}'s rate beside {_MIXPANEL}'s", rate, 30, at_least=True)


def _measure(
    folder: Path, form: str, rows: int, runs: int, commands: list[tuple[str, _Command]], *, quiet: bool = False
) -> dict[str, list[Took]]:
    """Race commands on rows of a form; say what they took and whether the bodies are the same."""
    source = folder / f"rows-{rows}.{form}"
    if not source.exists():
        run(python("benchmarks.rows", source, rows))
    rivals = [Rival(name, lambda own, make=make: make(source, own)) for name, make in commands]
    click.echo(
        f"{rows:,} rows, {form} ({source.stat().st_size / 1e6:,.0f} MB)" + ("" if quiet else f", {runs} runs of each")
    )
    took = race(rivals, runs, folder, _check)
    if not quiet:
        say(took, rows)
    return took


def _check(folders: dict[str, Path]) -> None:
    files = [_outbox(own) for name, own in folders.items() if not name.startswith(_MIXPANEL)]
    said = run(python("benchmarks.planning.same", *files)).splitlines()
    click.echo(f"  the same bodies from {', '.join(n for n in folders if not n.startswith(_MIXPANEL))}: {said[0]}")


def _outbox(folder: Path) -> Path:
    (found,) = (path for pattern in ("out.*", "state/**/outbox.parquet") for path in folder.glob(pattern))
    return found


def _plan(source: Path, folder: Path) -> list[str]:
    return python("etl", "plan", write_job(folder, source), "--state", folder / "state", "--json")


def _script(source: Path, folder: Path) -> list[str]:
    return python("benchmarks.planning.script", source, folder / "out.parquet")


def _loop(source: Path, folder: Path) -> list[str]:
    return python("benchmarks.planning.loop", source, folder / "out.ndjson")


if __name__ == "__main__":
    main()
