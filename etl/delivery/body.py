"""The JSON of an event on its way out: what is added to it; all else stays as it was planned, byte for byte."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

from etl.masking import Known
from etl.tables import LOCATORS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_TEXT = rb'("(?:[^"\\]|\\.)*")'
_CONTACT = re.compile(
    rb'"keyValue":\s*' + _TEXT + rb'|"name":\s*"(?:' + "|".join(LOCATORS).encode() + rb')",\s*"value":\s*' + _TEXT
)


def with_param(body: bytes, name: str, value: str) -> bytes:
    """Return an event's body with one more parameter."""
    if not body.endswith(b"]}"):
        raise ValueError("the body of an event ends with its params")
    comma = b"" if body.endswith(b"[]}") else b","
    param = json.dumps({"name": name, "value": value}, ensure_ascii=False, separators=(",", ":"))
    return body[:-2] + comma + param.encode() + b"]}"


def iso(instant: int) -> str:
    """Return an instant (µs since 1970, UTC) as ISO 8601; a fraction only where there is one."""
    return moment(instant).replace(tzinfo=None).isoformat() + "Z"


def moment(instant: int) -> datetime:
    """Return an instant (µs since 1970, UTC) as a datetime in UTC."""
    return _EPOCH + timedelta(microseconds=instant)


def contacts_in(request: bytes) -> Known:
    """Return the keyValues and locators that a request carries, so that what its answer repeats of them is hidden."""
    found = (value for pair in _CONTACT.findall(request) for value in pair if value)
    return Known(json.loads(value) for value in found)
