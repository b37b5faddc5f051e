"""What the API says of a request's body: pure, bytes in, events out (api-facts.md §4, the rows from "bad JSON" on)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn

from etl.sandbox.answers import Answer, RefusalError, as_json
from etl.sandbox.identifiers import KEY_LENGTH, NAME_LENGTH, TYPE_LENGTH, identifier, locator
from etl.sandbox.occurred import Status, status
from etl.sandbox.settings import EVERY_TYPE, Settings
from etl.sandbox.types import complaint

EVENT_BYTES = 20 * 1024
BATCH_EVENTS = 500


@dataclass(frozen=True, slots=True)
class Event:
    """One event that the API takes; `body` as it arrived (past_events: canonical), `key` given or from a locator."""

    type: str
    key: str
    occurred: str | None
    body: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What past_events says: a status for each event in request order, and the event itself."""

    statuses: tuple[Status, ...]
    events: tuple[Event, ...]

    def accepted(self) -> tuple[Event, ...]:
        """Return the events to store."""
        pairs = zip(self.statuses, self.events, strict=True)
        return tuple(event for verdict, event in pairs if verdict is Status.ACCEPTED)

    def answer(self, *, missing: int = 0) -> Answer:
        """Return the 200 with the results; `missing` of them are left out, which is a fault."""
        good = sum(each is Status.ACCEPTED for each in self.statuses)
        results = [{"status": each.value} for each in self.statuses[: len(self.statuses) - missing]]
        return as_json({"results": results, "successCount": good, "errorCount": len(self.statuses) - good})


def canonical(body: object) -> str:
    """Return JSON in one fixed form: names sorted, no blanks, characters as they are."""
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def read_event(raw: bytes, settings: Settings) -> Event:
    """Return the event of a v2/event body. Raises RefusalError with the API's status and text."""
    _check_size(len(raw), settings)
    text, content = _parse(raw)
    type_, key = _check(content, settings)
    return Event(type_, key, None, text)


def read_batch(raw: bytes, settings: Settings, now: datetime) -> Batch:
    """Return what becomes of the events of a v2/past_events body at `now` (aware).

    Raises RefusalError: a malformed event refuses the whole request, with its index in the text.
    """
    _, content = _parse(raw)
    events = content.get("events") if isinstance(content, dict) else None
    if not isinstance(events, list):
        raise RefusalError(400, 'expected {"events": [...]}')
    if not 1 <= len(events) <= BATCH_EVENTS:
        raise RefusalError(400, f"expected 1 to {BATCH_EVENTS} events, got {len(events)}")
    depth = None if settings.depth_days is None else timedelta(days=settings.depth_days)
    verdicts = []
    read = []
    for index, event in enumerate(events):
        try:
            type_, key = _check(event, settings)
            body = canonical(event)
            _check_size(len(body.encode()), settings)
        except RefusalError as refusal:
            raise RefusalError(refusal.status, f"events[{index}]: {refusal.text}") from None
        except UnicodeEncodeError:
            raise RefusalError(400, f"events[{index}]: not valid Unicode") from None
        occurred = event.get("occurred")
        verdict = status(occurred, now, depth)
        if verdict is Status.ACCEPTED and {type_, EVERY_TYPE} & set(settings.segmentation_off):
            verdict = Status.NO_SEGMENTATION
        verdicts.append(verdict)
        read.append(Event(type_, key, occurred if isinstance(occurred, str) else None, body))
    return Batch(tuple(verdicts), tuple(read))


def _check_size(size: int, settings: Settings) -> None:
    if size > EVENT_BYTES:
        raise RefusalError(settings.too_large, f"the event has {size} bytes, more than {EVENT_BYTES}")


def _parse(raw: bytes) -> tuple[str, object]:
    try:
        text = raw.decode("utf-8")
        return text, json.loads(text, parse_constant=_no_number)
    # Not UTF-8, not JSON, or nested beyond reason.
    except (ValueError, RecursionError):
        raise RefusalError(400, "the body is not valid JSON in UTF-8") from None


def _no_number(name: str) -> NoReturn:
    # Python takes NaN and Infinity for JSON; nobody else does.
    raise ValueError(name)


def _check(event: object, settings: Settings) -> tuple[str, str]:
    """Return type and key of one event, or refuse it."""
    if not isinstance(event, dict):
        raise RefusalError(400, "an event must be an object")
    type_ = identifier("eventTypeKey", event.get("eventTypeKey"), TYPE_LENGTH)
    params = _params(event.get("params"))
    key = event.get("keyValue")
    derived = locator(params)
    if key is None or key == "":
        if derived is None:
            raise RefusalError(
                400, "neither keyValue nor one of contactId, externalCustomerId, email, phone, pushToken in params"
            )
        key = derived
    else:
        key = identifier("keyValue", key, KEY_LENGTH)
    if settings.check_types:
        wrong = complaint(type_, params)
        if wrong:
            raise RefusalError(400, wrong)
    return type_, key


def _params(params: object) -> dict[str, object]:
    """Return the parameters as name to value: there may be none; each has both, names are unique and not too long."""
    if params is None:
        return {}
    if not isinstance(params, list):
        raise RefusalError(400, "params must be an array")
    found: dict[str, object] = {}
    for index, param in enumerate(params):
        name = param.get("name") if isinstance(param, dict) else None
        if not isinstance(name, str) or not name.strip():
            raise RefusalError(400, f"params[{index}] has no name")
        if len(name) > NAME_LENGTH:
            raise RefusalError(400, f"the name of params[{index}] is longer than {NAME_LENGTH} characters")
        if name in found:
            raise RefusalError(400, f"param {name} is there twice")
        value = param.get("value")
        if value is None or value == "":
            raise RefusalError(400, f"param {name} has no value")
        found[name] = value
    return found
