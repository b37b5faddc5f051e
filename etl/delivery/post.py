"""The door of the delivery room: post an outbox."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from etl.delivery.checkpoint import Checkpoint
from etl.delivery.coordinator import Coordinator
from etl.delivery.methods import method_of
from etl.delivery.outbox import Outbox
from etl.delivery.settings import Bulk, Patience, Progress, Result, Settings, Stopped
from etl.delivery.stop import StopFlag

__all__ = ["Bulk", "Patience", "Progress", "Result", "Settings", "StopFlag", "Stopped", "deliver"]


def deliver(
    outbox: Path,
    checkpoint: Checkpoint,
    run: int,
    settings: Settings,
    *,
    progress: Callable[[Progress], None] = lambda _: None,
    stop: StopFlag | None = None,
    limit: int | None = None,
) -> Result:
    """Post the events of `outbox` (Parquet, OUTBOX columns, by seq from 0) that the checkpoint does not call settled.

    `limit` is how many events to send in this call; `progress` is called about twice a second and at the end. Returns
    when every event has its end, or says in the result why it stopped. Sweep the checkpoint first. Raises StateError
    when the checkpoint or the outbox fails.
    """
    method = method_of(settings)
    with Outbox(outbox, timed=method.timed) as events:
        return Coordinator(events, checkpoint, run, method, settings, progress, stop or StopFlag(), limit).post()
