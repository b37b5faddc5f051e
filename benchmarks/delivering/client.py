"""One delivery in a process of its own, checkpoint on: `python -m benchmarks.delivering.client SETTINGS`.

SETTINGS is JSON: `outbox`, `folder`, and the settings of a delivery. Prints one line of JSON: what it took.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from etl.delivery.checkpoint import Checkpoint
from etl.delivery.post import Settings, deliver


def main() -> None:
    """Post, and say what it took."""
    given = json.loads(sys.argv[1])
    outbox, folder = Path(given.pop("outbox")), Path(given.pop("folder"))
    rate = float(given.pop("rate") or "inf")
    settings = Settings(key="made-up", rate=rate, **given)
    with Checkpoint.open(folder / "checkpoint.sqlite", "bench", "bench") as checkpoint:
        run = checkpoint.add_run(name="000001-bench", mapping="m", fingerprint="f", method=settings.method, events=0)
        before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        result = deliver(outbox, checkpoint, run, settings)
        seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
        found = checkpoint.counts(run)
    print(
        json.dumps({
            "events": found.delivered,
            "seconds": seconds,
            "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
            "peak_mib": after.ru_maxrss / 1024,
            "requests": result.requests,
            "stopped": result.stopped.reason if result.stopped else None,
        })
    )  # fmt: skip


if __name__ == "__main__":
    main()
