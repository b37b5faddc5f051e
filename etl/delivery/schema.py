"""The checkpoint file: its tables, and how a file is made, opened and judged.

One SQLite file a destination. Any SQLite client may ask it questions, also while a run is at work:

    meta    key, value: `version` of these tables, `job`, `destination`, `serial` (see the module of that name), `horizon` of the
            ledger where it was pruned
    runs    one row a run, numbered from 1:
            name          such as 000001-ab12cd; the folder of its outbox
            kind          main | trial | replay
            of            the run that a replay replays, null for others
            date          what filled `{{ date }}`, '' for none
            state         planned | open | finished | abandoned
            mapping, fingerprint    hashes of the plan (RULES §2)
            method        event | past_events
            organisation  whose key it was, where the API has said
            events        events in the outbox
            books         the plan's counts (JSON)
            requests      requests that left, or may have, over all calls
            resent        repeat sends of events with an unknown outcome, over all calls
            seconds       seconds of posting, over all calls
            created, ended   seconds since 1970
            exit          exit code it finished with
            merged        1 when the ledger has its ids
    events  one row an event that a request has carried, or that was withdrawn; `seq` is its place in the outbox
            state   1 sent (no verdict yet), 2 delivered, 3 rejected, 4 unknown,
                    5 retry (surely not accepted), 6 withdrawn
            sends   requests that carried it and left, or may have
            doubts  how many of them ended without a verdict
            resent  how many of them were sent after a doubt: each may stand twice in the API
            strikes tries in vain while others got through, or that a kill has cut
            calls   calls in which it was tried in vain while nothing got through
            since   when the first of these was, seconds since 1970
            final   1 where an unknown event is never sent again
            status  the last HTTP status, null where there was none
            detail  the answer's text, the cause, or the reason of the withdrawal; contact data is masked
            at      when the row changed last, seconds since 1970
    claims  one row a run that is being posted: the events that may go before the next claim, on the disk before they do
            boot    which start of the machine it is of
            first, upto, others    seq from `first` to before `upto`, and a list (JSON) of events before them

    segments  one row a file of the ledger: `file` (below `ledger/`), `month` of its events (UTC; 'none' without time),
              `run` whose events they are, `rows`, `bytes`, `digest` (BLAKE2b; null in one of an older version)
    passing   names that may be on the disk before `runs` or `segments` has them, or after: a run's folder, a file of the ledger

What was rejected:   SELECT seq, status, detail FROM events WHERE run = 7 AND state = 3;
What may be twice:   SELECT seq, resent FROM events WHERE run = 7 AND resent > 0;
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from etl.delivery import serial
from etl.errors import StateError
from etl.files import create_private

VERSION = 4  # 2: replays; 3: the serial, names on their way, digests of segments; 4: the tries of an event
_APPLICATION = 0x636C7270  # "clrp": tells our files from any other SQLite file
# The log is copied back, with a wait for the disk, after this many pages (4 KB each): rarely, since a wait here delays
# the next request.
_LOG_PAGES = 8_000

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (
    run INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('main', 'trial', 'replay')),
    date TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL CHECK (state IN ('planned', 'open', 'finished', 'abandoned')),
    mapping TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    method TEXT NOT NULL,
    organisation TEXT,
    events INTEGER NOT NULL,
    books TEXT NOT NULL DEFAULT '{}',
    requests INTEGER NOT NULL DEFAULT 0,
    resent INTEGER NOT NULL DEFAULT 0,
    seconds REAL NOT NULL DEFAULT 0,
    created REAL NOT NULL,
    ended REAL,
    exit INTEGER,
    merged INTEGER NOT NULL DEFAULT 0,
    of INTEGER REFERENCES runs
);
CREATE TABLE events (
    run INTEGER NOT NULL REFERENCES runs,
    seq INTEGER NOT NULL,
    state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 6),
    sends INTEGER NOT NULL DEFAULT 0,
    doubts INTEGER NOT NULL DEFAULT 0,
    resent INTEGER NOT NULL DEFAULT 0,
    strikes INTEGER NOT NULL DEFAULT 0,
    calls INTEGER NOT NULL DEFAULT 0,
    since REAL,
    final INTEGER NOT NULL DEFAULT 0,
    status INTEGER,
    detail TEXT,
    at REAL NOT NULL,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;
CREATE TABLE claims (
    run INTEGER PRIMARY KEY REFERENCES runs,
    boot TEXT,
    first INTEGER NOT NULL,
    upto INTEGER NOT NULL,
    others TEXT NOT NULL
);
CREATE TABLE segments (
    file TEXT PRIMARY KEY,
    month TEXT NOT NULL,
    run INTEGER NOT NULL REFERENCES runs,
    rows INTEGER NOT NULL,
    bytes INTEGER,
    digest TEXT
) WITHOUT ROWID;
CREATE TABLE passing (name TEXT PRIMARY KEY) WITHOUT ROWID;
"""


