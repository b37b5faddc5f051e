"""Which columns the job's contacts come from: their values are contact data, and no message shows them."""

from __future__ import annotations

from contextlib import nullcontext

import duckdb

from etl.job.models import Job
from etl.mapping.expression import paths_in
from etl.sql import folded

Path = tuple[str, ...]


def contact_paths(job: Job, connection: duckdb.DuckDBPyConnection | None = None) -> frozenset[Path]:
    """Return the columns that the job's contacts come from, each with the fields taken of it.

    Names of `let` stand for what they are made of, a lookup for the column that finds its row, `item` for its list.
    """
    rules = [(rule.contact or {}, rule.key_value, rule.part_each) for rule in job.events]
    texts = [
        text for contact, key, _ in [(job.contact, job.key_value, None), *rules] for text in (*contact.values(), key)
    ]
    lists = [each for _, _, each in rules if each]
    let = {folded(name): text for name, text in job.let.items()}
    lookups = {folded(name): lookup.on for name, lookup in job.lookups.items()}
    found: set[Path] = set()
    seen: set[str] = set()
    left = [text for text in texts if text]
    with nullcontext(connection) if connection else duckdb.connect(":memory:") as sql:
        while left:
            text = left.pop()
            if text in seen:
                continue
            seen.add(text)
            for path in paths_in(text, sql):
                name = folded(path[0])
                if name == "item":
                    left += lists
                elif name in lookups:
                    left.append(lookups[name])
                elif name in let:
                    left.append(let[name])
                else:
                    found.add(tuple(part for part in path if part))
    return frozenset(found)
