"""The plain loop: `session.post` for each body, no checkpoint, no threads: `python -m benchmarks.delivering.rival URL OUTBOX`."""

from __future__ import annotations

import json
import resource
import sys
import time

import pyarrow.parquet as pq
import requests


def main() -> None:
    """Post, and say what it took."""
    url, outbox = sys.argv[1:]
    before, started, count = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter(), 0
    headers, auth = {"Content-Type": "application/json"}, ("user", "made-up")
    with requests.Session() as session:
        for batch in pq.ParquetFile(outbox).iter_batches(columns=["body"]):
            for body in batch["body"].to_pylist():
                response = session.post(url, data=body.encode(), headers=headers, auth=auth, timeout=30)
                response.raise_for_status()
                count += 1
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"events": count, "seconds": seconds, "cpu": cpu, "peak_mib": after.ru_maxrss / 1024}))


if __name__ == "__main__":
    main()
