"""What the tool has kept on disk, read without touching it: the checkpoint as a copy, so that no reader repairs it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

from benchmarks.crashing.bodies import canonical_body

_SENT, _DELIVERED, _UNKNOWN = 1, 2, 4
_EXPECTED = {"checkpoint.sqlite", "checkpoint.serial", "checkpoint.sqlite-wal", "checkpoint.sqlite-shm", "destination.json",
             "organisation", "lock", "turn", "ledger", "runs"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """One event as the checkpoint has it in the end."""

    seq: int
    key: str
    body: str
    delivered: bool
    sends: int
    resent: int


class Kept:
    """The state of a job with one destination."""

    def __init__(self, state: Path) -> None:
        self._state = state

    @property
    def folder(self) -> Path | None:
        """The destination's folder, when there is one yet."""
        return next((file.parent for file in self._state.glob("*/checkpoint.sqlite")), None)

    def in_flight(self) -> frozenset[int]:
        """Return the events (by seq) of intents that have no verdict."""
        with self._checkpoint() as database:
            if database is None:
                return frozenset()
            return frozenset(seq for (seq,) in database.execute("SELECT seq FROM events WHERE state = ?", (_SENT,)))

    def runs(self) -> list[tuple[str, str]]:
        """Return name and state of each run."""
        with self._checkpoint() as database:
            return [] if database is None else list(database.execute("SELECT name, state FROM runs ORDER BY run"))

    def day_at_work(self) -> str | None:
        """Return the date of the newest run; None where it has none."""
        with self._checkpoint() as database:
            if database is None:
                return None
            found = database.execute("SELECT date FROM runs ORDER BY run DESC LIMIT 1").fetchone()
        return (found and found[0]) or None

    def bodies_in_flight(self) -> list[str]:
        """Return the bodies of events whose outcome is not known, of all runs: those that may be there twice later."""
        doubtful = "SELECT name, seq FROM events JOIN runs USING (run) WHERE events.state IN (?, ?)"
        with self._checkpoint() as database:
            found = [] if database is None else database.execute(doubtful, (_SENT, _UNKNOWN)).fetchall()
        by_run: dict[str, set[int]] = {}
        for name, seq in found:
            by_run.setdefault(name, set()).add(seq)
        return [body for name, seqs in by_run.items() for seq, _, body in self._outbox(name) if seq in seqs]

    def events(self) -> list[Event]:
        """Return the planned events of all runs, run by run in their order."""
        with self._checkpoint() as database:
            if database is None or self.folder is None:
                return []
            runs = database.execute("SELECT run, name FROM runs ORDER BY run").fetchall()
            ends = {
                (run, seq): (state, sends, resent)
                for run, seq, state, sends, resent in database.execute(
                    "SELECT run, seq, state, sends, resent FROM events"
                )
            }
        found = []
        for run, name in runs:
            for seq, key, body in self._outbox(name):
                state, sends, resent = ends.get((run, seq), (0, 0, 0))
                found.append(Event(seq, key, body, state == _DELIVERED, sends, resent))
        return found

    def _outbox(self, name: str) -> Iterator[tuple[int, str, str]]:
        """Yield seq, key and body of each event of a run."""
        if self.folder is None:
            return
        outbox = self.folder / "runs" / name / "outbox.parquet"
        table = pq.read_table(outbox, columns=["seq", "key", "body"]).sort_by("seq")
        for seq, key, body in zip(*(column.to_pylist() for column in table.columns), strict=True):
            yield seq, key, canonical_body(body)

    def leftovers(self) -> list[str]:
        """Return what lies about that no run owns: what a cut call has left and no later one has cleared away."""
        if self.folder is None:
            return []
        owned = {name for name, _ in self.runs()}
        found = [each for each in self.folder.iterdir() if each.name not in _EXPECTED]
        found += [each for each in (self.folder / "runs").iterdir() if each.name not in owned]
        found += list(self.folder.rglob("*.part"))
        return sorted(str(each.relative_to(self.folder)) for each in found)

    @contextmanager
    def _checkpoint(self) -> Iterator[sqlite3.Connection | None]:
        """Give a copy of the checkpoint; None before there is one. Nobody may be writing to it."""
        if self.folder is None:
            yield None
            return
        with TemporaryDirectory() as name:
            for end in ("", "-wal"):
                file = self.folder / f"checkpoint.sqlite{end}"
                if file.exists():
                    shutil.copy(file, name)
            with closing(sqlite3.connect(Path(name) / "checkpoint.sqlite")) as database:
                yield database
