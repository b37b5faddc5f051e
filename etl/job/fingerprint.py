"""The hash of a job's mapping: what decides which events come out of which rows (RULES §2)."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

from etl.address import masked_address
from etl.job.models import Job

#: What may change without another mapping: where and how fast events go, and the guards. `contacts` is one of these: it says for whom
#: no event goes out, and what an event is does not hang on it. So a new list never stops a run that was cut; it is checked against it.
_NOT_MAPPING: dict[str, Any] = dict.fromkeys(
    ("delivery", "contacts", "expect", "max_invalid", "changed", "ledger", "keep"), True
) | {"source": {"missing"}}

#: Mappings whose order has a meaning: expressions build on those above, filters and lookups are taken in turn.
_ORDERED = ("let", "filters", "lookups")


def mapping_hash(job: Job) -> str:
    """Return 16 hexadecimal digits of SHA-256 over the job without `delivery` and the guards.

    The order of keys counts only where it means something; comments, short forms and values that are the default do
    not, so that a later version with more keys gives the same hash. A transform's code is part of it.
    """
    mapping = job.model_dump(exclude=_NOT_MAPPING, exclude_defaults=True)
    for files in (mapping["source"], *mapping.get("lookups", {}).values()):
        # A link that is signed anew each night is still the same input.
        files["path"] = [masked_address(path) for path in files["path"]]
    for key in _ORDERED:
        if key in mapping:
            mapping[key] = list(mapping[key].items())
    text = json.dumps(mapping, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(b"clickreplay mapping 1\n" + text.encode() + _code(job)).hexdigest()[:16]


def _code(job: Job) -> bytes:
    """Return the transform's file; nothing where there is none: that it is missing is told where it is loaded."""
    if job.transform is None:
        return b""
    try:
        return b"\n" + (job.folder / job.transform.rpartition(":")[0]).read_bytes()
    except OSError:
        return b""


def _plain(value: Any) -> int:
    if isinstance(value, timedelta):
        return value // timedelta(microseconds=1)
    raise TypeError(f"no plain form of {type(value).__name__}")
