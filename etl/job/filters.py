"""The filters of a job: rows that fall out before the events, each under a name of its own in the books."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from etl.job.mistakes import near
from etl.job.section import Fault, raise_all
from etl.job.shown import shown
from etl.job.values import expression, name

#: Filters that are ready-made: they take true or a list, not an expression.
READY = ("anonymous", "bots", "static", "methods", "status")

#: Reasons of the books (DESIGN, Commands) that are ours: a filter of that name would blur the counts.
RESERVED = (
    "no_rule",
    "transform",
    "only",
    "sample",
    "suppressed",
    "unknown_contact",
    "stale",
    "max_per_contact",
    "purged",
    "horizon",
)


def is_ready(filter_name: str) -> bool:
    """Return whether a filter of this name is ready-made."""
    return filter_name in READY


def filters_of(value: object) -> dict[str, object]:
    """Return the filters in the order of the file; those that are off (`anonymous: false`, null) are left out."""
    if not isinstance(value, Mapping):
        raise ValueError(f"expected a mapping of names to SQL expressions, found {shown(value)}")  # noqa: TRY004
    found: dict[str, object] = {}
    faults: list[Fault] = []
    for key, item in value.items():
        try:
            kept = _one(str(key), item)
        except ValueError as error:
            faults.append(Fault((str(key),), str(error)))
            continue
        if kept is not None:
            found[str(key)] = kept
    raise_all("filters", faults, value)
    return found


def _one(key: str, item: object) -> object:
    if wrong := name(key, "a name for a filter"):
        raise ValueError(wrong)
    if key in RESERVED:
        raise ValueError(f"{shown(key)} is a reason that clickreplay counts itself; give the filter another name")
    if item is None or (is_ready(key) and item is False):
        return None
    if key == "methods":
        return _list(item, "a list of methods such as [GET, POST]", _method)
    if key == "status":
        return _list(item, "a list of status numbers such as [200, 304]", _status)
    if is_ready(key) and item is not True:
        raise ValueError(
            f"this filter is ready-made: expected true or false, found {shown(item)}; give an expression another name"
        )
    if is_ready(key):
        return True
    if isinstance(item, bool):
        wrong = f"no ready filter has this name{near(key, READY)}; expected an SQL expression, found {shown(item)}"
        raise ValueError(wrong)  # noqa: TRY004 - pydantic takes ValueError only
    return expression(item)


def _list(value: object, expected: str, read: Callable[[object], object]) -> tuple[object, ...]:
    """Return what a ready filter lets stay; one value is as good as a list of it."""
    items = value if isinstance(value, list | tuple) else [value]
    if not items:
        raise ValueError(f"expected {expected}, found an empty list: every row would fall out")
    found = tuple(read(item) for item in items)
    if None in found:
        raise ValueError(f"this filter is ready-made: expected {expected}, found {shown(items[found.index(None)])}")
    return found


def _method(item: object) -> str | None:
    return item.upper() if isinstance(item, str) and re.fullmatch("[A-Za-z]+", item) else None


def _status(item: object) -> int | None:
    return int(str(item)) if re.fullmatch("[1-9][0-9][0-9]", str(item)) else None
