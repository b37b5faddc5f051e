"""History that the API does not take: `past_events` older than two years."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from etl.job.models import Job

#: The API keeps events for two years, and refuses what is older.
KEPT = timedelta(days=731)


def refused_history(job: Job, outbox: Path, now: datetime | None = None) -> list[str]:
    """Return a warning where the outbox of a plan holds events that `past_events` refuses; none by the live method."""
    if job.delivery.method != "past_events":
        return []
    since = (now or datetime.now(UTC)) - KEPT
    count, oldest = 0, None
    for batch in pq.ParquetFile(outbox).iter_batches(columns=["instant"]):
        old = batch["instant"].filter(pc.less(batch["instant"], pa.scalar(since, batch["instant"].type)))
        if len(old):
            first = pc.min(old).as_py()
            count, oldest = count + len(old), first if oldest is None else min(oldest, first)
    if oldest is None:
        return []
    return [
        f"warning: {count:,} event{'' if count == 1 else 's'} from before {since:%Y-%m-%d} (the oldest is of {oldest:%Y-%m-%d}) will be "
        "refused: the API keeps events for two years. Leave them out by a filter or a later --from"
    ]
