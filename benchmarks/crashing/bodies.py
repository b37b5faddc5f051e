"""Bodies of events as values: two are the same when they say the same, however their JSON is written."""

from __future__ import annotations

import json
from typing import Any


def canonical(kind: str, key: str, params: dict[str, Any]) -> str:
    """Return an event in one fixed form: sorted names, all numbers as floats."""
    return json.dumps([kind, key, params], sort_keys=True, ensure_ascii=False)


def canonical_body(body: str) -> str:
    """Return a body in that form; JSON inside a string is read too, and past_events' `occurred` does not count."""
    event = _read(body)
    return canonical(event["eventTypeKey"], event["keyValue"], {p["name"]: _inner(p["value"]) for p in event["params"]})


def _read(text: str) -> Any:
    return json.loads(text, parse_int=float)


def _inner(value: Any) -> Any:
    return _read(value) if isinstance(value, str) and value[:1] in ("{", "[") else value
