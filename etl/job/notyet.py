"""What DESIGN promises and this version does not have yet: refused with words, never passed over in silence.

The issue that builds one of these deletes its line here; the models know all of them already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from etl.job.mistakes import Where
from etl.job.section import Fault


def _remote(value: object) -> bool:
    paths = value if isinstance(value, list | tuple) else [value]
    return any(isinstance(p, str) and p.lower().startswith(("s3://", "gs://", "https://", "http://")) for p in paths)


#: The key, which of its values are not there yet, what they are called, and what an analyst can do meanwhile.
NOT_YET: tuple[tuple[Where, Callable[[object], bool], str, str], ...] = (
    (("source", "path"), _remote, "reading from s3://, gs:// or https://", "copy the files to a local folder"),
)


def not_yet(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield a fault for each key of the raw job that asks for something this version does not have."""
    for where, asks, what, instead in NOT_YET:
        value: object = raw
        for step in where:
            value = value.get(step) if isinstance(value, Mapping) else None
        if asks(value):
            yield Fault(where, f"this version does not have {what} yet; {instead}")
    yield from _remote_beside(raw)


def _remote_beside(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the paths of lookups and contacts that are not on this machine: they are read as the source is."""
    lookups, contacts = raw.get("lookups"), raw.get("contacts")
    places: list[tuple[Where, object]] = []
    if isinstance(lookups, Mapping):
        places += [(("lookups", str(n), "path"), t.get("path")) for n, t in lookups.items() if isinstance(t, Mapping)]
    if isinstance(contacts, Mapping):
        places += [(("contacts", str(name)), path) for name, path in contacts.items()]
    for where, path in places:
        if _remote(path):
            words = (
                "this version does not have reading from s3://, gs:// or https:// yet; copy the files to a local folder"
            )
            yield Fault(where, words)
