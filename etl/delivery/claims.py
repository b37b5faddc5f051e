"""What may be sent next, on the disk before it is: after a power cut nobody has to guess (RULES §6).

Intents and verdicts are with the operating system, which a kill does not touch. The machine itself may stop, and take
the last moments of the checkpoint with it; what went out in them is among the last claim's events.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

from etl.delivery.checkpoint import Checkpoint
from etl.delivery.lanes import Lanes

_AHEAD = 2.0  # seconds that a claim should last
_BATCHES = 8
_FIRST, _MOST = 1_000, 1_000_000  # events of a claim
_TELLING = 0.25  # seconds after which progress says something of the speed


class Claims:
    """The claims of one call.

    `events` is the size of the outbox, `batch` how many of them a request may carry, `rate` how many requests may leave
    in a second. A claim is for about two seconds of events, never for fewer than `_BATCHES` requests carry.
    """

    def __init__(
        self, checkpoint: Checkpoint, run: int, lanes: Lanes, events: int, batch: int, rate: float, now: float
    ) -> None:
        self._checkpoint, self._run, self._lanes, self._events = checkpoint, run, lanes, events
        self._fewest, self._batch = _BATCHES * batch, batch
        self._most = int(max(min(rate * batch * _AHEAD, _MOST), self._fewest))
        self._size = min(max(_FIRST, self._fewest), self._most)
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

    def renew(self, now: float, in_flight: Iterable[int] = ()) -> None:
        """Claim what may go next, what is `in_flight` among it, since that may be tried again.

        All that was handed over before must have its intent written.
        """
        at = self._lanes.next_seq
        first = self._events if at is None else at
        if self._any:
            self._fit(first - self._first, now - self._made)
        self._first = first
        self._upto = min(first + self._size, self._events)
        self._others = self._lanes.soon(self._size) | set(in_flight)
        self._checkpoint.claim(self._run, self._first, self._upto, self._others)
        self._doubted.clear()
        self._made, self._any, self.spent = now, True, False

    def _fit(self, progress: int, lasted: float) -> None:
        """Fit the size to how fast the outbox goes: a claim that an event in doubt has ended early says nothing of that."""
        if lasted >= _TELLING or progress >= self._size // 2:
            wanted = progress / max(lasted, 1e-3) * _AHEAD
            self._size = int(max(self._fewest, min(wanted, 2 * self._size, self._most)))

    def release(self) -> None:
        """Take the claim back: nothing is under way, and every verdict is written."""
        if self._any:
            self._checkpoint.release(self._run)
