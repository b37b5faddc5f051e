"""The API's methods: how events are wrapped into a request, and how its answer is read.

Nothing else differs between them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from etl.delivery.answers import Answer
from etl.delivery.outbox import OutboxEvent
from etl.delivery.settings import Settings
from etl.delivery.verdicts import Verdict, verdict
from etl.errors import JobError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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

    def wrap(self, events: Sequence[OutboxEvent]) -> bytes:
        """Return the body of a request that carries these events."""

    def read(self, answer: Answer, doubted: Sequence[bool]) -> list[Verdict]:
        """Return the verdict of each event of a request, in its order.

        `doubted` says of each whether an earlier outcome is unknown. Answers that are fatal for the run never come
        here.
        """


class EventMethod:
    """Generate event v2: one event a request, stamped by the API when it arrives; the status is its verdict."""

    name = "event"
    path = "/v2/event"
    max_events = 1

    def __init__(self, time_param: str | None = None) -> None:
        self._time_param = time_param

    def wrap(self, events: Sequence[OutboxEvent]) -> bytes:
        """Return the event's body, with its time as one more parameter where the job wants it."""
        (event,) = events
        if self._time_param is None or event.instant is None:
            return event.body
        return with_param(event.body, self._time_param, iso(event.instant))

    def read(self, answer: Answer, doubted: Sequence[bool]) -> list[Verdict]:
        """Return the verdict that the status is."""
        return [verdict(answer, doubted=each) for each in doubted]


def method_of(settings: Settings) -> Method:
    """Return the method that the job names."""
    if settings.method == "event":
        return EventMethod(settings.time_param)
    raise JobError(
        f"delivery.method: {settings.method} is not there yet", hint="this version posts with `method: event`"
    )


def with_param(body: bytes, name: str, value: str) -> bytes:
    """Return an event's body with one more parameter; all else stays as it was planned, byte for byte."""
    if not body.endswith(b"]}"):
        raise ValueError("the body of an event ends with its params")
    comma = b"" if body.endswith(b"[]}") else b","
    param = json.dumps({"name": name, "value": value}, ensure_ascii=False, separators=(",", ":"))
    return body[:-2] + comma + param.encode() + b"]}"


def iso(instant: int) -> str:
    """Return an instant (µs since 1970, UTC) as ISO 8601; a fraction only where there is one."""
    return (_EPOCH + timedelta(microseconds=instant)).replace(tzinfo=None).isoformat() + "Z"
