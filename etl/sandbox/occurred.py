"""The statuses that past_events gives to the time of an event (api-facts.md §1, OAS)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum

_FORMAT = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2})?", re.ASCII)

#: The zone of `occurred` is unknown (api-facts.md §3), so a time is in the future when it is so everywhere on earth.
_FURTHEST_ZONE = timedelta(hours=14)


class Status(StrEnum):
    """The status of one event of past_events."""

    ACCEPTED = "ACCEPTED"
    REQUIRED = "OCCURRED_DATE_IS_REQUIRED"
    FORMAT = "INCORRECT_OCCURRED_DATE_FORMAT"
    TOO_DEEP = "OCCURRED_TIME_TOO_DEPTH"
    FUTURE = "OCCURRED_TIME_IN_FUTURE"
    NO_SEGMENTATION = "EVENT_SEGMENTATION_DISABLED"
    SERVER_ERROR = "SERVER_ERROR"


def status(occurred: object, now: datetime, depth: timedelta | None) -> Status:
    """Return what the API says of `occurred` (YYYY-MM-DD or YYYY-MM-DDTHH:mm) at `now` (aware), at most `depth` ago."""
    if occurred is None or occurred == "":
        return Status.REQUIRED
    if not isinstance(occurred, str) or not _FORMAT.fullmatch(occurred):
        return Status.FORMAT
    try:
        instant = datetime.fromisoformat(occurred).replace(tzinfo=UTC)
    except ValueError:
        return Status.FORMAT
    if instant > now + _FURTHEST_ZONE:
        return Status.FUTURE
    if depth is not None and instant < now - depth:
        return Status.TOO_DEEP
    return Status.ACCEPTED
