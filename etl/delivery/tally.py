"""How many events of a run stand where, kept up as verdicts come in."""

from __future__ import annotations

from etl.delivery.answers import Answer, Outcome
from etl.delivery.checkpoint import Counts, State


class Tally:
    """Counts of one run: over all its calls, but `tried`, which are the events that this call has begun with."""

    def __init__(self, counts: Counts, events: int) -> None:
        self.total = events - sum(counts.withdrawn.values())
        self.delivered, self.rejected = counts.delivered, counts.rejected
        self.unknown = counts.unknown + counts.doubted
        self.tried = 0
        self.last_trouble = "no request was sent"

    @property
    def verdicts(self) -> int:
        """Events that the API has accepted or refused."""
        return self.delivered + self.rejected

    @property
    def done(self) -> int:
        """Events with an end, or with an outcome that is unknown."""
        return self.delivered + self.rejected + self.unknown

    def move(self, before: State | None, after: State, events: int) -> None:
        """Note that so many events stand elsewhere now."""
        for state, step in ((before, -events), (after, events)):
            if state is State.DELIVERED:
                self.delivered += step
            elif state is State.REJECTED:
                self.rejected += step
            elif state is State.UNKNOWN:
                self.unknown += step

    def trouble(self, outcome: Outcome) -> None:
        """Remember what went wrong last."""
        self.last_trouble = f"the API answers {outcome.status}" if isinstance(outcome, Answer) else outcome.detail