def create(path: Path, job: str, destination: str) -> None:
    """Make an empty checkpoint that its owner alone can read; it appears whole or not at all."""
    part = path.with_name(path.name + ".part")
    if serial.read(path):
        raise StateError(
            f"the checkpoint {path} is gone, and {serial.beside(path).name} beside it says that there was one",
            hint="restore the state folder from a backup; without its checkpoint all that was sent would be sent again",
        )
    with storage(path):
        serial.write(path, 0)
        create_private(part)
        with closing(sqlite3.connect(part, isolation_level=None)) as database:
            database.executescript(
                f"PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {VERSION}; {_TABLES}"
            )
            meta = {"version": str(VERSION), "job": job, "destination": destination, "serial": "0"}
            database.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        part.replace(path)
        _sync_folder(path)


def _sync_folder(path: Path) -> None:
    """Put on the disk that a file is there."""
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def connect(path: Path, job: str, destination: str, *, read_only: bool) -> sqlite3.Connection:
    """Open a checkpoint that is there; raise StateError for one that cannot be trusted or is not this job's."""
    if path.stat().st_size == 0:
        raise _damaged(path, "it is empty")
    with storage(path):
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=30)
    try:
        with storage(path):
            meta = _judge(database, path, job, destination)
            if read_only:
                _see_older(database)
                database.execute("PRAGMA query_only = ON")
            else:
                if "serial" in meta or serial.read(
                    path
                ):  # an older version knows none; then the file beside it says 0, or is not there
                    serial.require_present(path, int(meta.get("serial", 0)))
                # A commit is with the operating system when it returns: no kill of ours loses it (RULES §6).
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("PRAGMA synchronous = NORMAL")
                database.execute("PRAGMA fullfsync = ON")  # without it macOS leaves a synced page in the drive's cache
                database.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
                if _version(database) < VERSION:
                    if "serial" not in meta:
                        serial.write(path, 0)
                    _renew(database)
    except BaseException:
        database.close()
        raise
    return database


def _judge(database: sqlite3.Connection, path: Path, job: str, destination: str) -> dict[str, str]:
    if database.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
        raise StateError(
            f"{path} is not a checkpoint of clickreplay",
            hint="put the checkpoint of this state folder back from a backup",
        )
    version = _version(database)
    if version > VERSION:
        raise StateError(
            f"{path} was written by a newer clickreplay (tables {version}, this one knows {VERSION})",
            hint="use that version or a newer one: this one could misread what was sent",
        )
    problem = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise _damaged(path, problem)
    meta = dict(database.execute("SELECT key, value FROM meta"))
    for key, wanted in (("job", job), ("destination", destination)):
        if meta.get(key) != wanted:
            raise StateError(
                f"{path} is of {key} {meta.get(key)!r}, not {wanted!r}",
                hint="each job keeps its own state folder: name this job's with --state",
            )
    return meta


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _see_older(database: sqlite3.Connection) -> None:
    """Let what an older version does not have read as nothing."""
    if _version(database) < 2:
        database.execute("CREATE TEMP VIEW runs AS SELECT *, NULL AS of FROM main.runs")
    if "strikes" not in _columns(database, "events"):
        database.execute(
            "CREATE TEMP VIEW events AS SELECT *, doubts AS strikes, 0 AS calls, NULL AS since, 0 AS final FROM main.events"
        )
    if "digest" not in _columns(database, "segments"):
        database.execute("CREATE TEMP VIEW segments AS SELECT *, NULL AS bytes, NULL AS digest FROM main.segments")


