"""The checkpoint: what became of each event of each run, and the runs themselves. `schema` documents the file.

Every change is one transaction. An intent stands here before its request leaves; its verdict before its slot is free
(RULES §6).
"""

from __future__ import annotations

import datetime
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field, fields
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal, Self, TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from etl.delivery import schema, serial
from etl.delivery.boot import boot_id
from etl.errors import StateError

Seqs = npt.NDArray[np.int64]
OnUnknown = Literal["resend", "hold"]

#: An event whose outcome was unknown this often, other events getting through meanwhile, stays unknown for good.
DOUBTS_AT_MOST = 5


class State(IntEnum):
    """Where an event stands. RETRY: surely not accepted, may go again."""

    SENT = 1
    DELIVERED = 2
    REJECTED = 3
    UNKNOWN = 4
    RETRY = 5
    WITHDRAWN = 6


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as the checkpoint keeps it (table `runs`); times are seconds since 1970, `date` is '' for none."""

    run: int
    name: str
    kind: str
    date: str
    state: str
    mapping: str
    fingerprint: str
    method: str
    organisation: str | None
    events: int
    books: str
    requests: int
    resent: int
    seconds: float
    created: float
    ended: float | None
    exit: int | None
    merged: int
    of: int | None  # the run that a replay replays

    @property
    def day(self) -> datetime.date | None:
        """The date that filled the run's templates."""
        return datetime.date.fromisoformat(self.date) if self.date else None


class RunChanges(TypedDict, total=False):
    """What `update_run` may change."""

    state: str
    method: str
    organisation: str | None
    events: int
    books: str
    ended: float | None
    exit: int | None
    merged: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of the ledger: `file` is its path below the ledger's folder, `month` such as 2026-11, or none.

    `bytes` and `digest` are None for one that an older version wrote.
    """

    file: str
    month: str
    run: int
    rows: int
    bytes: int | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many events of a run stand where; `sent` are intents without a verdict, 0 when nobody is posting.

    `doubted` are those of `retry` whose outcome was unknown in an earlier run: this one sends them once more.
    """

    sent: int = 0
    delivered: int = 0
    rejected: int = 0
    unknown: int = 0
    retry: int = 0
    withdrawn: dict[str, int] = field(default_factory=dict)
    doubted: int = 0


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a request did to events that it carried. `doubt`: it ended without a verdict; `left`: it left, or may have.

    `strikes` and `calls` are what it adds to the tries in vain; `final`: an unknown event is never sent again.
    """

    seqs: Sequence[int]
    state: State
    status: int | None = None
    detail: str | None = None
    doubt: bool = False
    left: bool = True
    strikes: int = 0
    calls: int = 0
    final: bool = False

    @property
    def no_copy(self) -> bool:
        """True where the API surely has no copy by this request: it did not leave, or was refused for now."""
        return not self.left or (not self.doubt and self.state in (State.UNKNOWN, State.RETRY))


@dataclass(frozen=True, slots=True)
class Tries:
    """How often an event was tried in vain (table `events`)."""

    doubts: int = 0
    strikes: int = 0
    calls: int = 0
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Touched:
    """An event as the checkpoint keeps it (table `events`)."""

    seq: int
    state: State
    sends: int
    doubts: int
    resent: int
    status: int | None
    detail: str | None
    at: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """What the checkpoint says of events that follow each other, as columns; `status` is 0 where there was none."""

    seq: Seqs
    state: Seqs
    status: Seqs
    sends: Seqs
    at: npt.NDArray[np.float64]


_RUN = ", ".join(f.name for f in fields(RunRow))
_EVENT = ", ".join(f.name for f in fields(Touched))
_SEGMENT = ", ".join(f.name for f in fields(Segment))
_CHANGEABLE = frozenset(RunChanges.__annotations__)

# Events go in as one JSON list: SQLite takes it apart in a third of the time that a row a call would take.
_INTENTS = (
    "INSERT INTO events (run, seq, state, sends, at) SELECT ?, value, 1, 1, ? FROM json_each(?) WHERE true "
    "ON CONFLICT (run, seq) DO UPDATE "
    "SET state = 1, sends = sends + 1, resent = resent + (doubts > 0), status = NULL, detail = NULL, at = excluded.at"
)
# What never left was no send, what was surely not taken no repeat. `doubts` on the right is the count before this request.
_RULING = (
    "UPDATE events SET state = ?, status = ?, detail = ?, doubts = doubts + ?, strikes = strikes + ?, calls = calls + ?, "
    "since = coalesce(since, ?), final = max(final, ?), sends = sends - ?, "
    "resent = resent - (? AND doubts > 0), at = ? WHERE run = ? AND "
)
_RULING_OF_ONE = f"{_RULING} seq = ?"
_RULING_OF_MANY = f"{_RULING} seq IN (SELECT value FROM json_each(?))"
_CUT = "no answer was seen: the run was cut"
_STOPPED = "no answer was seen: the machine stopped"


def month_after(month: str) -> str:
    """Return the month after one such as 2025-12."""
    year, number = divmod(int(month[:4]) * 12 + int(month[5:]), 12)
    return f"{year:04d}-{number + 1:02d}"


def _joined(rulings: Sequence[Ruling]) -> Iterator[Ruling]:
    """Yield rulings that say the same as one: each statement gives way to the senders' threads, and waits for its turn."""
    alike: dict[tuple[Any, ...], list[int]] = {}
    for r in rulings:
        said = (r.state, r.status, r.detail, r.doubt, r.left, r.strikes, r.calls, r.final)
        alike.setdefault(said, []).extend(r.seqs)
    for said, seqs in alike.items():
        yield Ruling(seqs, *said)


