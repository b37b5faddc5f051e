"""Reading a record, also while the server writes it: what it took, in which order for each key, and how fast."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from etl.errors import InputError
from etl.sandbox.contract import canonical


@dataclass(frozen=True, slots=True)
class Accepted:
    """One row of table `accepted` (see :mod:`etl.sandbox.recorder`)."""

    n: int
    at: float
    method: str
    request: int
    type: str
    key: str
    occurred: str | None
    body: str


@dataclass(frozen=True, slots=True)
class Request:
    """One row of table `requests` (see :mod:`etl.sandbox.recorder`)."""

    n: int
    at: float
    path: str
    status: int
    fault: str | None
    events: int


class Record:
    """The record at `path`; each method reads afresh. Methods raise InputError when there is no record."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def accepted(self, method: str | None = None) -> int:
        """Return how many events were accepted, repeats counted."""
        with self._rows("SELECT count(*) FROM accepted WHERE ?1 IS NULL OR method = ?1", method) as rows:
            return int(next(rows)[0])

    def by_type(self) -> dict[str, int]:
        """Return accepted events by type, in order of name."""
        with self._rows("SELECT type, count(*) FROM accepted GROUP BY type ORDER BY type") as rows:
            return dict(rows)

    def bodies(self, method: str | None = None) -> Counter[str]:
        """Return the accepted bodies, in canonical JSON, and how often; `method`: 'event' or 'past_events'."""
        with self._rows("SELECT body FROM accepted WHERE ?1 IS NULL OR method = ?1", method) as rows:
            return Counter(canonical(json.loads(body)) for (body,) in rows)

    def order_by_key(self, method: str | None = None) -> dict[str, list[Accepted]]:
        """Return the accepted events of each key in order of arrival."""
        found: dict[str, list[Accepted]] = {}
        for event in self.events(method):
            found.setdefault(event.key, []).append(event)
        return found

    def events(self, method: str | None = None) -> list[Accepted]:
        """Return all accepted events in order of arrival."""
        columns = "n, at, method, request, type, key, occurred, body"
        query = f"SELECT {columns} FROM accepted WHERE ?1 IS NULL OR method = ?1 ORDER BY n"
        with self._rows(query, method) as rows:
            return [Accepted(*row) for row in rows]

    def requests(self, path: str | None = None) -> list[Request]:
        """Return the requests in order of arrival, of one `path` ("/api/v2/event") or all."""
        query = "SELECT n, at, path, status, fault, events FROM requests WHERE ?1 IS NULL OR path = ?1 ORDER BY n"
        with self._rows(query, path) as rows:
            return [Request(*row) for row in rows]

    def busiest_second(self, path: str | None = None) -> int:
        """Return the most requests that arrived within any one second, wherever that second starts."""
        times = sorted(each.at for each in self.requests(path))
        most = start = 0
        for end, at in enumerate(times):
            while at - times[start] >= 1:
                start += 1
            most = max(most, end - start + 1)
        return most

    def rate(self, path: str | None = None) -> float:
        """Return requests a second from the first to the last arrival; 0 when there are fewer than two."""
        times = [each.at for each in self.requests(path)]
        span = max(times) - min(times) if times else 0.0
        return (len(times) - 1) / span if span else 0.0

    @contextmanager
    def _rows(self, query: str, *values: str | None) -> Iterator[sqlite3.Cursor]:
        if not self._path.is_file():
            raise InputError(f"no record of the sandbox at {self._path}")
        # Not mode=ro: after a kill the write-ahead log has to be taken up, which writes.
        database = sqlite3.connect(self._path, timeout=30)
        try:
            yield database.execute(query, values)
        except sqlite3.DatabaseError as error:
            raise InputError(f"{self._path} is not a record of the sandbox: {error}") from error
        finally:
            database.close()
