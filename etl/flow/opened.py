"""A destination of a job, opened to be changed: by one call at a time, and with what earlier calls have left brought in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from etl.delivery.checkpoint import Checkpoint
from etl.flow import ledger, state
from etl.flow.state import Place


@contextmanager
def opened(place: Place) -> Iterator[Checkpoint]:
    """Hold the lock; what was on its way when an earlier call ended is unknown from now on. Raises AgainError and StateError."""
    place.create()
    place.require_checkpoint()
    with (
        state.locked(place),
        Checkpoint.open(place.checkpoint, place.job, place.destination.address) as checkpoint,
    ):
        place.record()
        checkpoint.sweep()
        _tidy(place, checkpoint)
        yield checkpoint


def _tidy(place: Place, checkpoint: Checkpoint) -> None:
    """Finish what a call that was cut has left: segments of the ledger, folders of plans that were never recorded."""
    runs = checkpoint.runs()
    for run in runs:
        if run.state in ("finished", "abandoned") and not run.merged:
            with state.storing(place.folder):
                ledger.merge(place, checkpoint, run)
    place.forget_all_but([run.name for run in runs])
    ledger.sweep(place, checkpoint)
