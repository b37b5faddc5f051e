"""Generate past events v2: many events a request, each with the time at which it occurred and a status of its own.

No workflow starts (api-facts §1). What the API says of each event decides; an answer that does not speak of exactly the
events of its request decides nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from etl.delivery.answers import Answer
from etl.delivery.body import contacts_in, iso, moment, with_param
from etl.delivery.checkpoint import State
from etl.delivery.method import Reading
from etl.delivery.outbox import OutboxEvent
from etl.delivery.retry import Fatal, Verdict, verdict
from etl.errors import JobError
from etl.masking import snippet

_MINUTE = 60_000_000  # µs
_MINUTES_KEPT = 100_000

_REFUSALS = frozenset({
    "OCCURRED_DATE_IS_REQUIRED", "INCORRECT_OCCURRED_DATE_FORMAT", "OCCURRED_TIME_TOO_DEPTH", "OCCURRED_TIME_IN_FUTURE",
})  # fmt: skip
_ACCEPTED, _SERVER_ERROR, _SEGMENTATION = "ACCEPTED", "SERVER_ERROR", "EVENT_SEGMENTATION_DISABLED"


class PastEventsMethod:
    """POST {api}/v2/past_events; `occurred` is to the minute, in `zone`."""

    name = "past_events"
    path = "/v2/past_events"
    timed = True

    def __init__(self, zone: str, batch: int, batch_bytes: int, time_param: str | None = None) -> None:
        self._zone = ZoneInfo(zone)
        self._time_param = time_param
        self._minutes: dict[int, bytes] = {}
        self.max_events = batch
        self.max_bytes = batch_bytes

    def piece(self, event: OutboxEvent) -> bytes:
        """Return the event's body with `occurred`, and with its exact time as one more parameter where the job wants it."""
        body, instant = event
        if instant is None:
            raise JobError(
                "an event of this plan has no time, and past_events needs one",
                hint="post this plan with `method: event`, or give the job a `time` and plan anew",
            )
        if self._time_param is not None:
            body = with_param(body, self._time_param, iso(instant))
        return body[:-1] + self._occurred(instant // _MINUTE)

    def _occurred(self, minute: int) -> bytes:
        """Return the end of an event that occurred in a minute (since 1970, UTC)."""
        found = self._minutes.get(minute)
        if found is None:
            if len(self._minutes) >= _MINUTES_KEPT:
                self._minutes.clear()
            local = moment(minute * _MINUTE).astimezone(self._zone)
            found = self._minutes[minute] = f',"occurred":"{local:%Y-%m-%dT%H:%M}"}}'.encode()
        return found

    def wrap(self, pieces: Sequence[bytes]) -> bytes:
        """Return the list of events."""
        return b'{"events":[' + b",".join(pieces) + b"]}"

    def read(self, answer: Answer, request: bytes, doubted: Sequence[bool]) -> Reading:
        """Return the verdicts, event by event (api-facts §1, its answer)."""
        count = len(doubted)
        if not answer.accepts:
            return self._read_status(answer, request, doubted)
        statuses = _statuses(answer.body, count)
        if statuses is None:
            said = answer.unreadable or snippet(answer.body, contacts_in(request))
            wrong = f"the answer does not speak of these {count} events: {said}"
            return Reading([Verdict(State.UNKNOWN, answer.status, wrong)] * count, mismatch=True)
        kinds = {status: _verdict(status, answer.status) for status in dict.fromkeys(statuses)}
        fatal = _not_ready(request, statuses.index(_SEGMENTATION)) if _SEGMENTATION in kinds else None
        return Reading([kinds[status] for status in statuses], fatal)

    def _read_status(self, answer: Answer, request: bytes, doubted: Sequence[bool]) -> Reading:
        """Return what a status says of all events of a request."""
        known = contacts_in(request)
        either = {each: verdict(answer, doubted=each, known=known) for each in set(doubted)}
        verdicts = [either[each] for each in doubted]
        alone = len(doubted) == 1
        # A 409 is for the whole request: these very events have come before, and with all of them in doubt they have.
        if alone or not any(each.state is State.REJECTED for each in verdicts):
            return Reading(verdicts)
        again = Verdict(State.RETRY, answer.status, f"refused in company: {snippet(answer.body, known)}")
        return Reading([again] * len(doubted), refused_whole=True)


def _verdict(status: str, http: int) -> Verdict:
    if status == _ACCEPTED:
        return Verdict(State.DELIVERED, http)
    if status in (_SERVER_ERROR, _SEGMENTATION):
        return Verdict(State.RETRY, http, status)
    if status in _REFUSALS:
        return Verdict(State.REJECTED, http, status)
    return Verdict(
        State.UNKNOWN, http, f"a status that the API does not document: {snippet(status.encode())}", own=True
    )


def _statuses(body: bytes, count: int) -> list[str] | None:
    """Return the status of each event, or None where the answer is not about exactly so many."""
    try:
        said: Any = json.loads(body)
        results = said["results"]
        statuses = [result["status"] for result in results]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(results, list) or len(statuses) != count or not all(type(s) is str and s for s in statuses):
        return None
    good = statuses.count(_ACCEPTED)
    counts = {"successCount": good, "errorCount": count - good}
    return None if any(said.get(name, right) != right for name, right in counts.items()) else statuses


def _not_ready(request: bytes, index: int) -> Fatal:
    """Say that the account does not keep events of a type yet: no fault of the event's."""
    name = json.loads(request)["events"][index]["eventTypeKey"]
    return Fatal(
        f"segmentation is off for events of type {name} ({_SEGMENTATION}): the account keeps no history of them",
        f"turn segmentation on for {name} in the account's event settings, or leave the type out of the job",
    )
