"""What a large ledger costs a plan: `python -m benchmarks.ledger --ids 100000000`.

Makes a ledger of so many ids, a file a month over two years, and 1,000,000 staged events, half of them in the ledger; then
takes out what was sent before, with no ledger, with the newest month only (what a nightly run reads), and with all of it (a
job with ids of its own). Each in a process of its own; prints seconds and peak memory.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import duckdb

from etl.outbox.elimination import Policy, eliminate
from etl.sql import connect

_ROOT = Path(__file__).parents[1]
_MONTHS = [f"{2024 + n // 12}-{n % 12 + 1:02d}" for n in range(24)]

_ID = "unhex(md5({seed} || i))"
_SENT = (
    "SELECT {id} AS id, md5_number_lower('t' || {seed} || i)::UBIGINT AS twin, "
    "md5_number_lower('l' || (i % 5000000))::UBIGINT AS lane, "
    "TIMESTAMPTZ '{month}-01 00:00:00+00' + to_milliseconds((i * 500) % 2400000000) AS instant, i % 5 = 0 AS cart, "
    "'0123456789abcdef' AS mapping FROM range({count}) r(i)"
)
_STAGED = (
    "SELECT 0::SMALLINT AS rule, 0::INTEGER AS file, i::BIGINT AS row, NULL::INTEGER AS element, i::BIGINT AS ordinal, "
    "0::INTEGER AS item, 1::BIGINT AS lines, 'visitor' || (i % 200000) AS key, instant, id, twin, lane, NULL::BLOB AS grp, "
    "'{{}}' AS body FROM (SELECT *, row_number() OVER () AS i FROM ({known} UNION ALL {fresh}))"
)


@click.command()
@click.option("--ids", type=int, default=100_000_000, show_default=True, help="Ids in the ledger.")
@click.option("--events", type=int, default=1_000_000, show_default=True, help="Events of the plan.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to make it, kept; else a temporary folder.")
@click.option("--one", type=click.Choice(["make", "none", "month", "all"]), hidden=True)
def main(ids: int, events: int, folder: Path | None, one: str | None) -> None:
    """Make the ledger and measure."""
    if one == "make" and folder:
        _make(folder, ids, events)
        return
    if one and folder:
        click.echo(json.dumps(_measure(folder, one)))
        return
    with TemporaryDirectory() as temporary:
        place = folder or Path(temporary)
        place.mkdir(exist_ok=True)
        if not (place / "staged.parquet").exists():
            _child(place, "make", "--ids", str(ids), "--events", str(events))
        size = sum(file.stat().st_size for file in place.glob("sent-*")) / 1e9
        click.echo(f"a ledger of {ids:,} ids: {size:.2f} GB; a plan of {events:,} events, half of them in it")
        for which in ("none", "month", "all"):
            took = json.loads(_child(place, which))
            click.echo(
                f"{which:<6} {took['seconds']:>6.1f} s, peak {took['peak_mib']:>6,.0f} MiB, {took['sent_before']:,} sent before"
            )


def _child(place: Path, one: str, *options: str) -> str:
    """A process of its own: a child's peak of memory begins with its parent's."""
    command = [sys.executable, "-m", "benchmarks.ledger", "--folder", str(place), "--one", one, *options]
    return subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True).stdout


def _make(place: Path, ids: int, events: int) -> None:
    count = ids // len(_MONTHS)
    with duckdb.connect() as sql:
        sql.execute("SET TimeZone = 'UTC'")
        for month in _MONTHS:
            rows = _SENT.format(id=_ID.format(seed=f"'{month}'"), seed=f"'{month}'", month=month, count=count)
            sql.execute(f"COPY ({rows} ORDER BY id) TO '{place / f'sent-{month}.parquet'}' (COMPRESSION zstd)")
        known, fresh = (
            _SENT.format(id=_ID.format(seed=f"'{seed}'"), seed=f"'{seed}'", month=_MONTHS[-1], count=events // 2)
            for seed in (_MONTHS[-1], "fresh")
        )
        sql.execute(f"COPY ({_STAGED.format(known=known, fresh=fresh)}) TO '{place / 'staged.parquet'}'")


def _measure(place: Path, which: str) -> dict[str, float]:
    files = sorted(place.glob("sent-*.parquet"))
    sent = {"none": [], "month": files[-1:], "all": files}[which]
    policy = Policy(types=("pageViewed",), dedupe=(None,), now=datetime.now(UTC), mapping="0123456789abcdef")
    started = time.perf_counter()
    with TemporaryDirectory(dir=place) as work, connect(memory="500MB", folder=Path(work), reads=[place]) as sql:
        gone = eliminate(place / "staged.parquet", sent, policy, sql)
    return {
        "seconds": time.perf_counter() - started,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "sent_before": gone.duplicate["sent_before"],
    }


if __name__ == "__main__":
    main()
