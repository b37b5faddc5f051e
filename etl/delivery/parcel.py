"""A request that is being filled."""

from __future__ import annotations

from etl.delivery.claims import Claims
from etl.delivery.method import Method
from etl.delivery.outbox import Outbox


class Parcel:
    """Takes events as long as they are claimed and the request has room for their bytes."""

    def __init__(self, method: Method, outbox: Outbox, claims: Claims) -> None:
        self._method, self._outbox, self._claims = method, outbox, claims
        self._pieces: list[bytes] = []
        self._bytes = 0

    def load(self, seq: int) -> bool:
        """Take an event; False where it may not go or has no room."""
        if not self._claims.covers(seq):
            return False
        piece = self._method.piece(self._outbox.event(seq))
        size = self._bytes + len(piece)
        if self._pieces and size > self._method.max_bytes:
            return False
        self._pieces.append(piece)
        self._bytes = size
        return True

    def wrapped(self) -> bytes:
        """Return the body of the request."""
        return self._method.wrap(self._pieces)
