"""What a state folder says when it is not as the last call left it: an older checkpoint, rot, another job, a full disk, no locks."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from called import Shop, pages

from etl.flow import ledger
from etl.sandbox.record import Record

Records = Callable[[], Record]


def place_of(shop: Shop) -> Path:
    (place,) = (shop.folder / ".clickreplay" / "small").iterdir()
    return place


def names(place: Path) -> list[str]:
    """What lies in the runs and in the ledger."""
    return sorted(str(path.relative_to(place)) for sub in ("runs", "ledger") for path in (place / sub).rglob("*"))


def copied(place: Path, to: Path) -> Path:
    """A copy of the checkpoint as it is now, also while a call is at work."""
    with closing(sqlite3.connect(place / "checkpoint.sqlite")) as now, closing(sqlite3.connect(to)) as copy:
        now.backup(copy)
    return to


def put_back(copy: Path, place: Path) -> None:
    for file in place.glob("checkpoint.sqlite*"):
        file.unlink()
    shutil.copy(copy, place / "checkpoint.sqlite")


def refused(shop: Shop, record: Records) -> str:
    """Each call is refused, nothing is sent and nothing is taken away."""
    place, before, sent = place_of(shop), names(place_of(shop)), record().accepted()
    said = ""
    for command in ("run", "plan", "run"):
        ended = shop.call(command)
        assert (ended.exit, ended.json["guard"], record().accepted()) == (5, "state", sent)
        said = ended.err
    assert names(place) == before
    return said


# An older checkpoint, put back alone


def before_the_first(shop: Shop, copy: Callable[[], None]) -> None:
    shop.call("plan")
    copy()
    shop.call("run")


def in_the_middle(shop: Shop, copy: Callable[[], None]) -> None:
    shop.call("run", "--limit", "3")
    copy()
    shop.call("run")


def in_the_middle_and_not_finished(shop: Shop, copy: Callable[[], None]) -> None:
    shop.call("run", "--limit", "3")
    copy()
    shop.call("run", "--limit", "2")


def between_two_runs(shop: Shop, copy: Callable[[], None]) -> None:
    shop.call("run")
    copy()
    shop.write(pages(12))
    shop.call("run")


def after_the_next_plan(shop: Shop, copy: Callable[[], None]) -> None:
    shop.call("run")
    shop.write(pages(12))
    shop.call("plan")
    copy()
    shop.call("run")


MOMENTS = [before_the_first, in_the_middle, in_the_middle_and_not_finished, between_two_runs, after_the_next_plan]


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)
def test_a_checkpoint_of_an_earlier_moment_is_refused_and_nothing_is_taken_away(
    moment: Callable[..., None], shop: Shop, record: Records, tmp_path: Path
) -> None:
    shop.write(pages(8))
    moment(shop, lambda: copied(place_of(shop), tmp_path / "copy") and None)
    newest = copied(place_of(shop), tmp_path / "newest")
    put_back(tmp_path / "copy", place_of(shop))
    said = refused(shop, record)
    assert "older" in said
    assert "put the newest checkpoint.sqlite back" in said
    put_back(newest, place_of(shop))  # what the words say helps
    sent = record().accepted()
    assert shop.call("run").exit == 0
    assert record().accepted() == (12 if (shop.folder / "a.csv").read_text().count("\n") > 9 else 8) >= sent


@pytest.mark.parametrize("moment", [in_the_middle, between_two_runs], ids=lambda moment: moment.__name__)
def test_an_older_checkpoint_with_its_own_serial_is_known_by_what_lies_beside_it(
    moment: Callable[..., None], shop: Shop, record: Records, tmp_path: Path
) -> None:
    def copy() -> None:
        copied(place_of(shop), tmp_path / "copy")
        shutil.copy(place_of(shop) / "checkpoint.serial", tmp_path / "serial")

    shop.write(pages(8))
    moment(shop, copy)
    put_back(tmp_path / "copy", place_of(shop))
    shutil.copy(tmp_path / "serial", place_of(shop) / "checkpoint.serial")
    assert "does not know" in refused(shop, record)


def test_a_checkpoint_without_its_serial_is_refused(shop: Shop, record: Records) -> None:
    shop.write(pages(3))
    shop.call("run")
    (place_of(shop) / "checkpoint.serial").unlink()
    assert "checkpoint.serial is gone" in refused(shop, record)


def test_a_whole_folder_of_an_earlier_moment_is_taken_as_it_is(shop: Shop, record: Records, tmp_path: Path) -> None:
    """Nothing tells it from a folder that is the last one; what went out since goes out again, and the documentation says so."""
    shop.write(pages(3))
    shop.call("run")
    shutil.copytree(shop.folder / ".clickreplay", tmp_path / "backup")
    shop.write(pages(5))
    shop.call("run")
    shutil.rmtree(shop.folder / ".clickreplay")
    shutil.copytree(tmp_path / "backup", shop.folder / ".clickreplay")
    assert (shop.call("run").exit, record().accepted()) == (0, 7)


def test_status_shows_an_older_checkpoint(shop: Shop, record: Records, tmp_path: Path) -> None:
    shop.write(pages(4))
    between_two_runs(shop, lambda: copied(place_of(shop), tmp_path / "copy") and None)
    put_back(tmp_path / "copy", place_of(shop))
    assert shop.call("status").exit == 0


def test_a_kill_at_any_step_recovers_by_itself(shop: Shop, record: Records) -> None:
    """Plan, post, merge into the ledger: killed before each change of a name on the disk, the next call goes on without a word."""
    killed_at = str(Path(__file__).with_name("killed_at.py"))
    sent = 0
    for step in range(0, 60, 3):
        shop.write(pages(2, start=sent))
        arguments = shop.arguments("run", "--json")[3:]
        ended = subprocess.run(
            [sys.executable, killed_at, str(step), *arguments], env=shop.env, capture_output=True, check=False
        )
        again = shop.call("run")
        assert (again.exit, again.json.get("guard")) == (0, None), (step, again.err)
        sent += 2
        assert record().accepted() >= sent
        if ended.returncode == 0:
            break
    else:
        pytest.fail("the call was never let through")
    assert (
        record().accepted() <= sent + step
    )  # a kill in flight leaves at most its own events unknown, and they go again


# Rot in the ledger


def segment_of(shop: Shop) -> Path:
    (found,) = (place_of(shop) / "ledger").glob("*/*.parquet")
    return found


def flip(file: Path, at: int) -> None:
    blob = bytearray(file.read_bytes())
    blob[at] ^= 0xFF
    file.write_bytes(blob)


@pytest.mark.parametrize("part", [0.02, 0.2, 0.5, 0.9])
def test_a_flipped_byte_in_the_ledger_is_found_and_the_file_made_again(
    part: float, shop: Shop, record: Records
) -> None:
    shop.write(pages(200))
    shop.call("run")
    segment = segment_of(shop)
    whole = segment.read_bytes()
    flip(segment, int(len(whole) * part))
    shop.write(pages(201))
    assert shop.call("run").json["duplicate"] == {"sent_before": 200}
    assert (segment.read_bytes(), record().accepted()) == (whole, 201)


def test_rot_that_nothing_can_mend_stops_every_run(shop: Shop, record: Records) -> None:
    shop.write(pages(20))
    name = shop.call("run").json["run"]
    flip(segment_of(shop), 300)
    shutil.rmtree(place_of(shop) / "runs" / name)
    shop.write(pages(21))
    for _ in range(2):
        ended = shop.call("run")
        assert (ended.exit, ended.json["guard"], record().accepted()) == (5, "state", 20)
        assert "put that file back from a backup" in ended.err


def test_a_damaged_outbox_mends_no_ledger(shop: Shop, record: Records) -> None:
    shop.write(pages(200))
    name = shop.call("run").json["run"]
    flip(segment_of(shop), 300)
    (place_of(shop) / "runs" / name / "receipts.parquet").unlink()
    outbox = place_of(shop) / "runs" / name / "outbox.parquet"
    outbox.write_bytes(outbox.read_bytes()[:500])
    shop.write(pages(201))
    ended = shop.call("run")
    assert (ended.exit, ended.json["guard"], record().accepted()) == (5, "state", 200)


def test_a_file_of_the_ledger_is_read_once_in_a_call(
    shop: Shop, record: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.write(pages(5))
    shop.call("run")
    read: list[Path] = []
    real = ledger._digest
    monkeypatch.setattr(ledger, "_digest", lambda path: read.append(path) or real(path))
    shop.write(pages(6))
    shop.call("run")
    assert [path for path in read if path == segment_of_first(shop)] == [segment_of_first(shop)]


def segment_of_first(shop: Shop) -> Path:
    return min((place_of(shop) / "ledger").glob("*/*.parquet"))


def test_the_ledger_is_made_again_from_the_receipts_where_the_outbox_was_purged(shop: Shop, record: Records) -> None:
    shop.write(pages(200))
    shop.call("run")
    segment = segment_of(shop)
    whole = segment.read_bytes()
    assert shop.call("purge", "--older-than", "0d").exit == 0
    assert not list((place_of(shop) / "runs").glob("*/outbox.parquet"))
    flip(segment, 300)
    shop.write(pages(201))
    assert shop.call("run").json["duplicate"] == {"sent_before": 200}
    assert (segment.read_bytes(), record().accepted()) == (whole, 201)


# Another job


def test_a_state_of_another_job_is_refused(shop: Shop, record: Records, tmp_path: Path) -> None:
    shop.write(pages(5))
    state = str(tmp_path / "state")
    shop.call("run", "--state", state)
    shop.job = shop.job.replace("job: small", "job: other")
    for command in ("run", "plan"):
        ended = shop.call(command, "--state", state)
        assert (ended.exit, ended.json["guard"], record().accepted()) == (5, "state", 5)
        assert "is of job 'small', not 'other'" in ended.err
    assert shop.call("purge", "--older-than", "0d", "--state", state).exit == 5


def test_a_job_under_a_new_name_does_not_send_everything_again(shop: Shop, record: Records) -> None:
    shop.write(pages(5))
    shop.call("run")
    shop.job = shop.job.replace("job: small", "job: renamed")
    ended = shop.call("run")
    assert (ended.exit, ended.json["guard"], record().accepted()) == (5, "state", 5)
    assert "--state" in ended.err
    assert not (shop.folder / ".clickreplay" / "renamed").exists()
    shop.job = shop.job.replace("job: renamed", "job: small")
    assert (shop.call("run").exit, record().accepted()) == (0, 5)


def test_two_job_files_beside_each_other_have_a_state_each(shop: Shop, record: Records) -> None:
    shop.write(pages(5))
    shop.call("run")
    (shop.folder / "job.yaml").rename(shop.folder / "first.yaml")
    shop.job = shop.job.replace("job: small", "job: second").replace('"*.csv"', "b.csv")
    for place in (shop.folder / ".clickreplay").glob("*/*/destination.json"):
        place.write_text(place.read_text().replace("job.yaml", "first.yaml"))
    shop.write(pages(3, user="other"), "b.csv")
    assert (shop.call("run").exit, record().accepted()) == (0, 8)


# A place that cannot be used


@pytest.mark.parametrize(
    "errno", [37, 95, 9], ids=["no locks available", "operation not supported", "bad file descriptor"]
)
def test_a_file_system_without_locks_is_said_in_words(
    errno: int, shop: Shop, record: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno, os.strerror(errno))

    shop.write(pages(3))
    shop.call("run", "--limit", "1")
    monkeypatch.setattr("fcntl.flock", flock)
    for command in (["run"], ["plan"], ["purge", "--older-than", "0d"]):
        ended = shop.call(*command)
        assert (ended.exit, record().accepted()) == (5, 1)
        assert f"gives no locks: {os.strerror(errno)}" in ended.err
        assert "Move the whole state folder" in ended.err  # a new one would send again
    assert "at work" not in shop.call("status", as_json=False).out


def test_a_volume_that_refuses_chmod_can_hold_the_state(
    shop: Shop, record: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    shop.write(pages(3))
    monkeypatch.setattr(Path, "chmod", refused)
    assert (shop.call("run").exit, record().accepted()) == (0, 3)


@pytest.mark.parametrize("name", ["", "runs", "ledger", "planning", "organisation"])
def test_a_file_where_a_folder_should_be_and_the_other_way_round(name: str, shop: Shop, record: Records) -> None:
    shop.write(pages(3))
    shop.call("run", "--limit", "1")
    there = shop.folder / ".clickreplay" / "small" if not name else place_of(shop) / name
    kept = there.with_name("kept")
    existed = there.exists()
    if existed:
        there.rename(kept)
    if name == "organisation":
        there.mkdir()
    else:
        there.write_text("x")
    shop.write(pages(4))
    ended = shop.call("run", "--abandon") if name == "planning" else shop.call("run")
    assert (ended.exit, ended.json["guard"], record().accepted()) == (5, "state", 1)


@pytest.mark.parametrize("name", ["lock", "checkpoint.sqlite", "checkpoint.serial", "destination.json"])
def test_a_folder_where_a_file_should_be(name: str, shop: Shop, record: Records) -> None:
    shop.write(pages(3))
    shop.call("run", "--limit", "1")
    (place_of(shop) / name).rename(place_of(shop) / "kept")
    (place_of(shop) / name).mkdir()
    ended = shop.call("run")
    assert (ended.exit, ended.json["guard"], record().accepted()) == (5, "state", 1)


# What is said when the disk fails


def test_books_of_a_full_disk_say_what_left(shop: Shop, record: Records) -> None:
    """The state is on a small disk that fills up while events are posted: what left has no verdict, and is unknown in the JSON."""
    shop.write(pages(3000))
    state = shop.folder / ".clickreplay"
    state.mkdir()
    script = 'mount -t tmpfs -o size=3m none "$1" || exit 99; shift; exec "$@"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", str(state), *shop.arguments("run", "--json")]
    try:
        ended = subprocess.run(command, env=shop.env, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if ended.returncode in (1, 99) and "Traceback" not in ended.stderr:
        pytest.skip(f"no mounts here: {ended.stderr}")
    said = json.loads(ended.stdout)
    assert (ended.returncode, said["guard"]) == (5, "state"), ended.stderr
    assert said["events"] == 3000 == said["delivered"] + said["rejected"] + said["unknown"] + said["pending"]
    accepted = record().accepted()
    assert 0 < said["delivered"] <= accepted <= said["delivered"] + said["unknown"]
    assert "--state" not in ended.stderr


def test_a_damaged_outbox_is_said_with_the_books(shop: Shop, record: Records) -> None:
    shop.write(pages(9))
    shop.call("run", "--limit", "4")
    (outbox,) = (place_of(shop) / "runs").glob("*/outbox.parquet")
    outbox.write_bytes(outbox.read_bytes()[:300])
    ended = shop.call("run")
    assert (ended.exit, ended.json["guard"], record().accepted()) == (5, "state", 4)
    assert (ended.json["delivered"], ended.json["pending"]) == (4, 5)
    assert "--state" not in ended.err
    assert "nothing was sent" not in ended.err


def test_another_place_is_advised_only_where_nothing_is_known(shop: Shop, record: Records, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    shop.write(pages(3))
    assert "--state" in shop.call("run", "--state", str(tmp_path / "file" / "state")).err
    shop.call("run")
    ledger_folder = place_of(shop) / "ledger"
    shutil.rmtree(ledger_folder)
    ledger_folder.write_text("x")
    said = shop.call("run").err
    assert "--state" not in said
    assert "what was sent stays known" in said
