"""Contact data out of the record of a stand-in that is not running: the rows stay, with their order and their times."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from etl.errors import StateError

#: Says of accepted events, by their keyValues and bodies, which are to be forgotten.
Judge = Callable[[Sequence[str], Sequence[str]], Sequence[bool]]

_BATCH = 20_000


def forget(record: Path, *, before: float | None = None, judge: Judge | None = None, only_count: bool = False) -> int:
    """Take keyValue and body of accepted events away: those that came before a moment (seconds since 1970), or that `judge` names.

    Return how many there are; 0 where there is no record. Raises StateError.
    """
    if not record.exists():
        return 0
    try:
        with closing(sqlite3.connect(record, isolation_level=None, timeout=30)) as database:
            database.execute("PRAGMA secure_delete = ON")
            numbers = _numbers(database, before, judge)
            if numbers and not only_count:
                database.execute(
                    "UPDATE accepted SET key = '', body = '{}' WHERE n IN (SELECT value FROM json_each(?))",
                    (json.dumps(numbers),),
                )
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.DatabaseError as error:
        raise StateError(
            f"the record {record} cannot be used: {error}", hint="see the folder's rights and space"
        ) from error
    return len(numbers)


def _numbers(database: sqlite3.Connection, before: float | None, judge: Judge | None) -> list[int]:
    found: list[int] = []
    cursor = database.execute(
        "SELECT n, key, body FROM accepted WHERE body <> '{}' AND (?1 IS NULL OR at < ?1) ORDER BY n", (before,)
    )
    while rows := cursor.fetchmany(_BATCH):
        theirs = [True] * len(rows) if judge is None else judge([row[1] for row in rows], [row[2] for row in rows])
        found += [row[0] for row, is_theirs in zip(rows, theirs, strict=True) if is_theirs]
    return found
