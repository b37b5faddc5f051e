"""How fast and how small `plan` is: `python -m benchmarks.plan --rows 1000000`."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from benchmarks.rows import JOB, write_rows


@click.command()
@click.option("--rows", type=int, default=[1_000_000], multiple=True, show_default=True)
def main(rows: tuple[int, ...]) -> None:
    """Plan exports of these sizes, each in a process of its own; print rows a second and peak memory."""
    for count in rows:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_rows(folder / "rows.csv", count)
            (folder / "job.yaml").write_text(JOB.replace("PATH", "rows.csv").replace("API", "sandbox"), "utf-8")
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            started = time.perf_counter()
            command = [sys.executable, "-m", "etl", "plan", str(folder / "job.yaml"), "--json"]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds = time.perf_counter() - started
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            books = json.loads(done.stdout)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            size = (folder / "rows.csv").stat().st_size / 1e6
            click.echo(
                f"{count:,} rows ({size:,.0f} MB): {seconds:.1f} s, {count / seconds:,.0f} rows/s, {cpu:.1f} s CPU, "
                f"peak {after.ru_maxrss / 1024:,.0f} MiB; {books['events']:,} events, {books['invalid']:,} invalid, "
                f"{books['duplicate'].get('exact', 0):,} duplicates, {books['folded']:,} folded"
            )


if __name__ == "__main__":
    main()
