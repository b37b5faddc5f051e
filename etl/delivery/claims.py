"""What may be sent next, on the disk before it is: after a power cut nobody has to guess (RULES §6).

Intents and verdicts are with the operating system, which a kill does not touch. The machine itself may stop, and take
the last moments of the checkpoint with it; what went out in them is among the last claim's events.
"""

from __future__ import annotations

from collections.abc import Set

from etl.delivery.checkpoint import Checkpoint
from etl.delivery.lanes import Lanes

_AHEAD = 2.0  # seconds that a claim should last
_BATCHES = 8
_FIRST, _MOST = 1_000, 1_000_000  # events of a claim


class Claims:
    """The claims of one call.

    `events` is the size of the outbox, `batch` how many of them a request may carry, `rate` how many requests may leave
    in a second. No claim is for fewer events than `_BATCHES` requests carry.
    """

    def __init__(
        self, checkpoint: Checkpoint, run: int, lanes: Lanes, events: int, batch: int, rate: float, now: float
    ) -> None:
        self._checkpoint, self._run, self._lanes, self._events = checkpoint, run, lanes, events
        self._fewest, self._batch = _BATCHES * batch, batch
        self._size = int(max(min(rate * batch * _AHEAD, _FIRST), self._fewest))
        self._first = self._upto = 0
        self._others: Set[int] = frozenset()
        self._doubted: set[int] = set()  # since the claim was made
        self._made = now
        self._any = False
        self.spent = True

    def doubt(self, seq: int) -> None:
        """Note that an event's outcome is unknown: before it goes again, that is on the disk, so each repeat is counted."""
        self._doubted.add(seq)

    def covers(self, seq: int) -> bool:
        """Return whether an event may go; where it may not, the claim is spent."""
        if (self._first <= seq < self._upto or seq in self._others) and seq not in self._doubted:
            return True
        self.spent = True
        return False

    def look_ahead(self) -> None:
        """Call the claim spent where the outbox goes on and the next requests might not be filled from what is claimed."""
        at = self._lanes.next_seq
        if at is not None and self._upto < self._events and self._upto - at < 2 * self._batch:
            self.spent = True

    def renew(self, now: float) -> None:
        """Claim what may go next. All that was handed over before must have its intent written."""
        if self._any:
            lasted = now - self._made
            if lasted < _AHEAD / 2:
                self._size = min(self._size * 2, _MOST)
            elif lasted > _AHEAD * 2:
                self._size = max(self._size // 2, self._fewest)
        at = self._lanes.next_seq
        self._first = self._events if at is None else at
        self._upto = min(self._first + self._size, self._events)
        self._others = self._lanes.soon(self._size)
        self._checkpoint.claim(self._run, self._first, self._upto, self._others)
        self._doubted.clear()
        self._made, self._any, self.spent = now, True, False

    def release(self) -> None:
        """Take the claim back: nothing is under way, and every verdict is written."""
        if self._any:
            self._checkpoint.release(self._run)
