"""What a method of the API is to delivery: how events are wrapped into a request, and how its answer is read.

Nothing else differs between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from etl.delivery.answers import Answer
from etl.delivery.outbox import OutboxEvent
from etl.delivery.retry import Fatal, Verdict


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer says: a verdict for each event of its request, in their order.

    `fatal` where it says that no event can be sent. `refused_whole`: the request was refused, not any one event of it;
    they go again in smaller company. `mismatch`: the answer does not speak of these events.
    """

    verdicts: Sequence[Verdict]
    fatal: Fatal | None = None
    refused_whole: bool = False
    mismatch: bool = False


class Method(Protocol):
    """One method of the API."""

    @property
    def name(self) -> str:
        """Its name in the job."""

    @property
    def path(self) -> str:
        """Its path, after the API's address."""

    @property
    def max_events(self) -> int:
        """How many events a request may carry."""

    @property
    def max_bytes(self) -> int:
        """How many bytes of pieces a request may carry, unless one event alone has more."""

    @property
    def timed(self) -> bool:
        """True where it needs the instants of events."""

    def piece(self, event: OutboxEvent) -> bytes:
        """Return what a request carries of an event."""

    def wrap(self, pieces: Sequence[bytes]) -> bytes:
        """Return the body of a request that carries these pieces."""

    def read(self, answer: Answer, request: bytes, doubted: Sequence[bool]) -> Reading:
        """Return what an answer says of the events of a request.

        `doubted` says of each whether an earlier outcome is unknown. Answers that are fatal by their status never come
        here.
        """
