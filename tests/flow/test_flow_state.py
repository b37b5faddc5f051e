"""Where state lies: a folder a destination, and what makes two destinations one (RULES §2)."""

import json
import multiprocessing
from pathlib import Path

import pytest

from etl.errors import AgainError, GuardError, JobError
from etl.flow import state
from etl.job.models import Job
from etl.job.read import read_text

JOB = "job: shop\nsource: {path: a.csv}\ncontact: {email: email}\nevents: [{type: pageViewed, page: {location: url}}]\ndelivery: "


def job(delivery: str, folder: Path = Path("/x")) -> Job:
    return read_text(JOB + delivery, folder / "job.yaml")


def test_the_names_of_the_api_are_one_destination() -> None:
    names = ["https://esputnik.com/api", "https://yespo.io/api", "https://api.yespo.io/api"]
    assert {str(state.destination_of(job(f"{{api: '{name}'}}"))) for name in names} == {"esputnik.com"}


def test_the_sandbox_other_addresses_and_accounts_are_destinations_of_their_own() -> None:
    found = [
        state.destination_of(job(text))
        for text in ("{api: sandbox}", "{api: 'http://127.0.0.1:8009/api'}", "{api: 'https://esputnik.com/api', account: A}",
                     "{api: 'https://esputnik.com/api', account: B}")
    ]  # fmt: skip
    assert len({one.folder for one in found}) == 4


def test_state_lies_beside_the_job_file_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = job("{api: sandbox}", tmp_path)
    assert state.state_folder(found, None) == tmp_path / ".clickreplay" / "shop"
    monkeypatch.setenv("CLICKREPLAY_STATE", "/var/lib/clickreplay")
    assert state.state_folder(found, None) == Path("/var/lib/clickreplay/shop")
    assert state.state_folder(found, tmp_path / "s") == tmp_path / "s"


def create(folder: Path, text: str, organisation: str | None = None) -> state.Place:
    place = state.place_of(job(text), folder)
    place.create()
    place.record()
    place.checkpoint.touch()
    if organisation:
        state.remember_organisation(place, organisation)
    return place


def test_a_pin_that_is_added_or_taken_away_finds_the_same_destination(tmp_path: Path) -> None:
    api = "api: 'https://esputnik.com/api'"
    unpinned = create(tmp_path, f"{{{api}}}", "Shop")
    assert state.place_of(job(f"{{{api}, account: Shop}}"), tmp_path).folder == unpinned.folder
    assert state.place_of(job(f"{{{api}, account: Other}}"), tmp_path).folder != unpinned.folder
    pinned = create(tmp_path / "b", f"{{{api}, account: Shop}}")
    assert state.place_of(job(f"{{{api}}}"), tmp_path / "b").folder == pinned.folder


def test_which_of_several_accounts_is_asked_and_not_guessed(tmp_path: Path) -> None:
    api = "api: 'https://esputnik.com/api'"
    for account in ("A", "B"):
        create(tmp_path, f"{{{api}, account: {account}}}")
    with pytest.raises(JobError, match=r"several accounts: A, B"):
        state.place_of(job(f"{{{api}}}"), tmp_path)


def test_a_folder_keeps_its_job_and_destination(tmp_path: Path) -> None:
    place = create(tmp_path, "{api: sandbox}")
    assert json.loads((place.folder / "destination.json").read_text()) == {
        "job": "shop",
        "address": "sandbox",
        "account": None,
        "file": "job.yaml",
    }
    assert state.places(tmp_path) == [place]


def test_require_state_wants_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(GuardError) as error:
        state.require_ledger(state.place_of(job("{api: sandbox}"), tmp_path))
    assert error.value.guard == "require_state"
    state.require_ledger(create(tmp_path, "{api: sandbox}"))


def _hold(
    place: state.Place, ready: "multiprocessing.synchronize.Event", end: "multiprocessing.synchronize.Event"
) -> None:
    with state.locked(place):
        ready.set()
        end.wait(20)


def test_the_lock_is_the_operating_systems_and_goes_with_its_process(tmp_path: Path) -> None:
    place = create(tmp_path, "{api: sandbox}")
    context = multiprocessing.get_context("spawn")
    ready, end = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(place, ready, end))
    holder.start()
    assert ready.wait(20)
    with pytest.raises(AgainError), state.locked(place):
        pass
    holder.kill()
    holder.join()
    with state.locked(place):
        pass
