"""Retention: `keep` at the end of each run, `purge` by hand, and a person taken out of everything that is kept (RULES §10)."""

import fcntl
import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from called import Shop

from etl.sandbox.process import Child
from etl.sandbox.record import Record
from etl.sandbox.settings import Misbehaviour

Records = Callable[[], Record]
DAY = 86_400.0

ANN, BOB = "ann@example.com", "bob@example.com"
JOB = """\
job: small
source: {path: "*.csv"}
contact: {externalCustomerId: user, email: lower(mail), phone: phone}
time: {column: time}
max_invalid: 90%
events:
  - {type: pageViewed, page: {location: url}}
delivery: {api: API, stale: send, rate: 1000/s}
"""


def _visits(count: int, start: int = 0) -> list[dict[str, str]]:
    """Visits of two people in turn, one of whom the rows name in several ways."""
    return [
        {
            "user": f"cust-{n % 2}",
            "mail": ("Ann@Example.com", BOB)[n % 2],
            "phone": ("+380 50 111 22 33", "")[n % 2],
            "url": f"https://shop.example/{n}",
            "time": f"2026-11-20T10:{n // 60 % 60:02d}:{n % 60:02d}Z",
        }
        for n in range(start, start + count)
    ]


@pytest.fixture
def people(shop: Shop) -> Shop:
    """A shop whose visitors are two people, with a row of each that cannot be sent."""
    shop.job = JOB
    shop.write([*_visits(10), *({**row, "time": "yesterday"} for row in _visits(2))])
    return shop


def _places(shop: Shop) -> list[Path]:
    return [file.parent for file in (shop.folder / ".clickreplay" / "small").glob("*/checkpoint.sqlite")]


def _place(shop: Shop) -> Path:
    (place,) = _places(shop)
    return place


def _aged(shop: Shop, days: float) -> None:
    """Make all runs older."""
    for place in _places(shop):
        with closing(sqlite3.connect(place / "checkpoint.sqlite")) as database, database:
            database.execute("UPDATE runs SET created = created - ?1, ended = ended - ?1", (days * DAY,))


def _files(shop: Shop) -> dict[str, set[str]]:
    """The files of each run's folder, by the run's number."""
    return {
        folder.name[:6]: {file.name for file in folder.iterdir()}
        for place in _places(shop)
        for folder in (place / "runs").iterdir()
    }


def _everything(shop: Shop) -> bytes:
    """All that lies in the state folder, Parquet as text."""
    parts = []
    for file in sorted((shop.folder / ".clickreplay").rglob("*")):
        if file.suffix == ".parquet":
            parts.append(str(pq.read_table(file).to_pylist()).encode())
        elif file.is_file():
            parts.append(file.read_bytes())
    return b"\n".join(parts)


def _state(shop: Shop) -> str:
    """A hash of all that the state folder says."""
    told = sha256()
    for place in _places(shop):
        for file in sorted(place.rglob("*.parquet")):
            told.update(str((file, pq.read_table(file).to_pylist())).encode())
        for database in place.glob("*.sqlite"):
            with closing(sqlite3.connect(database)) as known:
                told.update("\n".join(known.iterdump()).encode())
    return told.hexdigest()


def _mentions(shop: Shop, *texts: str) -> dict[str, int]:
    found = _everything(shop).lower()
    return {text: found.count(text.lower().encode()) for text in texts}


def _balanced(one: dict[str, Any]) -> bool:
    rows = one["rows"] + one["extra"]
    ends = sum(one["filtered"].values()) + one["invalid"] + sum(one["duplicate"].values()) + one["folded"]
    sent = one["delivered"] + one["rejected"] + one["unknown"] + one["pending"]
    return bool(rows == ends + one["events"] and one["events"] == sent)


# keep


def test_contact_data_of_a_run_that_ended_longer_ago_than_keep_goes_at_the_end_of_the_next(people: Shop) -> None:
    people.call("run")
    _aged(people, 31)
    people.write(_visits(12, start=8))
    ended = people.call("run")
    assert ended.exit == 0
    assert "contact data of 1 run from more than 30 days ago was removed" in ended.err
    assert _files(people) == {
        "000001": {"purged.json", "inputs.json", "receipts.parquet"},
        "000002": {"outbox.parquet", "quarantine.parquet", "inputs.json", "receipts.parquet"},
    }


