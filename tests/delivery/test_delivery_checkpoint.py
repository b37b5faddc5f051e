"""The checkpoint file: what it keeps, and which files it refuses."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from outboxes import plan

from etl.delivery import schema
from etl.delivery.checkpoint import DOUBTS_AT_MOST, Checkpoint, Counts, Ruling, State
from etl.errors import Exit, StateError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.sqlite"


@pytest.fixture
def checkpoint(path: Path):
    with Checkpoint.open(path, "shop", "esputnik.com") as opened:
        yield opened


def rule(checkpoint: Checkpoint, run: int, seq: int, state: State, **more) -> None:
    checkpoint.record(run, intents=[seq], requests=1)
    checkpoint.record(run, rulings=[Ruling([seq], state, doubt=state is State.UNKNOWN, **more)])


def test_its_owner_alone_can_read_it(path: Path, checkpoint: Checkpoint) -> None:
    plan(checkpoint, 1)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_a_file_of_the_first_version_is_read_as_it_is_and_renewed_when_it_is_written(path: Path) -> None:
    """Version 1 had neither replays nor `of`; what it knows stays known."""
    with Checkpoint.open(path, "shop", "esputnik.com") as new:
        plan(new, 3)
        rule(new, 1, 0, State.DELIVERED)
    with closing(sqlite3.connect(path)) as old:
        (made,) = old.execute("SELECT sql FROM sqlite_master WHERE name = 'runs'").fetchone()
        made = made.replace(", 'replay'", "").replace(",\n    of INTEGER REFERENCES runs", "").replace('"runs"', "runs")
        columns = ", ".join(name for _, name, *_ in old.execute("PRAGMA table_info(runs)") if name != "of")
        old.executescript(
            f"PRAGMA legacy_alter_table = ON; ALTER TABLE runs RENAME TO newer; {made};"
            f"INSERT INTO runs SELECT {columns} FROM newer; DROP TABLE newer;"
            "ALTER TABLE segments DROP COLUMN bytes; ALTER TABLE segments DROP COLUMN digest; DROP TABLE passing;"
            "ALTER TABLE events DROP COLUMN strikes; ALTER TABLE events DROP COLUMN calls;"
            "ALTER TABLE events DROP COLUMN since; ALTER TABLE events DROP COLUMN final;"
            "DELETE FROM meta WHERE key = 'serial';"
            "PRAGMA user_version = 1; UPDATE meta SET value = '1' WHERE key = 'version';"
        )
    path.with_suffix(".serial").unlink()
    with Checkpoint.open(path, "shop", "esputnik.com", read_only=True) as seen:
        assert [(run.run, run.events, run.of) for run in seen.runs()] == [(1, 3, None)]
    with Checkpoint.open(path, "shop", "esputnik.com") as renewed:
        assert renewed.counts(1).delivered == 1
        again = renewed.add_run(
            name="000002-aa", kind="replay", mapping="", fingerprint="", method="event", events=2, of=1
        )
        assert (again, renewed.run(again).of, renewed.run(1).of) == (2, 1, None)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize("has_tries", [False, True])
def test_a_file_of_the_third_version_is_read_and_renewed_whether_it_counts_tries_or_not(
    path: Path, *, has_tries: bool
) -> None:
    with Checkpoint.open(path, "shop", "esputnik.com") as new:
        plan(new, 3)
        rule(new, 1, 0, State.DELIVERED)
        new.record(1, intents=[1], requests=1)
        new.record(1, rulings=[Ruling([1], State.UNKNOWN, doubt=True, strikes=1)])
        new.claim(1, 0, 1)
        new.release(1)
    with closing(sqlite3.connect(path)) as old:
        serial = old.execute("SELECT value FROM meta WHERE key = 'serial'").fetchone()
        for column in () if has_tries else ("strikes", "calls", "since", "final"):
            old.execute(f"ALTER TABLE events DROP COLUMN {column}")
        old.executescript("PRAGMA user_version = 3; UPDATE meta SET value = '3' WHERE key = 'version';")
    with Checkpoint.open(path, "shop", "esputnik.com", read_only=True) as seen:
        assert (seen.counts(1).delivered, seen.counts(1).unknown) == (1, 1)
        assert seen.settled(1, "resend").tolist() == [0]
        assert seen.tries(1)[1].strikes == 1
    with Checkpoint.open(path, "shop", "esputnik.com") as renewed:
        assert renewed.tries(1)[1].strikes == 1
        assert renewed.settled(1, "resend").tolist() == [0]
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
        assert database.execute("SELECT value FROM meta WHERE key = 'serial'").fetchone() == serial != ("0",)
    Checkpoint.open(path, "shop", "esputnik.com").close()


def test_events_that_are_sent_once_more_are_pending_and_each_send_is_counted(checkpoint: Checkpoint) -> None:
    plan(checkpoint, 3)
    run = checkpoint.add_run(
        name="000002-aa", kind="replay", mapping="", fingerprint="", method="event", events=2, of=1, doubted=True
    )
    assert (checkpoint.counts(run).unknown, checkpoint.counts(run).doubted) == (0, 2)
    assert checkpoint.settled(run, "hold").tolist() == []
    assert checkpoint.doubts(run) == {0: 1, 1: 1}
    checkpoint.record(run, intents=[1], requests=1, resent=1)
    checkpoint.record(run, rulings=[Ruling([1], State.DELIVERED)])
    assert (checkpoint.counts(run).delivered, checkpoint.counts(run).doubted) == (1, 1)


def test_a_run_is_kept_as_it_was_planned_and_numbered_from_one(checkpoint: Checkpoint) -> None:
    first = plan(
        checkpoint, 7, name="000001-aa", kind="trial", date="2026-11-22", books='{"rows":9}', organisation="Shop"
    )
    second = plan(checkpoint, 8)
    assert (first, second) == (1, 2)
    row = checkpoint.run(1)
    assert (row.name, row.kind, row.date, row.state, row.events, row.books) == (
        "000001-aa",
        "trial",
        "2026-11-22",
        "planned",
        7,
        '{"rows":9}',
    )
    assert (row.organisation, row.requests, row.resent, row.seconds, row.ended, row.exit, row.merged) == (
        "Shop",
        0,
        0,
        0.0,
        None,
        None,
        0,
    )
    assert [run.run for run in checkpoint.runs()] == [1, 2]


def test_a_run_that_ends_has_an_end(checkpoint: Checkpoint) -> None:
    run = plan(checkpoint, 1)
    checkpoint.update_run(run, state="finished", exit=3)
    row = checkpoint.run(run)
    assert (row.state, row.exit) == ("finished", 3)
    assert row.ended is not None
    assert row.ended >= row.created
    assert checkpoint.runs(state="open") == []


def test_an_unknown_run_and_an_unknown_column_are_mistakes_of_ours(checkpoint: Checkpoint) -> None:
    with pytest.raises(KeyError):
        checkpoint.run(99)
    with pytest.raises(TypeError, match="colour"):
        checkpoint.update_run(1, colour="red")  # type: ignore[call-arg]


def test_intents_without_a_verdict_become_unknown_in_every_run(checkpoint: Checkpoint) -> None:
    one, two, three = (plan(checkpoint, 9) for _ in range(3))
    checkpoint.record(one, intents=[0, 1, 2], requests=3)
    checkpoint.record(one, rulings=[Ruling([1], State.DELIVERED, 200)])
    checkpoint.record(two, intents=[5], requests=1)
    rule(checkpoint, three, 0, State.REJECTED)
    assert checkpoint.sweep() == {one: 2, two: 1}
    assert checkpoint.counts(one) == Counts(delivered=1, unknown=2)
    assert checkpoint.doubts(one) == {0: 1, 2: 1}
    assert checkpoint.sweep() == {}


def test_settled_are_events_that_must_not_be_sent_again(checkpoint: Checkpoint) -> None:
    run = plan(checkpoint, 9)
    for seq, state in enumerate((State.DELIVERED, State.REJECTED, State.UNKNOWN, State.RETRY)):
        rule(checkpoint, run, seq, state)
    checkpoint.withdraw(run, [6, 5], "stale")
    assert checkpoint.settled(run, "resend").tolist() == [0, 1, 5, 6]
    assert checkpoint.settled(run, "hold").tolist() == [0, 1, 2, 5, 6]
    assert checkpoint.settled(run, "hold").dtype == np.int64


def test_an_event_that_was_unknown_too_often_stays_so(checkpoint: Checkpoint) -> None:
    run = plan(checkpoint, 1)
    for n in range(1, DOUBTS_AT_MOST + 1):
        assert checkpoint.settled(run, "resend").tolist() == []
        checkpoint.record(run, intents=[0], requests=1, resent=n > 1)
        checkpoint.sweep()
    assert checkpoint.settled(run, "resend").tolist() == [0]
    (event,) = checkpoint.unknowns(run)
    assert (event.sends, event.doubts, event.resent) == (5, 5, 4)


def test_what_never_left_was_no_send(checkpoint: Checkpoint) -> None:
    run = plan(checkpoint, 1)
    rule(checkpoint, run, 0, State.UNKNOWN)
    checkpoint.record(run, intents=[0], requests=1, resent=1)
    checkpoint.record(run, rulings=[Ruling([0], State.UNKNOWN, left=False)], requests=-1, resent=-1)
    (event,) = checkpoint.unknowns(run)
    assert (event.sends, event.doubts, event.resent) == (1, 1, 0)
    assert (checkpoint.run(run).requests, checkpoint.run(run).resent) == (1, 0)


def test_a_withdrawn_event_is_listed_by_its_reason(checkpoint: Checkpoint) -> None:
    run = plan(checkpoint, 9)
    rule(checkpoint, run, 3, State.RETRY)
    checkpoint.withdraw(run, [8, 3], "sent_before")
    checkpoint.withdraw(run, [1], "stale")
    assert checkpoint.withdrawn(run) == {"sent_before": [3, 8], "stale": [1]}
    assert checkpoint.counts(run) == Counts(withdrawn={"sent_before": 2, "stale": 1})


def test_an_unknown_event_is_not_withdrawn_but_held_and_a_delivered_one_stays_delivered(checkpoint: Checkpoint) -> None:
    """It may be there already: the books and the ledger must know."""
    run = plan(checkpoint, 9)
    rule(checkpoint, run, 0, State.UNKNOWN)
    rule(checkpoint, run, 1, State.DELIVERED)
    checkpoint.withdraw(run, [0, 1], "stale")
    assert checkpoint.counts(run) == Counts(delivered=1, unknown=1)
    assert checkpoint.settled(run, "resend").tolist() == [0, 1]
    assert checkpoint.remembered(run).tolist() == [0, 1]


def test_the_ledger_remembers_what_the_api_has_or_may_have(checkpoint: Checkpoint) -> None:
    run = plan(checkpoint, 9)
    for seq, state in enumerate((State.REJECTED, State.DELIVERED, State.RETRY, State.UNKNOWN)):
        rule(checkpoint, run, seq, state)
    checkpoint.withdraw(run, [5], "stale")
    assert checkpoint.remembered(run).tolist() == [1, 3]


def test_dead_letters_carry_status_and_answer(checkpoint: Checkpoint) -> None:
    run = plan(checkpoint, 9)
    rule(checkpoint, run, 4, State.REJECTED, status=400, detail="no such type")
    rule(checkpoint, run, 2, State.REJECTED, status=413)
    assert [(e.seq, e.status, e.detail) for e in checkpoint.dead_letters(run)] == [
        (2, 413, None),
        (4, 400, "no such type"),
    ]


def test_a_step_is_written_whole_or_not_at_all(checkpoint: Checkpoint) -> None:
    run = plan(checkpoint, 9)
    with pytest.raises(sqlite3.IntegrityError):
        checkpoint.record(run, intents=[1, None], requests=2)  # type: ignore[list-item]
    assert checkpoint.counts(run) == Counts()
    assert checkpoint.run(run).requests == 0
    checkpoint.record(run, intents=[1], requests=1)
    assert checkpoint.counts(run) == Counts(sent=1)


def test_it_can_be_looked_at_while_a_run_is_at_work_and_not_changed(path: Path, checkpoint: Checkpoint) -> None:
    run = plan(checkpoint, 9)
    with Checkpoint.open(path, "shop", "esputnik.com", read_only=True) as looker:
        checkpoint.record(run, intents=[0], requests=1)
        assert looker.counts(run) == Counts(sent=1)
        with pytest.raises(StateError):
            looker.sweep()


def test_looking_makes_no_file(path: Path) -> None:
    with pytest.raises(StateError, match="no checkpoint"):
        Checkpoint.open(path, "shop", "x", read_only=True)
    assert not path.exists()


@pytest.mark.parametrize(
    ("job", "destination", "word"), [("other", "esputnik.com", "job"), ("shop", "sandbox", "destination")]
)
def test_one_of_another_job_or_destination_is_refused(
    path: Path, checkpoint: Checkpoint, job: str, destination: str, word: str
) -> None:
    with pytest.raises(StateError, match=f"is of {word}") as caught:
        Checkpoint.open(path, job, destination)
    assert caught.value.exit is Exit.GUARD


def test_one_of_a_newer_version_is_refused(path: Path) -> None:
    Checkpoint.open(path, "shop", "x").close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StateError, match="newer clickreplay"):
        Checkpoint.open(path, "shop", "x")


def test_other_files_are_refused(path: Path) -> None:
    path.write_bytes(b"")
    with pytest.raises(StateError, match="empty"):
        Checkpoint.open(path, "shop", "x")
    path.write_text("not a database, though long enough to look like one" * 99)
    with pytest.raises(StateError, match="damaged"):
        Checkpoint.open(path, "shop", "x")
    path.unlink()
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE t (x)")
    database.close()
    with pytest.raises(StateError, match="not a checkpoint"):
        Checkpoint.open(path, "shop", "x")


@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_a_truncated_one_is_refused(path: Path, part: float) -> None:
    with Checkpoint.open(path, "shop", "x") as checkpoint:
        run = plan(checkpoint, 9999)
        checkpoint.record(run, intents=range(9999), requests=9999)
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * part))
    with pytest.raises(StateError, match="damaged"):
        Checkpoint.open(path, "shop", "x")


def test_a_garbled_page_is_refused(path: Path) -> None:
    with Checkpoint.open(path, "shop", "x") as checkpoint:
        run = plan(checkpoint, 9999)
        checkpoint.record(run, intents=range(9999), requests=9999)
    with path.open("r+b") as file:
        file.seek(8 * 4096)
        file.write(os.urandom(4096))
    with pytest.raises(StateError, match="damaged"):
        Checkpoint.open(path, "shop", "x")


def test_a_full_disk_is_said_in_words_and_loses_nothing(checkpoint: Checkpoint) -> None:
    run = plan(checkpoint, 10**6)
    checkpoint.record(run, intents=[0], requests=1)
    checkpoint._database.execute("PRAGMA max_page_count = 12")
    with pytest.raises(StateError, match="no space left"):
        checkpoint.record(run, intents=range(1, 100_000), requests=1)
    assert checkpoint.counts(run) == Counts(sent=1)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_cannot_be_written_is_said_in_words(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StateError, match="cannot be used"):
        Checkpoint.open(tmp_path / "c.sqlite", "shop", "x")


def test_a_folder_that_is_not_there_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot be used"):
        Checkpoint.open(tmp_path / "none" / "c.sqlite", "shop", "x")


def test_what_was_committed_outlives_a_kill(path: Path) -> None:
    program = """
import os, signal, sys
from pathlib import Path
from etl.delivery.checkpoint import Checkpoint
checkpoint = Checkpoint.open(Path(sys.argv[1]), "shop", "x")
run = checkpoint.add_run(name="n", mapping="m", fingerprint="f", method="event", events=9)
checkpoint.record(run, intents=[1, 2, 3], requests=3)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode == -9
    with Checkpoint.open(path, "shop", "x") as checkpoint:
        assert checkpoint.sweep() == {1: 3}
        assert checkpoint.run(1).requests == 3
