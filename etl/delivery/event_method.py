"""Generate event v2: one event a request, stamped by the API when it arrives; the status is its verdict."""

from __future__ import annotations

from collections.abc import Sequence

from etl.delivery.answers import Answer
from etl.delivery.body import contacts_in, iso, with_param
from etl.delivery.method import Reading
from etl.delivery.outbox import OutboxEvent
from etl.delivery.retry import verdict
from etl.masking import NOTHING_KNOWN


class EventMethod:
    """POST {api}/v2/event."""

    name = "event"
    path = "/v2/event"
    max_events = 1
    max_bytes = 0  # one event, whatever its size

    def __init__(self, time_param: str | None = None) -> None:
        self._time_param = time_param
        self.timed = time_param is not None

    def piece(self, event: OutboxEvent) -> bytes:
        """Return the event's body, with its time as one more parameter where the job wants it."""
        body, instant = event
        if self._time_param is None or instant is None:
            return body
        return with_param(body, self._time_param, iso(instant))

    def wrap(self, pieces: Sequence[bytes]) -> bytes:
        """Return the one piece."""
        (piece,) = pieces
        return piece

    def read(self, answer: Answer, request: bytes, doubted: Sequence[bool]) -> Reading:
        """Return the verdict that the status is; a 2xx whose body cannot be read leaves it open."""
        unread = answer.accepts and answer.unreadable is not None
        known = NOTHING_KNOWN if answer.accepts else contacts_in(request)
        return Reading([verdict(answer, doubted=each, known=known) for each in doubted], mismatch=unread)
