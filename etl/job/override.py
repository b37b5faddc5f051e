"""`--set KEY=VALUE`: one key of the job file, for one call. `events[0].where` and `events.0.where` are the same key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from etl.job.document import read_scalar
from etl.job.mistakes import Where, dotted

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Override:
    """A key and its value for one call."""

    where: Where
    value: Any


def parse_override(text: str) -> Override:
    """Return what `KEY=VALUE` says, the value as YAML; raise ValueError where it says nothing."""
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key:
        raise ValueError("expected KEY=VALUE, for example delivery.rate=100/s")
    steps: list[str | int] = []
    position = 0
    while position < len(key):
        match = _STEP.match(key, position)
        if match is None or (position == 0 and key[0] in ".["):
            raise ValueError("expected a key such as delivery.rate or events[0].where")
        steps.append(int(match[2]) if match[2] is not None else match[1])
        position = match.end()
    return Override(tuple(steps), read_scalar(value.strip()))


def apply(override: Override, values: dict[str, Any]) -> Where:
    """Set the key in the values of the file, in place; mappings on the way are made, lists never grow.

    Returns the key's way with numbers where it goes through lists. Raises ValueError where it goes through one value.
    """
    here: Any = values
    way: list[str | int] = []
    for step in override.where[:-1]:
        at = _step(here, step, way)
        if isinstance(here, dict) and here.get(at) is None:
            here[at] = {}
        here = here[at]
        way.append(at)
    last = _step(here, override.where[-1], way)
    here[last] = override.value
    return (*way, last)


def _step(here: object, step: str | int, way: list[str | int]) -> str | int:
    """Return the step as `here` is indexed: a position in a list, a name in a mapping."""
    at = dotted(tuple(way))
    if isinstance(here, dict):
        return str(step)
    if not isinstance(here, list):
        wrong = f"`{at}` is one value and has no keys of its own"
        raise ValueError(wrong)  # noqa: TRY004 - a mistake of the user's, not a type of ours
    if not str(step).isdecimal() or int(step) >= len(here):
        raise ValueError(
            f"`{at}` is a list of {len(here)}; expected a position from 0 to {len(here) - 1}, found `{step}`"
        )
    return int(step)
