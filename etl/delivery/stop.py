"""How a signal handler asks a delivery to end."""

from __future__ import annotations

from collections.abc import Callable


class StopFlag:
    """Asked once: drain (nothing new, what is in flight gets its answer). Asked twice: end at once (RULES §6).

    Safe to ask from a signal handler or another thread, before, in and after a delivery.
    """

    def __init__(self) -> None:
        self._asked = 0
        self._wake: Callable[[], None] = lambda: None

    def request(self) -> None:
        """Ask, once more."""
        self._asked += 1
        self._wake()

    @property
    def asked(self) -> int:
        """How often it was asked."""
        return self._asked

    @property
    def requested(self) -> bool:
        """True when a drain was asked for."""
        return self._asked > 0

    @property
    def urgent(self) -> bool:
        """True when it is to end at once."""
        return self._asked > 1

    def on_request(self, wake: Callable[[], None]) -> None:
        """Say what wakes the one who waits."""
        self._wake = wake