def test_what_is_younger_than_keep_stays(people: Shop) -> None:
    people.call("run")
    _aged(people, 29)
    ended = people.call("run")
    assert "removed" not in ended.err
    assert _files(people) == {"000001": {"outbox.parquet", "quarantine.parquet", "inputs.json", "receipts.parquet"}}
    people.job += "keep: 28d\n"
    assert "contact data of 1 run from more than 28 days ago" in people.call("run").err


def test_counts_and_ids_stay_so_that_nothing_is_sent_again(people: Shop, record: Records) -> None:
    first = people.call("run")
    _aged(people, 31)
    again = people.call("run")
    assert again.exit == first.exit
    told = {"seconds": 0, "finished_before": True, "notes": []}  # what the second call rightly says otherwise
    assert {**again.json, **told} == {**first.json, **told}
    again = people.call("run")
    assert "its contact data was removed on 20" in again.err
    people.write(_visits(11))
    ended = people.call("run")
    assert (ended.json["events"], ended.json["duplicate"]) == (1, {"sent_before": 10})
    assert record().accepted() == len(record().bodies()) == 11


def test_a_plan_after_the_purge_says_the_same_as_one_before_it(people: Shop) -> None:
    people.call("run")
    people.write(_visits(11))
    before = people.call("plan")
    _aged(people, 31)
    assert people.call("purge").exit == 0
    after = people.call("plan")
    assert (after.exit, after.json["events"], after.json["duplicate"]) == (0, 1, before.json["duplicate"])


def test_a_run_that_is_not_finished_is_left_alone_however_old(people: Shop, record: Records) -> None:
    people.call("run", "--limit", "4")
    with closing(sqlite3.connect(_place(people) / "checkpoint.sqlite")) as database, database:
        database.execute("UPDATE runs SET created = created - ?", (400 * DAY,))
    assert people.call("purge", "--older-than", "0s").json["destinations"][0]["runs"] == []
    assert people.call("run").json["delivered"] == 10
    assert record().accepted() == len(record().bodies()) == 10


def test_a_plan_that_nobody_posted_for_so_long_is_closed_and_its_data_goes(people: Shop, record: Records) -> None:
    planned = people.call("plan")
    _aged(people, 31)
    assert people.call("purge").json["destinations"][0]["runs"][0]["events"] == 10
    assert _mentions(people, ANN, BOB) == {ANN: 0, BOB: 0}
    refused = people.call("run", "--plan", planned.json["run"])
    assert (refused.exit, "is abandoned" in refused.json["stopped"]["reason"]) == (2, True)
    assert people.call("run").json["delivered"] == 10
    assert record().accepted() == 10


def test_what_a_rehearsal_left_elsewhere_goes_as_well(people: Shop) -> None:
    real, people.api = people.api, "sandbox"
    people.call("run")
    _aged(people, 31)
    sandbox = _place(people)
    with closing(sqlite3.connect(sandbox / "sandbox.sqlite")) as database, database:
        database.execute("UPDATE accepted SET at = at - ?", (31 * DAY,))
    people.api = real
    assert "contact data of 1 run " in people.call("run").err
    assert {file.name for file in next((sandbox / "runs").iterdir()).iterdir()} == {
        "purged.json",
        "inputs.json",
        "receipts.parquet",
    }
    with closing(sqlite3.connect(sandbox / "sandbox.sqlite")) as database:
        assert list(database.execute("SELECT DISTINCT key, body FROM accepted")) == [("", "{}")]
    assert ANN.encode() not in (sandbox / "sandbox.sqlite").read_bytes()


