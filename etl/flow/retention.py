"""`keep`: the contact data of runs that ended long enough ago is taken away; counts, ids and what the input was stay (RULES §10)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from etl.delivery.checkpoint import Checkpoint, RunRow
from etl.errors import AgainError, Exit
from etl.files import sync
from etl.flow import ledger, receipts
from etl.flow.opened import opened
from etl.flow.state import PURGED, SANDBOX, Place, places, storing, write_private
from etl.flow.summary import books_of
from etl.report.purged import PurgedPlace, PurgedRun
from etl.sandbox.forget import forget

#: What of a run's folder is no contact data: what the run has read, what became of its events, and that the rest was taken away.
_STAYS = frozenset({PURGED, "inputs.json", receipts.NAME})


def remove_old(
    place: Place, checkpoint: Checkpoint, before: datetime, *, dry_run: bool = False, unfinished: bool = False
) -> PurgedPlace:
    """Take away the contact data of runs that ended before a moment, and of plans that were made before it and never posted.

    Unfinished runs are left alone, and so is what an unfinished replay goes back to; with `unfinished`, those of which nothing has
    moved since that moment are abandoned: what is pending of them is withdrawn as `purged`.

    A plan that is never posted has sent nothing: it
    is closed as abandoned. Of a run all goes, or it says that all is to go and the next call takes the rest: the mark in its folder
    comes first. Raises StateError.
    """
    runs: list[PurgedRun] = []
    for run in _due(place, checkpoint, before, unfinished=unfinished):
        if run.state == "open" and not dry_run:
            _withdraw(place, checkpoint, run)
        if not dry_run:
            # Until now a lost file of the ledger could be made again from its run's outbox.
            with storing(place):
                ledger.whole(place, checkpoint, [s for s in checkpoint.segments() if s.run == run.run])
        runs.append(_counted(place, checkpoint, run))
        if not dry_run:
            with storing(place):
                _remove(place, checkpoint, run)
    arrived = 0
    if place.destination.address == SANDBOX:
        arrived = forget(place.folder / "sandbox.sqlite", before=before.timestamp(), only_count=dry_run)
    return PurgedPlace(str(place.destination), tuple(run for run in runs if run.anything), sandbox=arrived)


def retire(place: Place, checkpoint: Checkpoint, before: datetime) -> tuple[int, list[str]]:
    """Do what `keep` says at the end of a call, here and at the job's other destinations.

    Return of how many runs data was removed, and the names of those that were unfinished and are abandoned now.

    A destination at which another call is at work is left to that call. Raises StateError.
    """
    done = [remove_old(place, checkpoint, before, unfinished=True)]
    for other in places(place.folder.parent):
        if other.folder != place.folder and other.exists:
            try:
                with opened(other) as others:
                    done.append(remove_old(other, others, before, unfinished=True))
            except AgainError:
                continue
    return sum(len(one.runs) for one in done), [run.run for one in done for run in one.runs if run.state == "open"]


def _due(place: Place, checkpoint: Checkpoint, before: datetime, *, unfinished: bool) -> Iterator[RunRow]:
    runs = checkpoint.runs()
    moved = {run.run: max(run.created, checkpoint.last_change(run.run)) for run in runs if run.state == "open"}
    resting = {number for number, at in moved.items() if unfinished and at < before.timestamp()}
    needed = _needed([run for run in runs if run.run not in resting], runs)
    for run in runs:
        since = moved[run.run] if run.run in resting else run.created if run.state == "planned" else run.ended
        if (
            (run.state != "open" or run.run in resting)
            and run.run not in needed
            and since is not None
            and since < before.timestamp()
            and any(_to_go(place.run(run.name)))
        ):
            yield run


def _needed(moving: Sequence[RunRow], runs: Sequence[RunRow]) -> set[int]:
    """The runs that an unfinished replay (among `moving`) goes back to: the one that read the inputs, and all replays of its rejects."""
    roots: dict[int, int] = {}
    for run in runs:  # what is replayed is older
        roots[run.run] = run.run if run.of is None else roots[run.of]
    busy = {roots[run.run] for run in moving if run.state == "open" and run.of is not None}
    return {number for number, root in roots.items() if root in busy}


def _to_go(folder: Path) -> list[Path]:
    """What of a run's folder is contact data."""
    return [path for path in folder.iterdir() if path.name not in _STAYS] if folder.is_dir() else []


def _counted(place: Place, checkpoint: Checkpoint, run: RunRow) -> PurgedRun:
    folder = place.run(run.name)
    return PurgedRun(
        run=run.name,
        date=run.date or None,
        state=run.state,
        events=_rows(folder / "outbox.parquet"),
        refused=_rows(folder / "quarantine.parquet"),
        answers=checkpoint.answers(run.run),
    )


def _rows(file: Path) -> int:
    try:
        return int(pq.read_metadata(file).num_rows)
    except (OSError, pa.ArrowException):
        return 0  # gone already, or so damaged that nobody reads it


def _remove(place: Place, checkpoint: Checkpoint, run: RunRow) -> None:
    if run.state in ("planned", "open"):
        _abandon(place, checkpoint, run)
    checkpoint.forget_answers(run.run)
    folder = place.run(run.name)
    if place.purged(run.name) is None:
        write_private(folder / PURGED, json.dumps({"at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}))
        sync(folder)
    for path in _to_go(folder):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    sync(folder)


def _withdraw(place: Place, checkpoint: Checkpoint, run: RunRow) -> None:
    """Take back what an unfinished run has pending: it is in no book as pending any more, and never sent."""
    with storing(place):
        checkpoint.withdraw(run.run, range(run.events), "purged", durable=True)


def _abandon(place: Place, checkpoint: Checkpoint, plan: RunRow) -> None:
    """Close a plan that nobody has posted, or a run that rested for too long: what is pending of it was never sent."""
    books = books_of(place, checkpoint, plan).to_json() if place.has_outbox(plan.name) else plan.books
    checkpoint.update_run(plan.run, state="abandoned", exit=int(Exit.PARTIAL), books=books)
    ledger.merge(place, checkpoint, replace(plan, state="abandoned"))