class Checkpoint:
    """One destination's checkpoint file, open. Not for several threads at once."""

    def __init__(self, database: sqlite3.Connection, path: Path) -> None:
        self._database, self._path = database, path

    @classmethod
    def open(cls, path: Path, job: str, destination: str, *, read_only: bool = False) -> Self:
        """Open the file, made new where there is none.

        StateError when it is damaged, newer, or of another job or destination.

        `read_only` is for looking on while a run is at work; it makes no file.
        """
        if not path.exists():
            if read_only:
                raise StateError(
                    f"no checkpoint at {path}", hint="nothing has been planned for this job and destination yet"
                )
            schema.create(path, job, destination)
        return cls(schema.connect(path, job, destination, read_only=read_only), path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    # Runs

    def add_run(
        self,
        *,
        name: str,
        mapping: str,
        fingerprint: str,
        method: str,
        events: int,
        kind: str = "main",
        date: str = "",
        books: str = "{}",
        organisation: str | None = None,
        of: int | None = None,
        doubted: bool = False,
    ) -> int:
        """Record a plan, in state `planned`; return its number.

        `doubted`: each of its events has an unknown outcome in the run `of`, so each send of it is one more.
        """
        now = time.time()
        with self._transaction():
            cursor = self._database.execute(
                "INSERT INTO runs "
                "(name, kind, date, state, mapping, fingerprint, method, organisation, events, books, created, of) "
                "VALUES (?, ?, ?, 'planned', ?, ?, ?, ?, ?, ?, ?, ?)",
                (name, kind, date, mapping, fingerprint, method, organisation, events, books, now, of),
            )
            number = cursor.lastrowid
            if number is None:
                raise AssertionError("SQLite gave the new run no number")
            self._database.execute("DELETE FROM passing WHERE name = ?", (name,))
            if doubted:
                self._database.execute(
                    "WITH RECURSIVE n(seq) AS (SELECT 0 UNION ALL SELECT seq + 1 FROM n WHERE seq + 1 < ?) "
                    "INSERT INTO events (run, seq, state, doubts, at) SELECT ?, seq, 5, 1, ? FROM n WHERE ? > 0",
                    (events, number, now, events),
                )
        return number

    def run(self, run: int) -> RunRow:
        """Return one run; KeyError when there is none of that number."""
        found = self._runs("WHERE run = ?", run)
        if not found:
            raise KeyError(run)
        return found[0]

    def runs(self, *, state: str | None = None) -> list[RunRow]:
        """Return the runs, oldest first: all, or those in one state."""
        return self._runs("ORDER BY run") if state is None else self._runs("WHERE state = ? ORDER BY run", state)

    def update_run(self, run: int, **changes: Unpack[RunChanges]) -> None:
        """Change what is named of a run; its end is noted with the state that ends it."""
        if unknown := changes.keys() - _CHANGEABLE:
            raise TypeError(f"a run has no {', '.join(sorted(unknown))} to change")
        if changes.get("state") in ("finished", "abandoned"):
            changes.setdefault("ended", time.time())
        listed = ", ".join(f"{name} = ?" for name in changes)
        with self._transaction():
            self._database.execute(f"UPDATE runs SET {listed} WHERE run = ?", (*changes.values(), run))

    # The ledger

    def add_segments(self, run: int, segments: Sequence[Segment]) -> None:
        """Record the ledger's files of a run, which are on the disk: from now on they stand for its verdicts."""
        with self._transaction(durable=True):
            self._database.execute("DELETE FROM segments WHERE run = ?", (run,))
            self._database.executemany(
                f"INSERT INTO segments ({_SEGMENT}) VALUES (?, ?, ?, ?, ?, ?)", [astuple(s) for s in segments]
            )
            self._database.executemany("DELETE FROM passing WHERE name = ?", [(s.file,) for s in segments])
            self._database.execute("UPDATE runs SET merged = 1 WHERE run = ?", (run,))

    def replace_segment(self, segment: Segment) -> None:
        """Record a file of the ledger that was made again."""
        with self._transaction(durable=True):
            self._database.execute(
                "UPDATE segments SET rows = ?, bytes = ?, digest = ? WHERE file = ?",
                (segment.rows, segment.bytes, segment.digest, segment.file),
            )

    def segments(self) -> list[Segment]:
        """Return the ledger's files, by month."""
        rows = self._rows(f"SELECT {_SEGMENT} FROM segments ORDER BY month, run")
        return [Segment(*row) for row in rows]

    def forget(self, segments: Sequence[Segment]) -> None:
        """Take files out of the ledger, for good: it knows all from the month after the last of theirs on, at best.

        They may still be on the disk: their names are passing.
        """
        with self._transaction(durable=True):
            self._announce([s.file for s in segments])
            self._database.executemany("DELETE FROM segments WHERE file = ?", [(s.file,) for s in segments])
            horizon = max([month_after(s.month) for s in segments] + ([self.horizon] if self.horizon else []))
            self._database.execute("INSERT OR REPLACE INTO meta VALUES ('horizon', ?)", (horizon,))

    @property
    def horizon(self) -> str | None:
        """The first month that the ledger still knows, such as 2025-11; None where it knows all."""
        return next((value for (value,) in self._rows("SELECT value FROM meta WHERE key = 'horizon'")), None)

    # Names on the disk

    def announce(self, names: Iterable[str]) -> None:
        """Say, on the disk, that these names may appear: a run's folder, files of the ledger. A name that was never said is not ours."""
        with self._transaction(durable=True):
            self._announce(names)

    def _announce(self, names: Iterable[str]) -> None:
        self._database.executemany("INSERT OR IGNORE INTO passing VALUES (?)", [(name,) for name in names])

    def announced(self) -> frozenset[str]:
        """Return the names that may be on the disk although no run and no segment has them: what a call that was cut has left."""
        return frozenset(name for (name,) in self._rows("SELECT name FROM passing"))

    def settle(self, names: Iterable[str]) -> None:
        """Forget names that were announced: they are no more on the disk, or have their run or segment."""
        with self._transaction():
            self._database.executemany("DELETE FROM passing WHERE name = ?", [(name,) for name in names])

    # Steps of a delivery

    def sweep(self) -> dict[int, int]:
        """Turn intents without a verdict, of any run, into unknowns: the start of every call (RULES §2).

        After the machine itself has stopped, so becomes all that was claimed and has no verdict: its intent may be lost
        (RULES §6). Return how many, by run.
        """
        with self._transaction(durable=True):
            self._sweep_claims()
            cursor = self._database.execute(
                "SELECT run, count(*) FROM events "
                "WHERE state = 1 AND run IN (SELECT run FROM runs WHERE merged = 0) GROUP BY run"
            )
            found = {int(run): int(count) for run, count in cursor}
            for run in found:
                self._database.execute(
                    "UPDATE events SET state = 4, doubts = doubts + 1, strikes = strikes + 1, detail = ? "
                    "WHERE run = ? AND state = 1",
                    (_CUT, run),
                )
        return found

    def record(
        self,
        run: int,
        *,
        rulings: Sequence[Ruling] = (),
        intents: Sequence[int] = (),
        requests: int = 0,
        resent: int = 0,
        seconds: float = 0.0,
    ) -> None:
        """Write one step: the rulings that came in, then the intents of the requests that go next, in one transaction.

        `requests` and `resent` are what the step adds to the run's counts (less what never left), `seconds` the time
        since the last one.
        """
        now = time.time()
        with self._transaction():
            for ruling in _joined(rulings):
                self._rule(run, ruling, now)
            if intents:
                self._database.execute(_INTENTS, (run, now, json.dumps(list(intents))))
            self._database.execute(
                "UPDATE runs SET requests = requests + ?, resent = resent + ?, seconds = seconds + ? WHERE run = ?",
                (requests, resent, seconds, run),
            )

    def _rule(self, run: int, r: Ruling, now: float) -> None:
        one = len(r.seqs) == 1
        self._database.execute(
            _RULING_OF_ONE if one else _RULING_OF_MANY,
            (r.state, r.status, r.detail, r.doubt, r.strikes, r.calls, now if r.strikes or r.calls else None, r.final,
             not r.left, r.no_copy, now, run,
             r.seqs[0] if one else json.dumps(list(r.seqs))),
        )  # fmt: skip

    def claim(self, run: int, first: int, upto: int, others: Iterable[int] = ()) -> None:
        """Name the events that may go from now on: seq `first` to before `upto`, and `others`; on the disk on return.

        So is every step before it. It takes the place of the run's last claim.
        """
        values = (run, boot_id(), first, upto, json.dumps(sorted(others)))
        with self._transaction(durable=True):
            self._database.execute("INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?)", values)

    def release(self, run: int) -> None:
        """Take a run's claim back: no request of it is under way, and all its steps are on the disk on return."""
        with self._transaction(durable=True):
            self._database.execute("DELETE FROM claims WHERE run = ?", (run,))

    def _sweep_claims(self) -> None:
        """Make unknown what was claimed before the machine stopped and has no verdict; forget all claims."""
        now = time.time()
        lost = self._database.execute(
            "SELECT run, first, min(upto, events), others FROM claims JOIN runs USING (run) WHERE boot IS NULL OR boot IS NOT ?",
            (boot_id(),),
        ).fetchall()
        for run, first, upto, others in lost:
            seqs = json.dumps(sorted({*range(first, upto), *json.loads(others)}))
            # An unknown event may have been sent once more, and a repeat that nobody remembers counts as one.
            resent = self._database.execute("SELECT sum(resent) FROM events WHERE run = ?", (run,)).fetchone()[0] or 0
            touched = self._database.execute(
                "INSERT INTO events (run, seq, state, sends, doubts, detail, at) "
                "SELECT ?, value, 4, 1, 1, ?, ? FROM json_each(?) WHERE true ON CONFLICT (run, seq) DO UPDATE "
                "SET state = 4, sends = sends + 1, doubts = doubts + 1, strikes = strikes + 1, resent = resent + (doubts > 0), "
                "detail = excluded.detail, at = excluded.at WHERE state IN (4, 5)",
                (run, _STOPPED, now, seqs),
            ).rowcount
            # How many requests these were nobody knows: as many as it may have been by the live method.
            self._database.execute(
                "UPDATE runs SET requests = requests + CASE method WHEN 'event' THEN ? ELSE min(?, 1) END, "
                "resent = resent + (SELECT sum(resent) FROM events WHERE run = ?) - ? WHERE run = ?",
                (touched, touched, run, resent, run),
            )
        self._database.execute("DELETE FROM claims")

    def withdraw(self, run: int, seqs: Iterable[int], reason: str, *, durable: bool = False) -> None:
        """Note that events may no longer go; `durable`: on the disk on return.

        One with an unknown outcome stays unknown, and is not sent again: it may be there already.
        """
        now = time.time()
        with self._transaction(durable=durable):
            self._database.executemany(
                "INSERT INTO events (run, seq, state, detail, at) VALUES (?, ?, 6, ?, ?) "
                "ON CONFLICT (run, seq) DO UPDATE SET "
                "state = CASE state WHEN 5 THEN 6 ELSE state END, "
                "final = max(final, state = 4), "
                "detail = CASE state WHEN 4 THEN 'held: ' || excluded.detail ELSE excluded.detail END, "
                "at = excluded.at WHERE state IN (4, 5)",
                ((run, int(seq), reason, now) for seq in seqs),
            )

    def forget_answers(self, run: int, seqs: Iterable[int] | None = None) -> int:
        """Forget what the API said of events of a run, of all of them or of `seqs`; the status stays. Return of how many.

        Nothing of it is left in the file, nor in its log when nobody else is reading.
        """
        some = "" if seqs is None else " AND seq IN (SELECT value FROM json_each(?))"
        given = () if seqs is None else (json.dumps([int(seq) for seq in seqs]),)
        with schema.storage(self._path):
            self._database.execute("PRAGMA secure_delete = ON")
        with self._transaction(durable=True):
            count = self._database.execute(
                "UPDATE events SET detail = NULL "
                f"WHERE run = ? AND status IS NOT NULL AND detail IS NOT NULL AND state <> 6{some}",
                (run, *given),
            ).rowcount
        with schema.storage(self._path):
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return count

    # Questions

    def last_change(self, run: int) -> float:
        """Return when something last became of an event of a run, in seconds since 1970; 0 where nothing has."""
        return next(float(at or 0) for (at,) in self._rows("SELECT max(at) FROM events WHERE run = ?", run))

    def answers(self, run: int, seqs: Iterable[int] | None = None) -> int:
        """Return of how many events of a run (of `seqs` where given) it is kept what the API said."""
        some = "" if seqs is None else " AND seq IN (SELECT value FROM json_each(?))"
        given = () if seqs is None else (json.dumps([int(seq) for seq in seqs]),)
        rows = self._rows(
            "SELECT count(*) FROM events "
            f"WHERE run = ? AND status IS NOT NULL AND detail IS NOT NULL AND state <> 6{some}",
            run, *given,
        )  # fmt: skip
        return next(int(count) for (count,) in rows)

    def may_go(self, run: int, seqs: Iterable[int]) -> int:
        """Return how many of these events of a run are pending, and would be withdrawn."""
        rows = self._rows(
            "SELECT count(*) FROM json_each(?) AS asked LEFT JOIN events ON run = ? AND seq = asked.value "
            "WHERE state IS NULL OR state = 5",
            json.dumps([int(seq) for seq in seqs]), run,
        )  # fmt: skip
        return next(int(count) for (count,) in rows)

    def counts(self, run: int) -> Counts:
        """Return how many events of a run stand where."""
        by_state: dict[int, int] = {}
        withdrawn: dict[str, int] = {}
        doubted = 0
        for state, reason, count, again in self._rows(
            "SELECT state, CASE state WHEN 6 THEN detail END, count(*), sum(state = 5 AND doubts > 0) "
            "FROM events WHERE run = ? GROUP BY 1, 2",
            run,
        ):
            doubted += again
            if state == State.WITHDRAWN:
                withdrawn[reason] = count
            else:
                by_state[state] = count
        ends = (
            by_state.get(state, 0)
            for state in (State.SENT, State.DELIVERED, State.REJECTED, State.UNKNOWN, State.RETRY)
        )
        sent, delivered, rejected, unknown, retry = ends
        return Counts(sent, delivered, rejected, unknown, retry, withdrawn, doubted)

    def settled(self, run: int, on_unknown: OnUnknown) -> Seqs:
        """Return, in order, the events of a run that must not be sent (again)."""
        return self._seqs(
            "state IN (2, 3, 6) OR state = 4 AND (final OR ? OR min(doubts, strikes) >= ?)",
            run, on_unknown == "hold", DOUBTS_AT_MOST,
        )  # fmt: skip

    def doubts(self, run: int) -> dict[int, int]:
        """Return how often the outcome of an event was unknown, for the events that stand so or may go again."""
        return dict(self._rows("SELECT seq, doubts FROM events WHERE run = ? AND state IN (4, 5) AND doubts > 0", run))

    def tries(self, run: int) -> dict[int, Tries]:
        """Return what was tried in vain, for the events that may go again."""
        rows = self._rows(
            "SELECT seq, doubts, strikes, calls, since FROM events "
            "WHERE run = ? AND state IN (4, 5) AND (doubts > 0 OR strikes > 0 OR calls > 0)",
            run,
        )
        return {seq: Tries(*found) for seq, *found in rows}

    def remembered(self, run: int) -> Seqs:
        """Return, in order, the events of a run that the API has or may have: what the ledger must know (RULES §10)."""
        return self._seqs("state IN (1, 2, 4)", run)

    def delivered(self, run: int) -> Seqs:
        """Return, in order, the events of a run that the API has taken."""
        return self._seqs("state = 2", run)

    def remembers(self, run: int) -> bool:
        """Say whether the API has or may have any event of a run."""
        return any(True for _ in self._rows("SELECT 1 FROM events WHERE run = ? AND state IN (1, 2, 4) LIMIT 1", run))

    def touched_since(self, run: int, moment: float) -> bool:
        """Say whether an event of a run was sent, or got its verdict, after a moment (seconds since 1970)."""
        found = self._rows("SELECT 1 FROM events WHERE run = ? AND sends > 0 AND at > ? LIMIT 1", run, moment)
        return any(True for _ in found)

    def withdrawn(self, run: int) -> dict[str, list[int]]:
        """Return the events of a run that were withdrawn, by reason."""
        found: dict[str, list[int]] = {}
        for reason, seq in self._rows("SELECT detail, seq FROM events WHERE run = ? AND state = 6 ORDER BY seq", run):
            found.setdefault(reason, []).append(seq)
        return found

    def stretch(self, run: int, first: int, upto: int) -> Stretch:
        """Return what stands of the events of a run from `first` to before `upto`, in order; nothing of one never carried."""
        rows = self._rows(
            "SELECT seq, state, coalesce(status, 0), sends, at FROM events "
            "WHERE run = ? AND seq >= ? AND seq < ? ORDER BY seq",
            run, first, upto,
        )  # fmt: skip
        columns = np.array(list(rows), np.float64).reshape(-1, 5).T  # each number is far below 2**53
        seq, state, status, sends = columns[:4].astype(np.int64)
        return Stretch(seq, state, status, sends, columns[4])

    def dead_letters(self, run: int) -> Iterator[Touched]:
        """Give the events that the API refused, with status and answer."""
        return self._touched(run, State.REJECTED)

    def unknowns(self, run: int) -> Iterator[Touched]:
        """Give the events whose outcome is unknown."""
        return self._touched(run, State.UNKNOWN)

    def _touched(self, run: int, state: State) -> Iterator[Touched]:
        for row in self._rows(f"SELECT {_EVENT} FROM events WHERE run = ? AND state = ? ORDER BY seq", run, int(state)):
            yield Touched(row[0], State(row[1]), *row[2:])

    def _seqs(self, where: str, run: int, *values: int) -> Seqs:
        rows = self._rows(f"SELECT seq FROM events WHERE run = ? AND ({where}) ORDER BY seq", run, *values)
        return np.fromiter((seq for (seq,) in rows), dtype=np.int64)

    def _runs(self, tail: str, *values: object) -> list[RunRow]:
        return [RunRow(*row) for row in self._rows(f"SELECT {_RUN} FROM runs {tail}", *values)]

    def _rows(self, statement: str, *values: object) -> Iterator[Any]:  # tuples, whose columns the caller knows
        with schema.storage(self._path):
            yield from self._database.execute(statement, values)

    @contextmanager
    def _transaction(self, *, durable: bool = False) -> Iterator[None]:
        """One change: with the operating system when it is done; `durable`: on the disk, and all before it as well."""
        with schema.storage(self._path):
            if durable:
                self._database.execute("PRAGMA synchronous = FULL")
            try:
                self._database.execute("BEGIN IMMEDIATE")
                before = self._database.total_changes
                yield
                number = self._next_serial() if durable and self._database.total_changes > before else None
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
            finally:
                if durable:
                    self._database.execute("PRAGMA synchronous = NORMAL")
            if number is not None:
                serial.write(self._path, number)

    def _next_serial(self) -> int:
        (number,) = self._database.execute(
            "UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'serial' RETURNING value"
        ).fetchone()
        return int(number)