def _columns(database: sqlite3.Connection, table: str) -> set[str]:
    return {name for (name,) in database.execute("SELECT name FROM pragma_table_info(?)", (table,))}


def _renew(database: sqlite3.Connection) -> None:
    """Bring the tables of an older version to this one, whole or not at all."""
    version = _version(database)
    database.execute("BEGIN IMMEDIATE")
    try:
        if version < 2:
            _add_replays(database)
        if version < 3:
            _add_serial(database)
        if "strikes" not in _columns(database, "events"):  # some files of version 3 have it
            _add_tries(database)
        database.execute("UPDATE meta SET value = ? WHERE key = 'version'", (str(VERSION),))
        database.execute(f"PRAGMA user_version = {VERSION}")
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _add_replays(database: sqlite3.Connection) -> None:
    runs = _TABLES[_TABLES.index("CREATE TABLE runs") : _TABLES.index("CREATE TABLE events")]
    database.execute(runs.replace("CREATE TABLE runs", "CREATE TABLE renewed"))
    database.execute("INSERT INTO renewed SELECT *, NULL FROM runs")
    database.execute("DROP TABLE runs")
    database.execute("ALTER TABLE renewed RENAME TO runs")


def _add_serial(database: sqlite3.Connection) -> None:
    database.execute("ALTER TABLE segments ADD COLUMN bytes INTEGER")
    database.execute("ALTER TABLE segments ADD COLUMN digest TEXT")
    database.execute(_TABLES[_TABLES.index("CREATE TABLE passing") :])
    database.execute("INSERT INTO meta VALUES ('serial', '0')")


def _add_tries(database: sqlite3.Connection) -> None:
    """Until then each unknown outcome counted in full."""
    for column in (
        "strikes INTEGER NOT NULL DEFAULT 0",
        "calls INTEGER NOT NULL DEFAULT 0",
        "since REAL",
        "final INTEGER NOT NULL DEFAULT 0",
    ):
        database.execute(f"ALTER TABLE events ADD COLUMN {column}")
    database.execute("UPDATE events SET strikes = doubts WHERE doubts > 0")


def _damaged(path: Path, problem: str) -> StateError:
    return StateError(
        f"the checkpoint {path} is damaged: {problem}",
        hint="restore the state folder from a backup; a new one (--new-state) would send again what was sent",
    )


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turn what the disk and SQLite say into a StateError with words for people."""
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        if "full" in text:
            raise StateError(
                f"no space left for the checkpoint {path}", hint="free some space and run again: nothing is lost"
            ) from error
        if "readonly" in text or "unable to open" in text:
            raise StateError(
                f"the checkpoint {path} cannot be written: {text}", hint="give its owner the right to write there"
            ) from error
        if "locked" in text:
            raise StateError(
                f"the checkpoint {path} is held by another program", hint="close it and run again"
            ) from error
        if "disk I/O" in text:
            raise StateError(
                f"the disk failed under the checkpoint {path}: {text}", hint="see the system's log; run again"
            ) from error
        raise
    except sqlite3.DatabaseError as error:
        if type(error) is sqlite3.DatabaseError:
            raise _damaged(path, str(error)) from error
        raise
    except OSError as error:
        raise StateError(
            f"the checkpoint {path} cannot be used: {error.strerror}", hint="see the folder's rights and space"
        ) from error
