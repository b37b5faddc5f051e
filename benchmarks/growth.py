"""Does planning take as long a row, and no more memory, when exports grow? `python -m benchmarks.growth 1 10 50` (millions of rows)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

import click

from benchmarks.measuring import Rival, aim, python, race, run, say
from benchmarks.planning.job import write_job


@click.command()
@click.argument("millions", type=float, nargs=-1)
@click.option("--runs", type=int, default=5, show_default=True, help="Of each size, in turn.")
@click.option("--format", "form", type=click.Choice(["csv", "parquet"]), default="csv", show_default=True)
def main(millions: tuple[float, ...], runs: int, form: str) -> None:
    """Plan exports of these sizes (without any: 1, 10 and 50 million rows)."""
    sizes = {f"{size:g} million": int(size * 1e6) for size in millions or (1, 10, 50)}
    with tempfile.TemporaryDirectory() as name:
        rivals = [_planning(Path(name), label, rows, form) for label, rows in sizes.items()]
        took = race(rivals, runs, Path(name))
    for label, rows in sizes.items():
        say({label: took[label]}, rows)
    each = {label: median(t.seconds for t in took[label]) / rows * 1e6 for label, rows in sizes.items()}
    click.echo("  microseconds a row: " + ", ".join(f"{label} {value:.1f}" for label, value in each.items()))
    aim("the longest time a row beside the shortest", max(each.values()) / min(each.values()), 1.2)
    aim("the largest peak in GiB", max(t.peak_mib for runs_ in took.values() for t in runs_) / 1024, 1.5)


def _planning(folder: Path, label: str, rows: int, form: str) -> Rival:
    source = folder / f"rows-{rows}.{form}"
    run(python("benchmarks.rows", source, rows))
    return Rival(label, lambda own: python("etl", "plan", write_job(own, source), "--state", own / "state", "--json"))


if __name__ == "__main__":
    main()
