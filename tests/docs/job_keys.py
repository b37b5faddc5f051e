"""Every key that a job file may have, from the models and the tables of the event types; and the keys that docs/job-file.md has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etl.job.event import OF_LINES
from etl.job.filters import READY
from etl.job.locators import LOCATORS
from etl.job.models import Bulk, Contacts, Delivery, EventRule, Expect, Job, Ledger, Lookup, Source, Time
from schemas import TYPES

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "job-file.md"

_SHAPED = {"part_name", "part", "part_each", "scalars"}  # what an event's model makes of the type's own keys
_INSIDE: dict[str, list[str]] = {
    "source": [*(f"source.{k}" for k in Source.model_fields), "source.types.<column>"],
    "let": ["let.<name>"],
    "lookups": ["lookups.<name>", *(f"lookups.<name>.{k}" for k in Lookup.model_fields)],
    "filters": ["filters.<name>", *(f"filters.{name}" for name in READY)],
    "contacts": [f"contacts.{k}" for k in Contacts.model_fields],
    "time": [f"time.{k}" for k in Time.model_fields],
    "contact": [f"contact.{locator}" for locator in LOCATORS],
    "dedupe": ["dedupe.default", "dedupe.<type>", *(f"dedupe.<type>.{k}" for k in ("window", "by", "key", "keep"))],
    "expect": [f"expect.{k}" for k in Expect.model_fields],
    "ledger": [f"ledger.{k}" for k in Ledger.model_fields],
    "delivery": [
        *(f"delivery.{k}" for k in Delivery.model_fields),
        *(f"delivery.bulk.{k}" for k in Bulk.model_fields),
    ],
}

#: The sections whose fields have defaults that the document states.
SECTIONS: dict[str, Any] = {
    "": Job,
    "source.": Source,
    "time.": Time,
    "expect.": Expect,
    "ledger.": Ledger,
    "delivery.": Delivery,
    "delivery.bulk.": Bulk,
}


def keys() -> set[str]:
    """Return the keys of the models."""
    return {*Job.model_fields, *(key for inside in _INSIDE.values() for key in inside), *_of_events()}


def rows() -> Iterator[list[str]]:
    """Yield the rows of the document's tables: key, type, default, meaning."""
    for line in DOCUMENT.read_text("utf-8").splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def documented() -> set[str]:
    """Return the keys of the document."""
    return {row[0].strip("`") for row in rows()}


def _of_events() -> Iterator[str]:
    for key in {*EventRule.model_fields} - _SHAPED | {*OF_LINES}:
        yield f"events[].{key}"
    yield from (f"events[].time.{k}" for k in Time.model_fields)
    yield "events[].params.<name>"
    for spec in TYPES.values():
        yield from (f"events[].{scalar.name}" for scalar in spec.scalars)
        if spec.part:
            yield f"events[].{spec.part}"
            yield from (f"events[].{spec.part}.{field.name}" for field in spec.fields)
            if spec.open:
                yield f"events[].{spec.part}.<name>"
            if spec.many:
                yield f"events[].{spec.part}.each"