def test_the_end_of_a_backfill_takes_old_data_away_too(people: Shop) -> None:
    people.job = JOB.replace('"*.csv"', '"{{ date }}.csv"')
    for day in (20, 21):
        people.write([{**row, "time": f"2026-11-{day}T10:00:00Z"} for row in _visits(2)], f"2026-11-{day}.csv")
    people.call("run", "--from", "2026-11-20", "--to", "2026-11-20")
    _aged(people, 31)
    ended = people.call("run", "--from", "2026-11-20", "--to", "2026-11-21")
    assert ended.exit == 0
    assert _files(people)["000001"] == {"purged.json", "inputs.json", "receipts.parquet"}
    _aged(people, 31)
    assert "contact data of 1 run from more" in people.call("run", "--from", "2026-11-20", "--to", "2026-11-21").err


def test_what_the_api_said_of_refused_events_is_forgotten_and_their_status_stays(
    people: Shop, serve: Callable[..., Child]
) -> None:
    rejected = _picky(people, serve)
    assert rejected == 8  # the API takes the same search of a contact once
    assert people.call("purge", "--older-than", "0s").json["destinations"][0]["runs"][0]["answers"] == rejected
    with closing(sqlite3.connect(_place(people) / "checkpoint.sqlite")) as database:
        found = list(database.execute("SELECT status, detail, count(*) FROM events WHERE state = 3 GROUP BY 1, 2"))
    ((status, _, _),) = found
    assert 400 <= status < 500
    assert found == [(status, None, rejected)]
    assert people.call("run").json["rejected"] == rejected


# purge by hand


def test_purge_says_what_it_removed_and_a_dry_run_removes_nothing(people: Shop) -> None:
    people.call("run")
    before = _state(people)
    shown = people.call("purge", "--older-than", "0s", "--dry-run")
    assert _state(people) == before
    done = people.call("purge", "--older-than", "0s")
    assert (shown.json["dry_run"], done.json["dry_run"]) == (True, False)
    assert shown.json["destinations"] == done.json["destinations"]
    (run,) = done.json["destinations"][0]["runs"]
    assert (run["events"], run["refused"], run["state"]) == (10, 2, "finished")
    assert "would be removed: contact data of 1 run;" in shown.err
    assert "removed: contact data of 1 run; counts and ids stay" in done.err
    assert _mentions(people, ANN, BOB, "cust-1") == {ANN: 0, BOB: 0, "cust-1": 0}
    again = people.call("purge", "--older-than", "0s")
    assert (again.exit, again.json["destinations"][0]["runs"]) == (0, [])
    status = people.call("status").json["destinations"][0]["runs"][0]
    assert (status["delivered"], status["purged"][:2]) == (10, "20")


def test_purge_waits_for_no_run_that_is_at_work_and_takes_nothing_then(people: Shop) -> None:
    people.call("run")
    before = _files(people)
    with (_place(people) / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = people.call("purge", "--older-than", "0s")
    assert (ended.exit, _files(people)) == (75, before)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--older-than", "soon"], "expected a duration"),
        (["--older-than", "7d", "--contact", "cust-1"], "exclude each other"),
        (["--contact", " "], "names nobody"),
        (["--state", "/nowhere/at/all", "--contact", "cust-1"], "nothing has been planned"),
    ],
)
def test_mistakes_are_told(options: list[str], words: str, people: Shop) -> None:
    people.call("run")
    ended = people.call("purge", *options)
    assert (ended.exit, words in ended.err) == (2, True), ended.err


def test_a_ledger_file_that_was_lost_is_made_again_before_the_outbox_goes(people: Shop, record: Records) -> None:
    people.call("run")
    (segment,) = _place(people).glob("ledger/*/*.parquet")
    segment.unlink()
    assert people.call("purge", "--older-than", "0s").exit == 0
    assert segment.exists()
    people.write(_visits(11))
    assert people.call("run").json["duplicate"] == {"sent_before": 10}
    assert record().accepted() == 11


def test_a_checkpoint_that_is_lost_is_missed_also_when_all_was_purged(people: Shop) -> None:
    people.call("run")
    people.call("purge", "--older-than", "0s")
    for file in _place(people).glob("checkpoint*"):
        file.unlink()
    assert people.call("run").exit == 5


