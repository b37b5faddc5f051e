"""How the runs of a job stand, read without a lock: a call that is at work is not disturbed."""

from __future__ import annotations

import fcntl
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from etl.delivery.checkpoint import Checkpoint, RunRow
from etl.flow.state import Place, places


@dataclass(frozen=True, slots=True)
class RunStanding:
    """One run: its state, and what has become of its events so far."""

    run: str
    kind: str
    of: str | None
    date: str | None
    state: str
    method: str
    events: int
    delivered: int
    rejected: int
    unknown: int
    pending: int
    withdrawn: int
    requests: int
    resent: int
    seconds: float
    exit: int | None
    purged: str | None  # when its contact data was removed


@dataclass(frozen=True, slots=True)
class Standing:
    """One destination of a job."""

    job: str
    destination: str
    at_work: bool
    runs: tuple[RunStanding, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of this destination."""
        return asdict(self)


def standings(state: Path) -> list[Standing]:
    """Return how each destination under a state folder stands; raise StateError for a checkpoint that cannot be read."""
    return [_standing(place) for place in places(state) if place.exists]


def _standing(place: Place) -> Standing:
    with Checkpoint.open(place.checkpoint, place.job, place.destination.address, read_only=True) as checkpoint:
        runs = tuple(_run(place, checkpoint, run) for run in checkpoint.runs())
        return Standing(place.job, str(place.destination), _is_at_work(place), runs)


def _run(place: Place, checkpoint: Checkpoint, run: RunRow) -> RunStanding:
    counts = checkpoint.counts(run.run)
    withdrawn = sum(counts.withdrawn.values())
    events = run.events - withdrawn
    unknown = counts.unknown + counts.sent
    return RunStanding(
        run=run.name,
        kind=run.kind,
        of=checkpoint.run(run.of).name if run.of is not None else None,
        date=run.date or None,
        state=run.state,
        method=run.method,
        events=events,
        delivered=counts.delivered,
        rejected=counts.rejected,
        unknown=unknown,
        pending=events - counts.delivered - counts.rejected - unknown,
        withdrawn=withdrawn,
        requests=run.requests,
        resent=run.resent,
        seconds=round(run.seconds, 3),
        exit=run.exit,
        purged=place.purged(run.name),
    )


def _is_at_work(place: Place) -> bool:
    try:
        with (place.folder / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
