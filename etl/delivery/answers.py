"""What can come of a request: an answer, or a failure to get one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum

_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!--|(?:!doctype|html|head|title|body|meta|script)\b)", re.IGNORECASE)

_LONGEST_PAUSE = 366 * 86400.0  # seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `retry_after` in seconds; `location` where a redirect points.

    `unreadable` says why the body cannot be read (packed in a way that is broken or not known); `body` is empty then.
    """

    status: int
    body: bytes = b""
    content_type: str = ""
    retry_after: float | None = None
    location: str | None = None
    unreadable: str | None = None

    @property
    def accepts(self) -> bool:
        """True for a 2xx."""
        return 200 <= self.status < 300

    @property
    def is_page(self) -> bool:
        """True for a web page: a proxy, a login, a wrong address; the API never answers so. An empty body is no page."""
        if not self.body.strip() and self.unreadable is None:
            return False
        return "html" in self.content_type.lower() or _PAGE.match(self.body) is not None


class Cause(Enum):
    """Why there is no answer (RULES §6)."""

    NOT_SENT = "not sent"  # no connection was made: safe to retry
    UNKNOWN_HOST = "unknown host"  # nor was there a name
    CERTIFICATE = "certificate"
    NO_ANSWER = "no answer"  # it left: the outcome is unknown


@dataclass(frozen=True, slots=True)
class Failure:
    """No answer, or not a whole one; `detail` is for people."""

    cause: Cause
    detail: str


Outcome = Answer | Failure


def retry_after(header: str | None, date: str | None) -> float | None:
    """Return Retry-After in seconds, from seconds or an HTTP date (by the server's own clock, if it says), or None.

    None too where it asks for no pause (0, a time that is over), cannot be read, or is beyond all measure.
    """
    if header is None:
        return None
    text = header.strip()
    try:
        seconds = float(text)
    except ValueError:
        when = _instant(text)
        if when is None:
            return None
        seconds = (when - (_instant(date) or datetime.now(UTC))).total_seconds()
    return seconds if 0 < seconds <= _LONGEST_PAUSE else None


def _instant(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        found = parsedate_to_datetime(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
