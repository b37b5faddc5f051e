"""What arrived, in SQLite: the tables of the record and the writer of the server.

Tables
------
`accepted`: one row an event that the server took, in order of arrival.
    n INTEGER PRIMARY KEY   order of arrival, from 1
    at REAL                 arrival of its request, unix seconds
    method TEXT             'event' | 'past_events'
    request INTEGER         `requests.n` of its request
    type TEXT               eventTypeKey
    key TEXT                keyValue, given or from the locators
    occurred TEXT NULL      past_events only
    body TEXT               the event's JSON exactly as it arrived; of past_events the canonical JSON of the element
`requests`: one row a request whose body arrived whole, refused ones too.
    n INTEGER PRIMARY KEY   order of arrival, from 1
    at REAL                 arrival, unix seconds; never goes back while the server runs
    path TEXT
    status INTEGER          status of the answer; 0 when by a fault none leaves
    fault TEXT NULL         name of the fault that it met (`Misbehaviour.bands`, `server_error`, `unauthorised`)
    events INTEGER          events recorded with it

A request and its events are one transaction, and it is committed before the answer leaves: no kill, of the client or of
the server, takes back what was answered. All requests at hand in one turn of the event loop share a commit. WAL without
fsync: a commit is a write to the operating system's memory, so other processes read while the server writes.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from etl.errors import JobError
from etl.sandbox.contract import Event

#: SQLite's application_id of a record ("clks"): another database is not written to.
APPLICATION_ID = 0x636C6B73

_TABLES = f"""
CREATE TABLE IF NOT EXISTS accepted(
    n INTEGER PRIMARY KEY, at REAL NOT NULL, method TEXT NOT NULL, request INTEGER NOT NULL,
    type TEXT NOT NULL, key TEXT NOT NULL, occurred TEXT, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS requests(
    n INTEGER PRIMARY KEY, at REAL NOT NULL, path TEXT NOT NULL, status INTEGER NOT NULL, fault TEXT,
    events INTEGER NOT NULL);
PRAGMA application_id = {APPLICATION_ID};
"""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request for the record, with the events that it brought."""

    at: float
    path: str
    status: int
    fault: str | None
    method: str
    events: tuple[Event, ...]


class Recorder:
    """The writer of a record, new or continued; belongs to one event loop. Raises JobError if it cannot write."""

    def __init__(self, path: Path) -> None:
        self._pending: list[tuple[Arrival, asyncio.Future[None]]] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # It holds contact data: its owner's alone, from the first byte.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._database = sqlite3.connect(path, isolation_level=None, timeout=30)
            known = self._database.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
            if not known and self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise _not_a_record(path)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = OFF")
            self._database.executescript(_TABLES)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise JobError(
                    f"sandbox: cannot write the record {path}: {error}", hint="Name another one with --record."
                ) from error
            raise _not_a_record(path) from error
        except OSError as error:
            raise JobError(
                f"sandbox: cannot write the record {path}: {error.strerror}", hint="Name another one with --record."
            ) from error

    def add(self, arrival: Arrival) -> asyncio.Future[None]:
        """Take an arrival; the future is done when it is committed, and fails with what made that fail."""
        loop = asyncio.get_running_loop()
        committed: asyncio.Future[None] = loop.create_future()
        if not self._pending:
            loop.call_soon(self._commit)
        self._pending.append((arrival, committed))
        return committed

    def close(self) -> None:
        """Commit what is at hand and close the file; the write-ahead log is folded into it."""
        self._commit()
        self._database.close()

    def _commit(self) -> None:
        pending, self._pending = self._pending, []
        if not pending:
            return
        try:
            self._write([arrival for arrival, _ in pending])
        # Whatever it was, nobody may be left waiting for it.
        except Exception as error:
            for _, committed in pending:
                if not committed.done():
                    committed.set_exception(error)
        else:
            for _, committed in pending:
                if not committed.done():
                    committed.set_result(None)

    def _write(self, arrivals: list[Arrival]) -> None:
        database = self._database
        database.execute("BEGIN IMMEDIATE")
        try:
            # Read in the transaction, so that two servers on one record do not collide.
            first = database.execute("SELECT coalesce(max(n), 0) + 1 FROM requests").fetchone()[0]
            database.executemany(
                "INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (n, each.at, each.path, each.status, each.fault, len(each.events))
                    for n, each in enumerate(arrivals, first)
                ],
            )
            database.executemany(
                "INSERT INTO accepted(at, method, request, type, key, occurred, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (each.at, each.method, n, event.type, event.key, event.occurred, event.body)
                    for n, each in enumerate(arrivals, first)
                    for event in each.events
                ],
            )
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise


def _not_a_record(path: Path) -> JobError:
    return JobError(
        f"sandbox: {path} is there and is not a record of the sandbox", hint="Name another one with --record."
    )
