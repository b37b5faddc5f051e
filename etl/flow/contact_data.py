"""Which values of a row are contact data, by the columns that the job's `contact` and `key_value` read: hidden where a row is shown."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from etl.job.models import Job
from etl.mapping.contact_paths import contact_paths
from etl.mapping.names import Names
from etl.masking import Known, masked, masked_id
from etl.tables import LOCATORS

#: What clickreplay itself calls contact data: in a body, and among the values that a line was mapped to.
_OURS = frozenset({"keyvalue", "key", "key_value", *(name.lower() for name in LOCATORS)})
_DELIMITERS = ",;\t|"


class ContactData:
    """Hides contact data in what is shown of rows. `columns` are the input's, in their order, where they are known."""

    def __init__(self, job: Job, columns: Sequence[str] = ()) -> None:
        self._paths = contact_paths(job)
        self._columns = tuple(columns)
        last = "|".join(sorted({re.escape(path[-1]) for path in self._paths} | {re.escape(name) for name in LOCATORS}))
        self._member = re.compile(rf'("(?:{last})"\s*:\s*)("(?:[^"\\]|\\.)*"?|[^\s,"}}\]]+)', re.IGNORECASE)

    def hidden(self, original: str) -> str:
        """Return what was kept of a row, an event's body or a text that could not be read, for people to see."""
        try:
            row = json.loads(original)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            return masked(self._in_unread(original))
        values: list[str] = []
        hidden = self._row(row, values)
        known = Known(values)
        return json.dumps(_masked(hidden, known), ensure_ascii=False, separators=(",", ":"))

    def _row(self, row: dict[str, Any], known: list[str]) -> dict[str, Any]:
        names = Names(row)
        hidden = dict(row)
        for path in self._paths:
            column = names.find(path[0])
            if column is not None:
                hidden[column] = _hide(hidden[column], path[1:], known)
        for name in row:
            if name.lower().removeprefix("contact.") in _OURS:
                hidden[name] = _hide(hidden[name], (), known)
        if isinstance(row.get("params"), list):  # an event's body
            hidden["params"] = [_parameter(one, known) for one in row["params"]]
        return hidden

    def _in_unread(self, text: str) -> str:
        """Hide members of the names of contact data, and fields of a cut text that may be those of their columns."""
        if text.lstrip().startswith(("{", "[")) or self._member.search(text):
            return self._member.sub(lambda found: f"{found[1]}***", text)
        names = Names(self._columns)
        at = [self._columns.index(c) for path in self._paths if (c := names.find(path[0])) is not None]
        delimiter = max(_DELIMITERS, key=text.count)
        if not at or delimiter not in text:
            return text
        fields = text.split(delimiter)
        shift = len(fields) - len(self._columns)  # of the fields that stand behind the one that is too many or missing
        near = {place for n in at for place in range(min(n, n + shift), max(n, n + shift) + 1)}
        return delimiter.join(masked_id(f) if n in near and f.strip() else f for n, f in enumerate(fields))


def _hide(value: Any, fields: tuple[str, ...], known: list[str]) -> Any:
    """Return a value with the scalars at `fields` of it hidden; all of them where the path ends."""
    if isinstance(value, list):
        return [_hide(one, fields, known) for one in value]
    if isinstance(value, dict):
        inside = Names(value).find(fields[0]) if fields else None
        return {name: _hide(one, fields[1:], known) if inside in (None, name) else one for name, one in value.items()}
    if value is None or isinstance(value, bool) or value == "":
        return value
    known.append(str(value))
    return masked_id(str(value))


def _parameter(one: Any, known: list[str]) -> Any:
    if isinstance(one, dict) and one.get("name") in LOCATORS:
        return one | {"value": _hide(one.get("value"), (), known)}
    return one


def _masked(value: Any, known: Known) -> Any:
    """Return a value with its texts masked; numbers and the names of members stay."""
    if isinstance(value, list):
        return [_masked(one, known) for one in value]
    if isinstance(value, dict):
        return {name: _masked(one, known) for name, one in value.items()}
    return masked(value, known) if isinstance(value, str) else value
