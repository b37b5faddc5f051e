"""Seeded misbehaviour: which fault the next request meets. Pure but for the state of the two generators."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from email.utils import formatdate

from etl.sandbox.contract import Batch
from etl.sandbox.occurred import Status
from etl.sandbox.settings import Misbehaviour

#: Faults that happen before anything is recorded.
BEFORE = frozenset({"429", "500", "503", "reset_before", "hang_before", "html"})

#: Faults that a refused body meets as well; the others need an accepted one.
ON_THE_WIRE = frozenset({"reset_after", "hang_after", "half", "slow"})

#: Faults after which no status line leaves: the record's status is 0.
SILENT = frozenset({"reset_before", "reset_after", "hang_before", "hang_after"})


class Faults:
    """The faults of one server: a draw for each request, another for each event of past_events."""

    def __init__(self, misbehaviour: Misbehaviour) -> None:
        self._bands = [(name, rate) for name, rate in misbehaviour.bands().items() if rate > 0]
        self._server_error = misbehaviour.rate_server_error
        # Two generators: a fault of an event must not shift the faults of the requests.
        self._requests = random.Random(f"requests {misbehaviour.seed}")  # noqa: S311
        self._events = random.Random(f"events {misbehaviour.seed}")  # noqa: S311

    def draw(self, *, batch: bool) -> str | None:
        """Return the fault of the next request, or None. Only a `batch` has results to miscount (`wrong_count`)."""
        if not self._bands:
            return None
        left = self._requests.random()
        for name, rate in self._bands:
            if left < rate:
                return None if name == "wrong_count" and not batch else name
            left -= rate
        return None

    def spoil(self, batch: Batch) -> Batch:
        """Return the batch with some of its accepted events turned to SERVER_ERROR."""
        if not self._server_error:
            return batch
        return replace(batch, statuses=tuple(self._spoilt(each) for each in batch.statuses))

    def _spoilt(self, status: Status) -> Status:
        unlucky = self._events.random() < self._server_error
        return Status.SERVER_ERROR if unlucky and status is Status.ACCEPTED else status


def retry_after(misbehaviour: Misbehaviour, now: float) -> tuple[tuple[str, str], ...]:
    """Return the Retry-After header of a 429 or 503 at `now` (unix seconds), as the settings want it; none when off."""
    if misbehaviour.retry_after is None:
        return ()
    if misbehaviour.retry_after_date:
        return (("Retry-After", formatdate(math.ceil(now + misbehaviour.retry_after), usegmt=True)),)
    return (("Retry-After", str(math.ceil(misbehaviour.retry_after))),)