@pytest.mark.parametrize("at", range(4))
def test_a_purge_that_was_killed_is_finished_by_the_next(at: int, people: Shop) -> None:
    people.call("run")
    _killed(people, at, "--older-than", "0s")
    assert people.call("purge", "--older-than", "0s").exit == 0
    assert _files(people) == {"000001": {"purged.json", "inputs.json", "receipts.parquet"}}
    assert people.call("run").json["delivered"] == 10


def _killed(shop: Shop, at: int, *options: str) -> None:
    script = str(Path(__file__).with_name("killed_at.py"))
    arguments = [sys.executable, script, str(at), *shop.arguments("purge", *options)[3:]]
    killed = subprocess.run(arguments, env=shop.env, capture_output=True, timeout=60, check=False)
    assert killed.returncode in (0, -signal.SIGKILL), killed.stderr


# A person


@pytest.mark.parametrize("known_by", ["cust-0", "ANN@example.com", "380501112233", "hash", "stdin"])
def test_a_person_is_found_by_any_locator_and_taken_out_of_all_that_is_kept(known_by: str, people: Shop) -> None:
    people.call("run")
    people.write(_visits(14))
    people.call("run", "--only", "cust-0,cust-1")
    given = {"hash": sha256(ANN.encode()).hexdigest(), "stdin": "-"}.get(known_by, known_by)
    call = subprocess.run(
        people.arguments("purge", "--contact", given, "--json"),
        env=people.env, input="cust-0\n", capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    first, second = json.loads(call.stdout)["destinations"][0]["runs"]
    assert (first["events"], second["events"], first["withdrawn"]) == (5, 2, 0)
    assert first["refused"] == (0 if known_by == "hash" else 1)
    for text in ("cust-0", ANN, "1112233"):
        assert text not in call.stdout + call.stderr
    for outbox in sorted(_place(people).glob("runs/*/outbox.parquet")):
        rows = pq.read_table(outbox).to_pylist()
        assert Counter(row["key"] for row in rows) == {"": len(rows) // 2, "cust-1": len(rows) // 2}
        assert [row["seq"] for row in rows] == list(range(len(rows)))
        assert not [row for row in rows if (row["key"] == "") != (row["body"] == "{}")]
    left = _mentions(people, ANN, BOB)
    assert (left[ANN], left[BOB]) == (1 if known_by == "hash" else 0, 8)


def test_many_persons_go_at_once(people: Shop) -> None:
    people.call("run")
    ids = [*(f"person-{n}@example.com" for n in range(1500)), ANN, *(f"+380 50 222 {n:04d}" for n in range(500))]
    call = subprocess.run(
        people.arguments("purge", "--contact", "-", "--json"),
        env=people.env, input="\n".join(ids), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert call.returncode == 0, call.stderr
    (run,) = json.loads(call.stdout)["destinations"][0]["runs"]
    assert (run["events"], run["refused"]) == (5, 1)


def test_refused_rows_lose_their_originals_and_keep_place_and_reasons(people: Shop) -> None:
    people.call("run")
    (file,) = _place(people).glob("runs/*/quarantine.parquet")
    before = pq.read_table(file).to_pylist()
    people.call("purge", "--contact", ANN)
    after = pq.read_table(file).to_pylist()
    assert [{**row, "original": None} for row in after] == [{**row, "original": None} for row in before]
    assert [row["original"] is None for row in after] == [True, False]


@pytest.mark.parametrize("number", ["17", "5"])
def test_a_short_number_is_an_id_only_as_a_whole_value(number: str, people: Shop) -> None:
    """A customer 17 is not in a row with a price of 17.50."""
    people.job = JOB.replace("max_invalid", "id: null\nmax_invalid")
    bad = [{**row, "time": "?", "url": f"/{number}", "phone": f"{number}.50"} for row in _visits(3)]
    people.write([{**bad[0], "user": number}, *bad[1:]])
    people.job = people.job.replace("90%", "100%")
    people.call("run")
    ended = people.call("purge", "--contact", number)
    assert sum(run["refused"] for run in ended.json["destinations"][0]["runs"]) == 1


def test_pending_events_of_a_person_are_withdrawn_and_the_books_balance(people: Shop, record: Records) -> None:
    cut = people.call("run", "--limit", "4")
    assert cut.json["pending"] == 6
    shown = people.call("purge", "--contact", ANN, "--dry-run")
    done = people.call("purge", "--contact", ANN)
    assert shown.json["destinations"] == done.json["destinations"]
    (run,) = done.json["destinations"][0]["runs"]
    assert (run["state"], run["events"], run["withdrawn"]) == ("open", 5, 3)
    people.write([{**row, "user": "cust-1", "mail": BOB} for row in _visits(1, start=31)])
    ended = people.call("run")
    one = ended.json["earlier"][0]
    assert (one["events"], one["delivered"], one["filtered"]) == (7, 7, {"purged": 3})
    assert _balanced(one)
    assert ended.exit == 0
    sent = [json.loads(body) for body in record().bodies()]
    assert Counter(body["keyValue"] for body in sent) == {"cust-0": 2, "cust-1": 6}
    status = people.call("status").json["destinations"][0]["runs"][0]
    assert (status["state"], status["withdrawn"], status["events"]) == ("finished", 3, 7)


def test_a_plan_that_was_not_posted_loses_the_person_and_sends_the_rest(people: Shop, record: Records) -> None:
    planned = people.call("plan")
    people.call("purge", "--contact", "cust-0")
    ended = people.call("run", "--plan", planned.json["run"])
    assert (ended.exit, ended.json["delivered"], ended.json["filtered"]) == (0, 5, {"purged": 5})
    assert _balanced(ended.json)
    assert record().accepted() == 5


def test_an_unknown_outcome_stays_unknown_and_is_not_sent_again(
    people: Shop, serve: Callable[..., Child], record: Records
) -> None:
    people.api = serve("resetting", Misbehaviour(seed=3, rate_reset_after=1.0)).url
    people.job = JOB.replace("rate: 1000/s", "rate: 1000/s, on_unknown: resend, concurrency: 1")
    with people.start("run") as call:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not _unknowns(people):
            time.sleep(0.02)
        call.kill()
        call.communicate()
    people.call("purge", "--contact", "cust-0", "--contact", "cust-1")
    ended = people.call("run")
    assert ended.exit == 3
    assert ended.json["unknown"] + ended.json["delivered"] == 10 - ended.json["filtered"]["purged"]
    assert ended.json["unknown"] > 0
    assert _balanced(ended.json)
    assert not [body for body in record("resetting").bodies() if body == "{}"]  # type: ignore[call-arg]


def _unknowns(shop: Shop) -> int:
    try:
        with closing(sqlite3.connect(f"file:{_place(shop) / 'checkpoint.sqlite'}?mode=ro", uri=True)) as database:
            return int(database.execute("SELECT count(*) FROM events WHERE doubts > 0").fetchone()[0])
    except (ValueError, sqlite3.OperationalError):
        return 0


@pytest.mark.parametrize("at", range(3))
def test_a_purge_of_a_person_that_was_killed_is_finished_by_the_next(at: int, people: Shop, record: Records) -> None:
    people.call("run", "--limit", "4")
    _killed(people, at, "--contact", "cust-0")
    done = people.call("purge", "--contact", "cust-0")
    assert done.exit == 0
    assert _mentions(people, ANN)[ANN] == 0
    ended = people.call("run")
    assert _balanced(ended.json)
    assert (ended.json["delivered"], ended.json["filtered"]) == (7, {"purged": 3})
    assert record().accepted() == 7
    assert not list(_place(people).glob("passing-*"))


def test_nobody_of_that_name_is_told_so_and_changes_nothing(people: Shop) -> None:
    people.call("run")
    before = _state(people)
    ended = people.call("purge", "--contact", "nobody@example.com", as_json=False)
    assert (ended.exit, "nothing found" in ended.out, _state(people) == before) == (0, True, True)


def test_a_person_goes_from_what_the_stand_in_accepted(people: Shop) -> None:
    people.api = "sandbox"
    people.call("run")
    ended = people.call("purge", "--contact", ANN)
    assert ended.json["destinations"][0]["sandbox"] == 5
    assert _mentions(people, ANN)[ANN] == 0


# Rejects of what is gone


def _picky(people: Shop, serve: Callable[..., Child]) -> int:
    """Let the API refuse some events of both people; return how many."""
    people.api = serve("picky", check_types=True, repeat_409=3600.0).url
    people.job = JOB.replace("{type: pageViewed, page: {location: url}}", "{type: searchRequest, search: \"'shoes'\"}")
    return int(people.call("run").json["rejected"])


@pytest.mark.parametrize(
    "asked", [[], ["--export", "back.csv"], ["--dead-letters", "--resend"]], ids=["look", "export", "resend"]
)
def test_rejects_of_a_run_whose_data_was_removed_say_so(
    asked: list[str], people: Shop, serve: Callable[..., Child]
) -> None:
    assert _picky(people, serve)
    people.call("purge", "--older-than", "0s")
    ended = people.call("rejects", *(str(people.folder / one) if one.endswith(".csv") else one for one in asked))
    assert (ended.exit, "was removed on 20" in ended.err) == (2, True), ended.err


def test_a_replay_of_a_run_whose_data_was_removed_says_so_and_loses_nothing(people: Shop, record: Records) -> None:
    """Without the run's outbox a mended row would pass for another version of the one that was sent in the same second."""
    good, bad = ({**_visits(1)[0], "url": url} for url in ("https://shop.example/a", ""))
    people.write([good, bad])
    assert people.call("run").json["invalid"] == 1
    exported = people.folder.parent / "back.csv"
    people.call("rejects", "--export", str(exported))
    mended = exported.read_text("utf-8").replace(
        "Ann@Example.com,+380 50 111 22 33,,", "Ann@Example.com,+380 50 111 22 33,/b,"
    )
    exported.write_text(mended, "utf-8")
    people.call("purge", "--older-than", "0s")
    ended = people.call("rejects", "--replay", str(exported))
    assert (ended.exit, "was removed on 20" in ended.err) == (2, True), (ended.json, mended)
    assert record().accepted() == 1


def test_dead_letters_of_a_person_who_was_taken_out_are_not_sent_again(
    people: Shop, serve: Callable[..., Child]
) -> None:
    assert _picky(people, serve) == 8
    people.call("purge", "--contact", "cust-0")
    assert people.call("rejects").json["rejected"] == 8
    resent = people.call("rejects", "--dead-letters", "--resend")
    assert resent.json["events"] == 4  # those of the other
    people.call("purge", "--contact", "cust-1")
    again = people.call("rejects", "--run", "1", "--dead-letters", "--resend")
    assert "nothing to send again" in again.err


def test_a_run_whose_replay_is_unfinished_is_left_alone(people: Shop, serve: Callable[..., Child]) -> None:
    rejected = _picky(people, serve)
    assert people.call("rejects", "--dead-letters", "--resend", "--limit", "3").exit == 75
    _aged(people, 31)
    assert people.call("purge").json["destinations"][0]["runs"] == []
    resent = people.call("rejects", "--run", "1", "--dead-letters", "--resend")
    assert (resent.exit, resent.json["events"], resent.json["pending"]) == (3, rejected, 0), resent.err
    people.call("purge")
    assert _files(people)["000001"] == {"purged.json", "inputs.json", "receipts.parquet"}  # nothing needs it any more


def test_lines_that_a_replay_keeps_of_its_carts_go_with_the_person(people: Shop) -> None:
    people.job = JOB.replace(
        "  - {type: pageViewed, page: {location: url}}",
        "  - type: cartUpdated\n    lines: [user, time]\n    recycleStateId: user\n"
        '    products: {productId: url, quantity: "1", price: price}',
    )
    rows = [{**row, "time": "2026-11-20T10:00:00Z", "price": "1" if n > 1 else "?"} for n, row in enumerate(_visits(6))]
    people.write(rows)
    people.call("run")
    exported = people.folder.parent / "back.csv"
    people.call("rejects", "--export", str(exported))
    exported.write_text(exported.read_text("utf-8").replace("?", "1"), "utf-8")
    assert people.call("rejects", "--replay", str(exported)).json["delivered"] == 2
    kept = list(_place(people).glob("runs/*/lines-*.parquet"))
    assert kept
    assert people.call("purge", "--contact", ANN).exit == 0
    assert (_mentions(people, ANN)[ANN], _mentions(people, BOB)[BOB] > 0) == (0, True)
    assert sum(pq.read_metadata(file).num_rows for file in kept) == 3
    _aged(people, 31)
    people.call("purge")
    assert _mentions(people, BOB)[BOB] == 0


def _rested(shop: Shop, days: float) -> None:
    """Make all runs older, and what last became of their events."""
    _aged(shop, days)
    for place in _places(shop):
        with closing(sqlite3.connect(place / "checkpoint.sqlite")) as database, database:
            database.execute("UPDATE events SET at = at - ?", (days * DAY,))


def test_keep_acts_on_a_night_that_a_guard_stops(people: Shop) -> None:
    people.call("run")
    _aged(people, 31)
    people.write([{"user": "u", "mail": "", "phone": "", "url": "/x", "time": "never"}] * 30, "broken.csv")
    people.job = people.job.replace("90%", "1%")
    ended = people.call("run")
    assert (ended.exit, ended.json["guard"]) == (5, "max_invalid")
    assert _files(people)["000001"] == {"purged.json", "inputs.json", "receipts.parquet"}


def test_keep_acts_on_a_night_whose_input_is_missing(people: Shop) -> None:
    people.call("run")
    _aged(people, 31)
    for file in people.folder.glob("*.csv"):
        file.unlink()
    ended = people.call("run")
    assert ended.exit == 4
    assert "contact data of 1 run" in ended.err
    assert _files(people)["000001"] == {"purged.json", "inputs.json", "receipts.parquet"}


def test_a_run_that_rested_for_longer_than_keep_is_abandoned_with_a_warning_and_what_it_sent_stays_known(
    people: Shop, record: Records
) -> None:
    assert people.call("run", "--limit", "4").exit == 75
    _rested(people, 31)
    people.job = people.job.replace("location: url", "location: lower(url)")  # a changed mapping holds the run
    ended = people.call("run")
    assert ended.exit == 5
    assert "was unfinished and rested for more than 30 days (`keep`): it is abandoned" in ended.err
    (run,) = people.call("status").json["destinations"][0]["runs"]
    assert (run["state"], run["delivered"], run["withdrawn"], run["pending"]) == ("abandoned", 4, 6, 0)
    assert _files(people)["000001"] == {"purged.json", "inputs.json", "receipts.parquet"}
    again = people.call("run")
    assert (again.json["duplicate"], again.json["delivered"]) == ({"sent_before": 4}, 6)
    assert record().accepted() == 10


def test_an_unfinished_run_that_moved_within_keep_is_left_alone(people: Shop) -> None:
    assert people.call("run", "--limit", "4").exit == 75
    _aged(people, 31)
    people.job = people.job.replace("location: url", "location: lower(url)")
    assert "abandoned" not in people.call("run").err
    (run,) = people.call("status").json["destinations"][0]["runs"]
    assert (run["state"], run["pending"]) == ("open", 6)


def test_a_person_goes_from_other_peoples_bodies_too(people: Shop, record: Records) -> None:
    people.write(
        [{**_visits(2)[1], "url": f"https://shop.example/r?friend={mail}"} for mail in ("ann%40example.com", BOB)]
    )
    people.call("run")
    done = people.call("purge", "--contact", ANN)
    (run,) = done.json["destinations"][0]["runs"]
    assert run["events"] == 1
    (file,) = (_place(people) / "runs").glob("000001-*/outbox.parquet")
    bodies = pq.read_table(file)["body"].to_pylist()
    assert not any("ann" in body for body in bodies)
    assert sum(BOB in body for body in bodies) == 1


def test_an_export_of_rejects_does_not_bring_a_purged_person_back(people: Shop) -> None:
    people.call("run")
    people.call("purge", "--contact", ANN, "--contact", "cust-0")
    file = people.folder / "bad.txt"
    told = people.call("rejects", "--export", str(file))
    assert "1 row is left out: a purge has taken their person away" in told.err + str(told.json)
    text = file.read_text()
    assert BOB in text
    assert "ann@" not in text.lower()
