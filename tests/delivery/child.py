"""One call of delivery in a process of its own, to be killed: child.py FOLDER RUN URL RATE ON_UNKNOWN METHOD BATCH"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from outboxes import settings

from etl.delivery.checkpoint import Checkpoint
from etl.delivery.post import StopFlag, deliver


def main() -> int:
    folder, run, url, rate, on_unknown, method, batch = sys.argv[1:]
    stop = StopFlag()
    signal.signal(signal.SIGTERM, lambda *_: stop.request())
    with Checkpoint.open(Path(folder) / "checkpoint.sqlite", "job", "sandbox") as checkpoint:
        swept = checkpoint.sweep().get(int(run), 0)
        print(f"unknown {swept}", flush=True)
        given = settings(url, rate=float(rate), on_unknown=on_unknown, method=method, batch=int(batch), timeout=2.0)
        result = deliver(Path(folder) / "outbox.parquet", checkpoint, int(run), given, stop=stop)
        print(result, flush=True)
    return int(result.stopped.exit) if result.stopped else 0


if __name__ == "__main__":
    sys.exit(main())
