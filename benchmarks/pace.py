"""Whether the pace is kept: `python -m benchmarks.pace`. 20, 100 and 350 requests a second, 30 s each, answers after 200 ms.

Everything is measured from the server's own record of arrivals: the rate over the whole, the worst 10 s, the worst second.
"""

from __future__ import annotations

import json
import subprocess
import sys
from bisect import bisect_left
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks.delivering.outbox import make_outbox
from benchmarks.delivering.servers import light

_ROOT = Path(__file__).parents[1]


@click.command()
@click.option("--rate", type=int, multiple=True, default=[20, 100, 350], show_default=True, help="Requests a second.")
@click.option("--seconds", type=int, default=30, show_default=True)
@click.option("--delay", type=float, default=0.2, show_default=True, help="Seconds until the server answers.")
def main(rate: tuple[int, ...], seconds: int, delay: float) -> None:
    """Post at each rate and print a line."""
    for asked in rate:
        with TemporaryDirectory() as name:
            folder = Path(name)
            make_outbox(folder / "outbox.parquet", asked * seconds + 1)
            with light(folder, delay) as (url, record):
                given = {"outbox": str(folder / "outbox.parquet"), "folder": name, "api": url, "rate": asked}
                given["concurrency"] = max(16, round(asked * delay * 1.5))
                command = [sys.executable, "-m", "benchmarks.delivering.client", json.dumps(given)]
                took = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, cwd=_ROOT).stdout)
            times = sorted(map(float, record.read_text().split()))
        span = times[-1] - times[0]
        click.echo(
            f"asked {asked:>3}/s: {len(times):,} requests in {span:.2f} s = {(len(times) - 1) / span:.2f}/s "
            f"({(len(times) - 1) / span / asked - 1:+.2%}); worst 10 s {_worst(times, 10.0):,} (at most {asked * 10:,}), "
            f"worst second {_worst(times, 1.0)}; {took['cpu'] / took['seconds']:.2f} cores"
        )


def _worst(times: list[float], span: float) -> int:
    """Return the most requests that arrived in any window of so many seconds, the first instant counted and the last not."""
    return max(bisect_left(times, start + span) - at for at, start in enumerate(times))


if __name__ == "__main__":
    main()
