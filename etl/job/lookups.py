"""What can be said of a job's lookups before any file is opened: their names, and what they need of the rest of the job.

All work on the file as read, so that mistakes are told together with the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from etl.job import checks
from etl.job.section import Fault
from etl.job.shown import shown

_PLAIN = re.compile(r"[^\W\d]\w*")


def inherit_zone(raw: Mapping[str, Any], time: Mapping[str, Any]) -> dict[str, Any]:
    """Return a job with the zone of its `time` in the `as_of` of each lookup that has none of its own."""
    lookups, zone = raw.get("lookups"), time.get("zone")
    if not isinstance(lookups, Mapping) or not isinstance(zone, str):
        return dict(raw)
    try:
        checks.zone(zone)
    except ValueError:
        return dict(raw)  # told once, where it stands

    def complete(lookup: object) -> object:
        own = lookup.get("as_of") if isinstance(lookup, Mapping) else None
        if own is None or isinstance(own, bool | list) or not isinstance(lookup, Mapping):
            return lookup
        mapping = own if isinstance(own, Mapping) else {"column": own}
        return {**lookup, "as_of": {"zone": zone, **mapping}}

    return {**raw, "lookups": {name: complete(lookup) for name, lookup in lookups.items()}}


def faults(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the mistakes of lookups' names, and those `as_of` in a job that has no time."""
    lookups, let = raw.get("lookups"), raw.get("let")
    if not isinstance(lookups, Mapping):
        return
    taken = {str(name).lower(): "a name of `let`" for name in let} if isinstance(let, Mapping) else {}
    taken["item"] = "the element of `each`"
    for key, lookup in lookups.items():
        name = str(key)
        if not isinstance(key, str) or not _PLAIN.fullmatch(name) or name.startswith("_"):
            expected = "expected a letter, then letters, digits or _"
            yield Fault(("lookups", name), f"{shown(name)} is not a name for a lookup: {expected}")
        elif (what := taken.get(name.lower())) is not None:
            yield Fault(("lookups", name), f"`{name}` is {what} already; give the lookup another name")
        taken.setdefault(name.lower(), "a lookup (SQL does not tell case)")
        if isinstance(lookup, Mapping) and lookup.get("as_of") is not None and raw.get("time") is None:
            words = "needs the time of the event: give the job a `time` of its own"
            yield Fault(("lookups", name, "as_of"), words)
