"""How fast delivery is, checkpoint on, on this machine: `python -m benchmarks.deliver`.

Three questions, each against servers on loopback: history at the API's own ceiling (past_events, 100 requests a second),
live events as fast as they go beside a plain `session.post` loop over the same bodies, and live events at the API's limit
with a server that takes 200 ms. Prints events a second, CPU seconds a million events, and peak memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import click

from benchmarks.delivering.outbox import make_outbox
from benchmarks.delivering.servers import fast, light

_ROOT = Path(__file__).parents[1]


@click.command()
@click.option("--past", type=int, default=2_000_000, show_default=True, help="Events of past_events; 0 leaves it out.")
@click.option("--live", type=int, default=20_000, show_default=True, help="Events of each unthrottled run.")
@click.option("--pairs", type=int, default=5, show_default=True, help="Unthrottled runs, each beside the loop.")
@click.option("--concurrency", type=int, default=16, show_default=True, help="Requests in flight, unthrottled.")
@click.option("--paced", type=int, default=10_500, show_default=True, help="Events at 350 a second.")
def main(past: int, live: int, pairs: int, concurrency: int, paced: int) -> None:
    """Measure, and print a line for each run."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        if past:
            with light(folder) as (url, _):
                _say("past_events at 100/s", _ours(folder, url, past, method="past_events", rate=100.0))
        if pairs:
            with fast(folder) as url:
                ratios = [_pair(folder, url, live, concurrency) for _ in range(pairs)]
            click.echo(f"event, unthrottled: {median(ratios):.2f} times the plain loop (median of {pairs} pairs)")
        if paced:
            with light(folder, 0.2) as (url, _):
                _say("event at 350/s, 200 ms", _ours(folder, url, paced, rate=350.0, concurrency=96))


def _pair(folder: Path, url: str, events: int, concurrency: int) -> float:
    ours = _ours(folder, url, events, rate=None, concurrency=concurrency)
    theirs = _run("benchmarks.delivering.rival", f"{url}/v2/event", str(folder / "outbox.parquet"))
    _say("event, unthrottled", ours)
    _say("session.post loop", theirs)
    return float(ours["events"] / ours["seconds"] * theirs["seconds"] / theirs["events"])


def _ours(folder: Path, url: str, events: int, **settings: Any) -> dict[str, Any]:
    make_outbox(folder / "outbox.parquet", events)
    with TemporaryDirectory(dir=folder) as state:
        given = {"outbox": str(folder / "outbox.parquet"), "folder": state, "api": url} | settings
        return _run("benchmarks.delivering.client", json.dumps(given))


def _run(module: str, *words: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", module, *words], capture_output=True, text=True, check=True, cwd=_ROOT)
    said: dict[str, Any] = json.loads(done.stdout)
    if said.get("stopped"):
        raise RuntimeError(f"it stopped: {said['stopped']}")
    return said


def _say(what: str, took: dict[str, Any]) -> None:
    events, seconds, cpu = took["events"], took["seconds"], took["cpu"]
    click.echo(
        f"{what:<24} {events:>9,} events in {seconds:>6.1f} s = {events / seconds:>8,.0f}/s, {cpu / events * 1e6:>6.1f} CPU s "
        f"a million, {cpu / seconds:.2f} cores, peak {took['peak_mib']:,.0f} MiB"
    )


if __name__ == "__main__":
    main()
