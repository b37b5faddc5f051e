"""What the ready jobs should make of an export, said by plain Python over the raw file: nothing here knows the tool's own code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from shared_exports import Event, Expected

ROOT = Path(__file__).resolve().parents[2]
JOBS = ROOT / "jobs"
SAMPLES = ROOT / "data" / "sample"

CAMPAIGN = ("utm_source", "utm_medium", "utm_campaign")


def page(url: str) -> dict[str, str]:
    """A page as it may be told: of its parameters those of the campaign alone, for the others may be secrets."""
    parts = urlsplit(url)
    kept = "&".join(pair for pair in parts.query.split("&") if pair.split("=")[0] in CAMPAIGN)
    return {"location": parts._replace(query=kept, fragment="").geturl()}


def keep_last_cart(books: Expected) -> None:
    """Leave the last cart of each contact: all before it are duplicates by `key`."""
    last = {event.key: event for event in books.events if event.type == "cartUpdated"}
    gone = [event for event in books.events if event.type == "cartUpdated" and event is not last[event.key]]
    _drop(books, gone, "key")


def keep_first_in(books: Expected, kind: str, window: timedelta, by: Callable[[Event], object]) -> None:
    """Leave the first of each chain of events that follow one another within the window: the others are duplicates by `window`."""
    before: dict[object, Event] = {}
    gone = []
    for event in (event for event in books.events if event.type == kind):
        mark = (event.key, by(event))
        if mark in before and event.instant - before[mark].instant <= window:
            gone.append(event)
        before[mark] = event
    _drop(books, gone, "window")


def _drop(books: Expected, gone: Sequence[Event], reason: str) -> None:
    marks = {id(event) for event in gone}
    books.events = [event for event in books.events if id(event) not in marks]
    if gone:
        books.duplicate[reason] += len(gone)
