"""What reading from an S3 costs beside a local file: `python -m benchmarks.remote --rows 6000000`.

Makes files of so many rows in all, as CSV, as its gzip and as Parquet, puts them into moto's S3 on loopback, and reads each set here and
there, every row and column, each reading in a process of its own, in turn; prints medians of rate and peak memory. moto runs on the same
machine and copies a whole object for each part of it that is asked for, so what it gives is the least that there is: the web server, which
only sends, shows what the reading itself can take.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from etl.source import SourceSettings, open_source

_ROOT = Path(__file__).parents[1]
_KINDS = ("csv", "csv.gz", "parquet")


@click.command()
@click.option("--rows", type=int, default=6_000_000, show_default=True, help="Rows of each set.")
@click.option("--parts", type=int, default=12, show_default=True, help="Files of each set.")
@click.option("--repeat", type=int, default=3, show_default=True, help="Readings of each.")
@click.option("--one", multiple=True, hidden=True)
def main(rows: int, parts: int, repeat: int, one: tuple[str, ...]) -> None:
    """Make the files and measure."""
    if one:
        click.echo(json.dumps(_read(one)))
        return
    sys.path.append(str(_ROOT / "tests" / "source"))
    from remote_servers import AWS, Web, s3_bucket, s3_server, web_server

    with TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        for part in range(parts):
            _make(folder / f"part-{part}", rows // parts, part)
        url = stack.enter_context(s3_server())
        bucket = s3_bucket(url)
        files = sorted(folder.iterdir())
        for file in files:
            bucket.put(file.name, file.read_bytes())
        web = stack.enter_context(web_server(Web({f"/{file.name}": file.read_bytes() for file in files})))
        environment = os.environ | AWS | {"AWS_ENDPOINT_URL": url}
        for kind in _KINDS:
            names = [f"part-{part}.{kind}" for part in range(parts)]
            size = sum((folder / name).stat().st_size for name in names) / 1e6
            places = {"local": f"{folder}/", "s3": bucket.address(), "web": f"{web.url}/"}
            found: dict[str, list[dict[str, float]]] = {where: [] for where in places}
            for _ in range(repeat):
                for where, before in places.items():
                    found[where].append(_child([before + name for name in names], environment))
            for where, runs in found.items():
                seconds, peak = (statistics.median(run[key] for run in runs) for key in ("seconds", "peak"))
                rate = size / seconds
                click.echo(f"{kind:8} {size:7.1f} MB  {where:5}  {seconds:6.2f} s  {rate:6.1f} MB/s  {peak:5.0f} MiB")


def _make(file: Path, rows: int, part: int) -> None:
    chance = np.random.default_rng(part)
    times = np.datetime64("2026-11-20") + chance.integers(0, 86_400_000, rows).astype("timedelta64[ms]")
    links = zip(chance.integers(0, 90_000, rows), chance.integers(0, 1 << 40, rows), strict=True)
    columns = {
        "user": [f"u{n}" for n in chance.integers(0, 500_000, rows)],
        "url": [f"/product/{n}?ref={ref:x}" for n, ref in links],
        "time": times,
        "price": chance.random(rows),
    }
    table = pa.table(columns)
    pq.write_table(table, f"{file}.parquet")
    pc.write_csv(table, f"{file}.csv")
    with Path(f"{file}.csv").open("rb") as plain, gzip.open(f"{file}.csv.gz", "wb", 1) as packed:
        shutil.copyfileobj(plain, packed, 1 << 20)


def _read(paths: tuple[str, ...]) -> dict[str, float]:
    start = time.perf_counter()
    source = open_source(SourceSettings(paths=paths), Path("/"))
    rows = sum(batch.table.num_rows for batch in source.batches())
    seconds = time.perf_counter() - start
    # Not ru_maxrss: that of a child begins with its parent's.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return {"rows": rows, "seconds": seconds, "peak": int(peak.split()[1]) / 1024}


def _child(paths: list[str], environment: dict[str, str]) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.remote", *(word for path in paths for word in ("--one", path))]
    done = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
