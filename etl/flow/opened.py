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
    with state.locked(place):
        place.require_checkpoint()
        with Checkpoint.open(place.checkpoint, place.job, place.destination.address) as checkpoint:
            place.require_known(_known(checkpoint) | checkpoint.announced())
            place.record()
            checkpoint.sweep()
            _tidy(place, checkpoint)
            yield checkpoint


def _known(checkpoint: Checkpoint) -> set[str]:
    """The names of the runs' folders and of the ledger's files."""
    return {run.name for run in checkpoint.runs()} | {segment.file for segment in checkpoint.segments()}


def _tidy(place: Place, checkpoint: Checkpoint) -> None:
    """Finish what a call that was cut has left: segments of the ledger, folders of plans that were never recorded."""
    with state.storing(place):
        for run in checkpoint.runs():
            if run.state in ("finished", "abandoned") and not run.merged:
                ledger.merge(place, checkpoint, run)
        announced = checkpoint.announced()
        place.clear(announced, _known(checkpoint))
        ledger.sweep(place)
        if announced:
            checkpoint.settle(announced)
