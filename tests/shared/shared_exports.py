"""What a real export should become, said by plain Python over the raw file: nothing here knows the tool's own code."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
JOBS = Path(__file__).parent / "jobs"

#: Parameters whose value is JSON inside a string (API text).
NESTED = ("page", "product", "products", "category")


def export(name: str) -> Path:
    """Return a real export, or skip saying that they are not here."""
    if not SHARED.is_dir():
        pytest.skip(f"the real exports are not here: {SHARED}")
    return SHARED / name


@dataclass(frozen=True)
class Event:
    """An event as the file has it; `place` is where ties in time are decided: row (or element), rule.

    Two events are the same by type and `id` where the job says what that is, else by type, key, instant and content.
    """

    instant: datetime
    place: tuple[int, int]
    type: str
    key: str
    params: dict[str, Any]
    id: str | None = None

    @property
    def identity(self) -> tuple[object, ...]:
        if self.id is not None:
            return self.type, self.id
        return self.type, self.key, self.instant, json.dumps(self.params, default=str, sort_keys=True)


@dataclass
class Expected:
    """The books of a file and its events, in the order in which they have to go out."""

    rows: int = 0
    extra: int = 0
    filtered: Counter[str] = field(default_factory=Counter)
    invalid_reasons: Counter[str] = field(default_factory=Counter)
    duplicate: Counter[str] = field(default_factory=Counter)
    folded: int = 0
    events: list[Event] = field(default_factory=list)

    def take(self, events: Iterable[Event]) -> None:
        """Add events in order of time and place, equal ones once: all but the first are exact duplicates."""
        seen: set[tuple[object, ...]] = set()
        for event in sorted(events, key=lambda e: e.place):
            if event.identity in seen:
                self.duplicate["exact"] += 1
            else:
                seen.add(event.identity)
                self.events.append(event)
        self.events.sort(key=lambda e: (e.instant, e.place))

    @property
    def by_type(self) -> Counter[str]:
        return Counter(event.type for event in self.events)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The events as `read_body` reads a body."""
        return [{"type": event.type, "key": event.key, "params": event.params} for event in self.events]


def read_body(text: str) -> dict[str, Any]:
    """Read a body with its inner JSON; numbers are decimals, so that each digit of the file counts."""
    body = _json(text)
    names = [param["name"] for param in body["params"]]
    assert len(set(names)) == len(names), f"a parameter twice: {names}"
    params = {p["name"]: _json(p["value"]) if p["name"] in NESTED else p["value"] for p in body["params"]}
    return {"type": body["eventTypeKey"], "key": body["keyValue"], "params": params}


def epoch_ms(value: int) -> datetime:
    """Return the instant of epoch milliseconds, exactly."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value)


def _json(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)
