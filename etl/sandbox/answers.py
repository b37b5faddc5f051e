"""An answer before it is HTTP: status, body and the few headers that matter."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the stand-in; an empty body has no Content-Type, as recorded from the API (api-facts.md §4)."""

    status: int
    body: bytes = b""
    content_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


class RefusalError(Exception):
    """What the API says to a body that it does not take: a status and a line of text, without values of the event."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


#: What v2/event says to an event that it takes.
ACCEPTED = Answer(200)


def text(status: int, line: str, *headers: tuple[str, str]) -> Answer:
    """Return an answer of one line of plain text."""
    return Answer(status, line.encode(), "text/plain; charset=utf-8", headers)


def as_json(content: object) -> Answer:
    """Return a 200 with a JSON body."""
    return Answer(200, json.dumps(content, separators=(",", ":")).encode(), "application/json")


def page() -> Answer:
    """Return a 200 with an HTML page, as a log-in portal or a proxy between would give."""
    return Answer(200, b"<!DOCTYPE html><html><body>Please log in</body></html>", "text/html; charset=utf-8")
