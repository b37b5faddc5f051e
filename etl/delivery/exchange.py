"""One request under way, as the coordinator and the sender's thread both see it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass, field

from etl.delivery.lanes import Place
from etl.delivery.rate import Departure


class TooLateError(Exception):
    """The request's time was up before a byte of it left: it must not leave any more."""


@dataclass(slots=True, eq=False)
class Exchange:
    """A request with its events, and how far it got.

    Between `leave` and `finish` its outcome is open: a deadline or a kill then makes it unknown. `cut` and `leave`
    exclude each other, so what was cut before it left never leaves.
    """

    places: list[Place]
    body: bytes = field(repr=False)
    started: float
    departure: Departure = field(default_factory=Departure)
    left_at: float | None = None
    _cut: bool = False
    _cord: socket.socket | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def tie(self, cord: socket.socket | None) -> None:
        """Name the socket that carries it: pulling at it ends the wait for an answer."""
        with self._lock:
            self._cord = cord
            if cord is not None and self._cut:
                _pull(cord)

    def leave(self) -> None:
        """Note that its first byte leaves now; TooLateError when it was cut."""
        with self._lock:
            if self._cut:
                raise TooLateError
            self.left_at = self.departure.at = time.monotonic()

    def cut(self) -> bool:
        """End it: pull at its socket. Return whether it had left."""
        with self._lock:
            self._cut = True
            if self._cord is not None:
                _pull(self._cord)
            return self.left_at is not None

    @property
    def was_cut(self) -> bool:
        """True when its time was up."""
        return self._cut


def _pull(cord: socket.socket) -> None:
    with contextlib.suppress(OSError):
        cord.shutdown(socket.SHUT_RDWR)
