"""`run` by hand: what is sent, what is not sent again, what stops it, and with which exit code (RULES §2, §8)."""

import gzip
import json
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from called import JOB, Shop, pages
from planned import csv_text

from etl.sandbox.process import Child
from etl.sandbox.record import Record
from etl.sandbox.settings import Misbehaviour

Records = Callable[[], Record]


def test_every_event_is_delivered_and_the_json_has_the_contracts_keys(shop: Shop, record: Records) -> None:
    shop.write([*pages(23), *pages(2)])
    ended = shop.call("run")
    assert ended.exit == 0
    assert list(ended.json) == [
        "job", "run", "date", "method", "destination", "rows", "extra", "filtered", "invalid", "invalid_reasons", "duplicate",
        "folded", "events", "by_type", "delivered", "rejected", "unknown", "pending", "resent", "requests", "seconds", "guard",
        "stopped", "exit", "finished_before", "notes", "unfinished",
    ]  # fmt: skip
    assert (ended.json["rows"], ended.json["duplicate"], ended.json["events"]) == (25, {"exact": 2}, 23)
    assert (ended.json["delivered"], ended.json["pending"], ended.json["requests"]) == (23, 0, 23)
    assert record().accepted() == 23
    assert len(record().bodies()) == 23


def test_a_finished_run_sends_nothing_again_and_exits_with_its_code(shop: Shop, record: Records) -> None:
    shop.write(pages(7))
    first, again = shop.call("run"), shop.call("run")
    assert (again.exit, again.json["run"], again.json["delivered"]) == (0, first.json["run"], 7)
    assert record().accepted() == 7


def test_late_rows_send_just_those(shop: Shop, record: Records) -> None:
    shop.write(pages(7))
    shop.call("run")
    shop.write(pages(10))
    ended = shop.call("run")
    assert (ended.json["events"], ended.json["duplicate"]) == (3, {"sent_before": 7})
    assert record().accepted() == 10


@pytest.mark.parametrize("change", ["renamed", "compressed", "touched"])
def test_the_same_input_under_another_name_sends_nothing_twice(change: str, shop: Shop, record: Records) -> None:
    shop.write(pages(7))
    shop.call("run")
    file = shop.folder / "a.csv"
    if change == "renamed":
        file.rename(shop.folder / "b.csv")
    elif change == "compressed":
        (shop.folder / "c.csv.gz").write_bytes(gzip.compress(file.read_bytes()))
        shop.job = shop.job.replace("*.csv", "*.csv.gz")
    else:
        file.write_text(file.read_text())
    ended = shop.call("run")
    assert (ended.exit, ended.json["events"], ended.json["duplicate"]) == (0, 0, {"sent_before": 7})
    assert record().accepted() == 7


def test_a_rehearsal_in_the_sandbox_does_not_make_production_think_that_it_has_sent(
    shop: Shop, record: Records
) -> None:
    shop.write(pages(7))
    real, shop.api = shop.api, "sandbox"
    assert shop.call("run").json["delivered"] == 7
    assert record().accepted() == 0
    shop.api = real
    assert shop.call("run").json["delivered"] == 7
    assert record().accepted() == 7


def test_limit_sends_so_many_more_and_the_same_command_goes_on(shop: Shop, record: Records) -> None:
    shop.write(pages(10))
    ended = shop.call("run", "--limit", "4")
    assert (ended.exit, ended.json["delivered"], ended.json["pending"]) == (75, 4, 6)
    ended = shop.call("run")
    assert (ended.exit, ended.json["delivered"], ended.json["requests"]) == (0, 10, 10)
    assert record().accepted() == 10


def test_a_run_that_was_cut_goes_on_from_its_outbox_then_sends_what_the_input_holds_more(
    shop: Shop, record: Records
) -> None:
    shop.write(pages(10))
    cut = shop.call("run", "--limit", "4")
    shop.write(pages(12))
    ended = shop.call("run")
    assert [one["run"] for one in ended.json["earlier"]] == [cut.json["run"]]
    assert (ended.json["earlier"][0]["delivered"], ended.json["delivered"], ended.exit) == (10, 2, 0)
    assert record().accepted() == 12


def test_input_that_is_gone_does_not_stop_a_run_from_going_on(shop: Shop, record: Records) -> None:
    shop.write(pages(10))
    shop.call("run", "--limit", "4")
    (shop.folder / "a.csv").unlink()
    ended = shop.call("run")
    assert (ended.exit, ended.json["delivered"]) == (0, 10)
    assert shop.call("run").exit == 4


def test_input_that_is_broken_by_then_is_told_after_the_run_has_gone_on(shop: Shop, record: Records) -> None:
    """The run that was cut ends well; that the next night's export is an empty file is no green night."""
    shop.write(pages(10))
    shop.call("run", "--limit", "4")
    (shop.folder / "a.csv").write_bytes(b"")
    ended = shop.call("run")
    assert (ended.exit, ended.json["delivered"], ended.json["pending"]) == (4, 10, 0)
    assert "empty, without even a header" in ended.json["stopped"]["reason"]
    assert record().accepted() == 10


def test_a_trial_sends_its_part_and_the_main_run_the_rest(shop: Shop, record: Records) -> None:
    shop.write(pages(10))
    trial = shop.call("run", "--only", "u1,u2")
    assert (trial.json["filtered"], trial.json["delivered"]) == ({"only": 6}, 4)
    ended = shop.call("run")
    assert (ended.json["duplicate"], ended.json["delivered"]) == ({"sent_before": 4}, 6)
    assert len(record().bodies()) == record().accepted() == 10


def test_what_another_run_sent_meanwhile_is_withdrawn_and_the_books_balance(shop: Shop, record: Records) -> None:
    shop.write(pages(10))
    shop.call("run", "--limit", "1")
    shop.call("run", "--only", "u3")
    ended = shop.call("run")
    one = ended.json
    assert (one["duplicate"], one["events"], one["by_type"]) == ({"sent_before": 2}, 8, {"pageViewed": 8})
    assert one["rows"] == one["events"] + 2
    assert record().accepted() == 10


def test_what_was_planned_is_what_is_sent(shop: Shop, record: Records) -> None:
    shop.write(pages(5))
    planned = shop.call("plan")
    assert (planned.exit, planned.json["pending"], planned.json["events"]) == (0, 5, 5)
    assert shop.call("run").json["run"] == planned.json["run"]
    shop.write(pages(6))
    newer = shop.call("plan")
    assert shop.call("run", "--plan", newer.json["run"]).json["delivered"] == 1
    for name in (newer.json["run"], "000009-nothing"):
        refused = shop.call("run", "--plan", name)
        assert refused.exit == 2


def test_an_unfinished_run_whose_mapping_changed_stops_until_it_is_finished_or_abandoned(
    shop: Shop, record: Records
) -> None:
    shop.write(pages(10))
    shop.call("run", "--limit", "4")
    shop.job = shop.job.replace("page: {location: url}", "page: {location: lower(url)}")
    stopped = shop.call("run")
    assert (stopped.exit, stopped.json["guard"], record().accepted()) == (5, "mapping", 4)
    ended = shop.call("run", "--abandon")
    assert (ended.exit, ended.json["delivered"], ended.json["duplicate"]) == (0, 6, {"sent_before": 4})
    assert record().accepted() == 10


def test_finish_posts_the_old_outbox_although_the_mapping_changed(shop: Shop, record: Records) -> None:
    shop.write(pages(10))
    shop.call("run", "--limit", "4")
    shop.job = shop.job.replace("page: {location: url}", "page: {location: \"url || '?'\"}")
    ended = shop.call("run", "--finish")
    assert ended.json["earlier"][0]["delivered"] == 10
    assert (ended.exit, ended.json["guard"]) == (5, "changed")  # the new mapping would send all ten again
    assert record().accepted() == 10


def test_changed_events_stop_the_run_or_go_or_stay_as_the_job_says(shop: Shop, record: Records) -> None:
    shop.write(pages(4))
    shop.call("run")
    mended = shop.job.replace("page: {location: url}", "page: {location: \"'https://x' || url\"}")
    for changed, exit_code, duplicate, accepted in (
        ("stop", 5, {}, 4),
        ("drop", 0, {"changed": 4}, 4),
        ("send", 0, {}, 8),
    ):
        shop.job = mended + f"changed: {changed}\n"
        ended = shop.call("run")
        assert (ended.exit, ended.json["duplicate"], record().accepted()) == (exit_code, duplicate, accepted)


def test_refreshed_content_under_the_same_mapping_is_a_duplicate_changed(shop: Shop, record: Records) -> None:
    shop.write(pages(4))
    shop.call("run")
    shop.write([{**row, "url": row["url"] + "?new"} for row in pages(4)])
    ended = shop.call("run")
    assert (ended.exit, ended.json["duplicate"], record().accepted()) == (0, {"changed": 4}, 4)


def test_a_cart_older_than_the_last_one_sent_is_superseded(shop: Shop, record: Records) -> None:
    shop.job = JOB.replace(
        "  - {type: pageViewed, page: {location: url}}",
        "  - {type: cartUpdated, products: {productId: url, quantity: '1', price: '1'}, recycleStateId: user}",
    )
    shop.write(pages(1, start=30))
    shop.call("run")
    shop.write([{**row, "user": "u0"} for row in pages(40, start=0)], "b.csv")
    ended = shop.call("run")
    assert ended.json["duplicate"] == {"exact": 1, "superseded": 30, "sent_before": 1}
    assert ended.json["delivered"] == 9


@pytest.mark.parametrize(
    ("job", "guard"),
    [
        ("expect: {rows: 100}\n", "expect"),
        ("expect: {events: 100}\n", "expect"),
        ("max_invalid: 1%\n", "max_invalid"),
    ],
)
def test_a_guard_stops_plan_and_run_with_5_before_the_first_request(
    job: str, guard: str, shop: Shop, record: Records
) -> None:
    shop.write([*pages(5), {"user": "", "url": "/", "time": "2026-11-20T10:00:00Z"}])
    shop.job += job
    for command in ("plan", "run", "run"):
        ended = shop.call(command)
        assert (ended.exit, ended.json["guard"], ended.json["stopped"]["reason"] is not None) == (5, guard, True)
    assert record().requests() == []
    shop.job = shop.job.replace(job, "max_invalid: 50%\n")
    assert shop.call("run").exit == 0


def test_old_events_are_not_sent_live_by_accident(shop: Shop, record: Records) -> None:
    shop.write([{**row, "time": row["time"].replace("2026", "2020")} for row in pages(3)])
    shop.job = shop.job.replace("stale: send, ", "")
    ended = shop.call("run")
    assert (ended.exit, ended.json["guard"]) == (5, "stale")
    assert "past_events" in ended.json["stopped"]["hint"]
    shop.job = shop.job.replace("rate:", "stale: drop, rate:")
    ended = shop.call("run")
    assert (ended.exit, ended.json["filtered"]) == (0, {"stale": 3})
    assert record().requests() == []


def test_no_key_or_a_refused_one_is_77_and_the_events_stay_pending(shop: Shop, serve: Callable[..., Child]) -> None:
    shop.write(pages(3))
    shop.key = None
    ended = shop.call("run")
    assert (ended.exit, ended.json["pending"], ended.json["rejected"]) == (77, 3, 0)
    assert "ESPUTNIK_API_KEY" in ended.json["stopped"]["reason"]
    shop.api, shop.key = serve("strict", keys=("right",)).url, "wrong-key"
    ended = shop.call("run")
    assert (ended.exit, ended.json["pending"]) == (77, 3)
    assert "wrong-key" not in ended.out + ended.err
    (shop.folder / "key").write_text("right\n")
    shop.key, shop.environment = None, {"ESPUTNIK_API_KEY_FILE": str(shop.folder / "key")}
    assert shop.call("run").exit == 0


def test_another_organisation_than_before_or_than_pinned_is_77(
    shop: Shop, serve: Callable[..., Child], record: Records
) -> None:
    shop.write(pages(3))
    shop.job = shop.job.replace("rate:", "account: Some Other Shop, rate:")
    ended = shop.call("run")
    assert (ended.exit, record().accepted()) == (77, 0)
    assert "Some Other Shop" in ended.json["stopped"]["reason"]
    shop.job = shop.job.replace("Some Other Shop", "Sandbox")
    assert shop.call("run").json["delivered"] == 3


def test_a_pin_added_later_does_not_send_everything_again(shop: Shop, record: Records) -> None:
    shop.write(pages(3))
    shop.call("run")
    shop.job = shop.job.replace("rate:", "account: Sandbox, rate:")
    ended = shop.call("run")
    assert (ended.exit, record().accepted()) == (0, 3)


@pytest.mark.parametrize("path", ["nothing-*.csv", "nothing.csv"])
def test_missing_input_is_4(path: str, shop: Shop) -> None:
    shop.job = shop.job.replace("*.csv", path)
    ended = shop.call("run")
    assert ended.exit == 4
    assert "Traceback" not in ended.err


def test_an_empty_export_is_a_green_night(shop: Shop) -> None:
    (shop.folder / "a.csv").write_text("user,url,time\n")
    ended = shop.call("run")
    assert (ended.exit, ended.json["rows"], ended.json["events"]) == (0, 0, 0)


def test_rejected_events_are_3_and_the_same_command_says_3_again(shop: Shop, serve: Callable[..., Child]) -> None:
    shop.job = shop.job.replace("{type: pageViewed, page: {location: url}}", "{type: searchRequest, search: url}")
    shop.api = serve("picky", check_types=True, repeat_409=3600.0).url
    shop.write([{**row, "url": "same", "user": "u"} for row in pages(3)])
    shop.job += "max_invalid: 50%\n"
    ended = shop.call("run")
    assert (ended.exit, ended.json["delivered"], ended.json["rejected"]) == (3, 1, 2)
    assert shop.call("run").exit == 3


def test_an_interrupt_drains_and_exits_75_and_the_same_command_goes_on(shop: Shop, record: Records) -> None:
    shop.write(pages(200))
    shop.job = shop.job.replace("rate: 1000/s", "rate: 50/s")
    running = shop.start("run")
    _until(lambda: record().accepted() > 5)
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=20)
    assert running.returncode == 75
    shop.job = shop.job.replace("rate: 50/s", "rate: 1000/s")
    ended = shop.call("run")
    assert (ended.exit, ended.json["delivered"], ended.json["resent"]) == (0, 200, 0)
    assert record().accepted() == 200


def test_a_second_run_while_one_is_at_work_is_refused_and_status_works(shop: Shop, record: Records) -> None:
    shop.write(pages(400))
    shop.job = shop.job.replace("rate: 1000/s", "rate: 20/s")
    running = shop.start("run")
    _until(lambda: record().accepted() > 2)
    assert shop.call("run").exit == 75
    assert shop.call("plan").exit == 75
    standing = shop.call("status").json["destinations"][0]
    assert standing["at_work"] is True
    assert standing["runs"][0]["state"] == "open"
    assert shop.call("status", as_json=False).out.count("pending") == 1
    running.kill()
    running.communicate(timeout=20)
    ended = shop.call("run", "--set", "delivery.rate=1000/s")
    assert (ended.exit, ended.json["delivered"]) == (0, 400)
    assert record().accepted() - 400 <= ended.json["resent"] <= 16
    assert shop.call("status").json["destinations"][0]["at_work"] is False


def test_a_kill_between_any_two_steps_loses_nothing(shop: Shop, record: Records) -> None:
    shop.write(pages(150))
    shop.job = shop.job.replace("rate: 1000/s", "rate: 300/s")
    expected = 150
    for moment in (0.3, 0.9, 1.2, 1.35, 1.5):
        running = shop.start("run")
        time.sleep(moment)
        running.kill()
        running.communicate()
    ended = shop.call("run")
    extra = record().accepted() - expected
    assert len(record().bodies()) == ended.json["delivered"] == expected
    assert extra <= ended.json["resent"]


def test_faults_of_the_server_are_ridden_out(
    shop: Shop, serve: Callable[..., Child], record: Callable[[str], Record]
) -> None:
    faults = Misbehaviour(
        seed=7, rate_429=0.05, rate_503=0.05, rate_500_after=0.03, rate_reset_after=0.03, rate_reset_before=0.03
    )
    shop.api = serve("bad", faults).url
    shop.write(pages(200))
    ended = shop.call("run")
    found = record("bad")
    assert ended.exit == 0
    assert (ended.json["delivered"], len(found.bodies())) == (200, 200)
    assert found.accepted() - 200 <= ended.json["resent"]
    for events in found.order_by_key().values():
        first_seen = list(dict.fromkeys(event.body for event in events))
        assert first_seen == sorted(first_seen, key=lambda body: int(body.split("/")[1].split("\\")[0]))


def test_hold_leaves_unknown_events_alone(
    shop: Shop, serve: Callable[..., Child], record: Callable[[str], Record]
) -> None:
    shop.api = serve("bad", Misbehaviour(seed=3, rate_reset_after=0.2)).url
    shop.job = shop.job.replace("rate:", "on_unknown: hold, rate:")
    shop.write(pages(60))
    ended = shop.call("run")
    assert ended.exit == 3
    assert ended.json["unknown"] > 0
    assert ended.json["delivered"] + ended.json["unknown"] == 60 == record("bad").accepted()
    again = shop.call("run")
    assert (again.exit, record("bad").accepted()) == (3, 60)


def test_state_is_beside_the_job_file_whatever_the_working_directory_and_its_owners_alone(shop: Shop) -> None:
    shop.write(pages(2))
    shop.call("run")
    state = shop.folder / ".clickreplay" / "small"
    files = [path for path in state.rglob("*") if path.is_file() and path.suffix in (".sqlite", ".parquet")]
    assert files
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_require_state_wants_a_ledger_and_new_state_starts_one(shop: Shop) -> None:
    shop.write(pages(2))
    ended = shop.call("run", "--require-state")
    assert ended.exit == 5
    assert shop.call("run", "--require-state", "--new-state").exit == 0
    assert shop.call("run", "--require-state").exit == 0


def test_an_error_before_there_is_a_plan_is_an_object_on_stdout_too(shop: Shop) -> None:
    ended = shop.call("run", "--set", "delivery.rate=fast")
    assert (ended.exit, ended.json["exit"], "delivery.rate" in ended.json["stopped"]["reason"]) == (2, 2, True)


def test_dates_fill_the_path_and_each_has_its_own_run(shop: Shop, record: Records) -> None:
    shop.job = shop.job.replace('"*.csv"', '"day-{{ date }}.csv"')
    shop.write(pages(3), "day-2026-11-20.csv")
    assert shop.call("run").exit == 2
    ended = shop.call("run", "--date", "2026-11-20")
    assert (ended.exit, ended.json["date"], ended.json["delivered"]) == (0, "2026-11-20", 3)
    assert shop.call("run", "--date", "2026-11-21").exit == 4


def test_people_read_both_equations_and_json_stands_alone_on_stdout(shop: Shop) -> None:
    shop.write(pages(3))
    ended = shop.call("run", as_json=False)
    assert "3 rows + 0 extra = 0 filtered + 0 invalid + 0 duplicate + 0 folded + 3 events" in ended.out
    assert "3 events = 3 delivered + 0 rejected + 0 unknown + 0 pending" in ended.out
    again = shop.call("run")
    assert again.out.count("\n") == 1
    assert "3 events = " in again.err


def test_a_secret_or_a_shoppers_data_never_reaches_the_terminal(shop: Shop) -> None:
    shop.key = "very-secret-key"
    shop.write([{"user": "anna@example.com", "url": "/", "time": "bad"}, *pages(2)])
    shop.job += "max_invalid: 50%\n"
    for command in ("plan", "run", "status"):
        ended = shop.call(command)
        assert "very-secret-key" not in ended.out + ended.err
        assert "anna@" not in ended.out + ended.err


def _until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():
                return
        except Exception:
            pass
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def test_two_files_of_one_job_straddle_a_cart(shop: Shop, tmp_path: Path) -> None:
    """A cart whose lines come on two nights is sent as far as it is known, each time whole."""
    shop.job = JOB.replace(
        "  - {type: pageViewed, page: {location: url}}",
        "  - {type: cartUpdated, lines: [user], products: {productId: url, quantity: '1', price: '1'}, recycleStateId: user}",
    )
    (shop.folder / "a.csv").write_text(csv_text(pages(3, user="one")[:1]))
    assert shop.call("run").json["events"] == 1
    (shop.folder / "b.csv").write_text(csv_text([{**row, "user": "one0"} for row in pages(2, start=5)]))
    ended = shop.call("run")
    assert (ended.json["events"], ended.json["folded"]) == (1, 2)


def test_a_signal_while_planning_ends_it_and_nothing_was_sent(shop: Shop, record: Records) -> None:
    with (shop.folder / "a.csv").open("w") as file:
        file.write("user,url,time\n")
        file.writelines(f"u{n % 999},/{n},2026-11-20T10:00:00Z\n" for n in range(600_000))
    running = shop.start("run")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not any(shop.folder.glob(".clickreplay/*/*/planning/*")):
        time.sleep(0.01)
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=30)
    assert running.returncode == 75
    assert "interrupted while planning" in err
    assert (json.loads(out)["exit"], record().requests()) == (75, [])


def test_what_a_cut_call_left_behind_is_tidied_by_the_next(shop: Shop, record: Records) -> None:
    import sqlite3

    shop.write(pages(3))
    name = shop.call("run").json["run"]
    (place,) = (shop.folder / ".clickreplay" / "small").iterdir()
    segment = place / "ledger" / "2026-11" / f"{name}.parquet"
    segment.unlink()
    with sqlite3.connect(place / "checkpoint.sqlite") as database:
        database.execute("UPDATE runs SET merged = 0")
        database.execute("INSERT INTO passing VALUES ('000002-never')")
    orphan = place / "runs" / "000002-never"
    orphan.mkdir()
    leftovers = [orphan, place / "planning", place / "passing-abc"]
    for folder in leftovers[1:]:
        folder.mkdir()
        (folder / "staged.parquet").touch()
    shop.write(pages(4))
    assert shop.call("run").json["delivered"] == 1
    assert segment.exists()
    assert not any(folder.exists() for folder in leftovers)
    assert record().accepted() == 4


def _remap(shop: Shop, old: str, new: str) -> None:
    assert old in shop.job
    shop.job = shop.job.replace(old, new)


def test_an_old_plan_is_not_posted_after_another_mapping_has_sent(shop: Shop, record: Records) -> None:
    shop.write(pages(4))
    old = shop.call("plan").json["run"]
    _remap(shop, "page: {location: url}", "page: {location: \"url || '?'\"}")
    assert shop.call("run").json["delivered"] == 4
    _remap(shop, "page: {location: \"url || '?'\"}", "page: {location: url}")
    assert (shop.call("run", "--plan", old).exit, record().accepted()) == (2, 4)
    ended = shop.call("run")
    assert (ended.exit, ended.json["guard"], record().accepted()) == (5, "changed", 4)


def test_a_trial_between_plan_and_run_leaves_the_plan_as_it_is(shop: Shop, record: Records) -> None:
    shop.write(pages(10))
    planned = shop.call("plan").json["run"]
    shop.call("run", "--only", "u1")
    ended = shop.call("run", "--plan", planned)
    assert (ended.exit, ended.json["run"], ended.json["duplicate"], record().accepted()) == (
        0,
        planned,
        {"sent_before": 2},
        10,
    )


def test_a_plan_waits_for_the_unfinished_run_of_its_date(shop: Shop, record: Records) -> None:
    shop.write(pages(6))
    shop.call("run", "--limit", "2")
    shop.write(pages(8))
    newer = shop.call("plan").json["run"]
    assert (shop.call("run", "--plan", newer).exit, record().accepted()) == (2, 2)


def test_limit_holds_for_the_whole_call(shop: Shop, record: Records) -> None:
    shop.write(pages(6))
    shop.call("run", "--limit", "4")
    shop.write(pages(12))
    ended = shop.call("run", "--limit", "5")
    assert (ended.exit, record().accepted()) == (75, 9)
    ended = shop.call("run", "--limit", "3")
    assert (ended.exit, record().accepted()) == (0, 12)


def test_an_account_that_could_not_be_asked_does_not_make_a_new_destination(
    shop: Shop, serve: Callable[..., Child], record: Callable[[str], Record]
) -> None:
    shop.api = serve("mute", info_right=False).url
    shop.write(pages(5))
    assert shop.call("run").json["delivered"] == 5
    _remap(shop, "rate:", "account: Shop, rate:")
    assert (shop.call("run").exit, record("mute").accepted()) == (0, 5)


def test_a_lost_segment_of_the_ledger_is_made_again_or_the_run_stops(shop: Shop, record: Records) -> None:
    import shutil

    shop.write(pages(5))
    name = shop.call("run").json["run"]
    (place,) = (shop.folder / ".clickreplay" / "small").iterdir()
    (place / "ledger" / "2026-11" / f"{name}.parquet").unlink()
    shop.write(pages(6))
    assert shop.call("run").json["duplicate"] == {"sent_before": 5}
    (place / "ledger" / "2026-11" / f"{name}.parquet").unlink()
    shutil.rmtree(place / "runs" / name)
    shop.write(pages(7))
    ended = shop.call("run")
    assert (ended.exit, record().accepted()) == (5, 6)
    assert "ledger" in ended.err


def test_an_id_of_the_jobs_own_is_not_taken_for_a_change_of_another(shop: Shop, record: Records) -> None:
    shop.job = JOB + "id: mid\n"
    row = {"user": "u", "time": "2026-11-20T10:00:00Z"}
    shop.write([{**row, "url": "/a", "mid": "1"}])
    shop.call("run")
    shop.write([{**row, "url": "/b", "mid": "2"}])
    assert (shop.call("run").json["delivered"], record().accepted()) == (1, 2)


def test_abandon_wants_something_to_abandon(shop: Shop, record: Records) -> None:
    shop.write(pages(3))
    assert (shop.call("run", "--abandon").exit, record().accepted()) == (2, 0)


def test_a_damaged_state_stops_with_words(shop: Shop, record: Records) -> None:
    shop.write(pages(3))
    shop.call("run", "--limit", "1")
    (place,) = (shop.folder / ".clickreplay" / "small").iterdir()
    for name in ("checkpoint.sqlite", "destination.json"):
        whole = (place / name).read_bytes()
        (place / name).write_bytes(b"")
        for side in place.glob(f"{name}-*"):
            side.unlink()
        ended = shop.call("run")
        assert (ended.exit, record().accepted()) == (5, 1)
        assert "Traceback" not in ended.err
        (place / name).write_bytes(whole)


def test_an_unset_variable_in_only_does_not_send_everything(shop: Shop, record: Records) -> None:
    shop.write(pages(3))
    for nothing in ("", " , "):
        assert (shop.call("run", "--only", nothing).exit, record().requests()) == (2, [])


@pytest.mark.parametrize(
    ("name", "text", "exit_code"),
    [("a.csv", b"", 4), ("a.csv", b"\xef\xbb\xbf", 4), ("a.ndjson", b"", 0), ("a.ndjson", b"\n", 0)],
)
def test_an_empty_file_is_a_broken_csv_and_a_quiet_ndjson(name: str, text: bytes, exit_code: int, shop: Shop) -> None:
    (shop.folder / name).write_bytes(text)
    shop.job = shop.job.replace('"*.csv"', name)
    ended = shop.call("run")
    assert ended.exit == exit_code
    assert exit_code == 4 or (ended.json["rows"], ended.json["events"]) == (0, 0)


def test_lines_that_are_all_unreadable_are_invalid_and_stop_the_run(shop: Shop) -> None:
    (shop.folder / "a.ndjson").write_text("{cut\n\n[1]\n")
    shop.job = shop.job.replace('"*.csv"', "a.ndjson")
    ended = shop.call("run")
    assert (ended.exit, ended.json["guard"], ended.json["rows"], ended.json["invalid"]) == (5, "max_invalid", 2, 2)


def test_what_is_invalid_is_explained_with_its_first_place(shop: Shop) -> None:
    shop.write([*pages(2), {"user": "u", "url": "/", "time": "soon"}])
    shop.job += "max_invalid: 50%\n"
    out = shop.call("plan", as_json=False).out
    assert "invalid: time 1, first at a.csv:4." in out
    assert "planned" in out.splitlines()[-1]


def test_rows_that_cannot_be_read_are_nobodys_and_do_not_stop_a_trial(shop: Shop) -> None:
    (shop.folder / "a.csv").write_text(csv_text(pages(4)) + "ragged\n" * 3)
    assert shop.call("run").json["guard"] == "max_invalid"
    ended = shop.call("run", "--only", "u1")
    assert (ended.exit, ended.json["invalid"], ended.json["delivered"]) == (0, 3, 1)


def test_a_run_refused_before_its_first_event_left_may_be_planned_anew(shop: Shop, record: Records) -> None:
    shop.write(pages(3))
    shop.key = None
    assert shop.call("run").exit == 77
    shop.key = "k"
    shop.job = shop.job.replace("page: {location: url}", "page: {location: lower(url)}")
    assert (shop.call("run").exit, record().accepted()) == (0, 3)


# past_events, window, the ledger and what else may stop or hold


def test_history_goes_as_past_events_however_old_it_is_and_is_not_sent_again_live(shop: Shop, record: Records) -> None:
    shop.write(
        [{"user": f"u{n % 7}", "url": f"/{n}", "time": f"2025-{n % 12 + 1:02d}-03T10:00:00Z"} for n in range(30)]
    )
    shop.job = shop.job.replace("stale: send", "method: past_events, batch: 8").replace(
        "{column: time}", "{column: time, zone: Europe/Kyiv}"
    )
    ended = shop.call("run")
    assert ended.json["requests"] < 10
    assert (ended.exit, ended.json["method"], ended.json["delivered"]) == (
        0,
        "past_events",
        30,
    )
    assert {event.occurred for event in record().events()} >= {"2025-01-03T12:00", "2025-07-03T13:00"}
    shop.job = shop.job.replace("method: past_events, batch: 8", "stale: send")
    shop.write(
        [{"user": f"u{n % 7}", "url": f"/{n}", "time": f"2025-{n % 12 + 1:02d}-03T10:00:00Z"} for n in range(31)]
    )
    ended = shop.call("run")
    assert (ended.json["duplicate"], ended.json["delivered"], record().accepted()) == ({"sent_before": 30}, 1, 31)


def test_a_run_keeps_its_method_and_a_call_by_the_other_one_names_it_and_sends_nothing_twice(
    shop: Shop, record: Records
) -> None:
    shop.write(pages(20))
    cut = shop.call("run", "--limit", "5").json["run"]
    live, history = "stale: send", "stale: send, method: past_events"
    shop.job = shop.job.replace(live, history)
    ended = shop.call("run")
    assert (ended.exit, ended.json["duplicate"], ended.json["delivered"]) == (0, {"sent_before": 5}, 15)
    (left,) = ended.json["unfinished"]
    assert (left["run"], left["pending"], left["why"]) == (cut, 15, "it sends by event, this call by past_events")
    shop.job = shop.job.replace(history, live)
    ended = shop.call("run")
    assert (ended.exit, ended.json["duplicate"], ended.json["unfinished"]) == (0, {"sent_before": 15}, [])
    assert record().accepted() == 20


def test_an_account_without_segmentation_stops_with_77_and_words(
    shop: Shop, serve: Callable[..., Child], record: Callable[[str], Record]
) -> None:
    shop.api = serve("unready", segmentation_off=("pageViewed",)).url
    shop.write(pages(5))
    shop.job = shop.job.replace("stale: send", "method: past_events")
    ended = shop.call("run")
    assert (ended.exit, ended.json["pending"], ended.json["rejected"]) == (77, 5, 0)
    assert "pageViewed" in ended.json["stopped"]["reason"]
    assert "segmentation" in ended.json["stopped"]["hint"]


def test_a_closed_window_stops_with_75_and_says_when_to_come_back(shop: Shop, record: Records) -> None:
    from datetime import UTC, datetime, timedelta

    shop.write(pages(5))
    opens = datetime.now(UTC) + timedelta(hours=2)
    shop.job = shop.job.replace(
        "stale: send", f'stale: send, window: "{opens:%H:%M}-{opens + timedelta(hours=1):%H:%M}"'
    )
    ended = shop.call("run")
    assert (ended.exit, ended.json["guard"], ended.json["pending"], record().accepted()) == (75, None, 5, 0)
    assert ended.json["stopped"]["resume_at"] == f"{opens:%Y-%m-%dT%H:%M:00Z}"


def test_a_rate_above_the_apis_limit_is_a_warning(shop: Shop) -> None:
    shop.write(pages(2))
    assert "the API takes 350 of event" in shop.call("run").err
    shop.job = shop.job.replace("1000/s", "350/s")
    assert "the API takes" not in shop.call("plan").err


def test_a_trial_is_not_expected_to_have_the_events_of_a_whole_night(shop: Shop, record: Records) -> None:
    shop.write(pages(10))
    shop.job += "expect: {events: 8}\n"
    assert shop.call("run", "--only", "u1").json["delivered"] == 2
    assert shop.call("run", "--sample", "1").exit == 0
    shop.write(pages(2))
    assert shop.call("run").json["guard"] == "expect"


def test_stale_events_that_would_not_go_out_anyway_stop_nothing(shop: Shop, record: Records) -> None:
    from datetime import UTC, datetime, timedelta

    now = datetime.now(UTC)
    shop.job = (
        JOB.replace(", stale: send", "").replace("{type: pageViewed, page: {location: url}}",
        "{type: cartUpdated, lines: [cart], products: {productId: url, quantity: 1, price: 1}, recycleStateId: cart}")
    )  # fmt: skip
    today = {"user": "u", "url": "a", "cart": "c1", "time": (now - timedelta(hours=1)).isoformat()}
    old = {"user": "u", "url": "b", "cart": "c2", "time": (now - timedelta(days=9)).isoformat()}
    shop.write([today])
    assert shop.call("run").json["delivered"] == 1
    shop.write([old, today])
    ended = shop.call("run")
    assert (ended.exit, ended.json["duplicate"], ended.json["events"]) == (0, {"sent_before": 1, "superseded": 1}, 0)


def test_the_limit_a_contact_and_day_counts_what_earlier_runs_have_sent(shop: Shop, record: Records) -> None:
    shop.job = shop.job.replace("stale: send", "stale: send, max_per_contact: 3")
    rows = [{"user": "u", "url": f"/{n}", "time": f"2026-11-20T10:00:{n:02d}Z"} for n in range(8)]
    shop.write(rows[:2])
    assert shop.call("run").json["delivered"] == 2
    shop.write(rows)
    ended = shop.call("run")
    assert (ended.json["delivered"], ended.json["filtered"]) == (1, {"max_per_contact": 5})
    assert ended.json["duplicate"] == {"sent_before": 2}
    assert [body["params"][-1]["value"] for body in map(json.loads, record().bodies())][-1] == '{"location":"/7"}'


def test_the_ledger_forgets_by_the_time_of_events_and_what_is_older_stops_the_run(shop: Shop, record: Records) -> None:
    old = [{"user": "u", "url": f"/{n}", "time": f"2024-0{n + 1}-20T10:00:00Z"} for n in range(3)]
    shop.write([*old, *pages(1)])
    shop.job += "ledger: {keep: 365d}\n"
    assert shop.call("run").json["delivered"] == 4
    _aged(shop, 400)
    shop.write(pages(2))
    assert shop.call("run").json["delivered"] == 1
    (place,) = (shop.folder / ".clickreplay" / "small").iterdir()
    assert [folder.name for folder in (place / "ledger").iterdir() if any(folder.iterdir())] == ["2026-11"]
    shop.write([*old, *pages(3)])
    ended = shop.call("run")
    assert (ended.exit, ended.json["guard"], record().accepted()) == (5, "horizon", 5)
    shop.job = shop.job.replace("keep: 365d", "keep: 365d, older: drop")
    ended = shop.call("run")
    assert (ended.exit, ended.json["filtered"], ended.json["duplicate"]) == (0, {"horizon": 3}, {"sent_before": 2})
    assert (ended.json["delivered"], record().accepted()) == (1, 6)


def test_a_plan_reads_the_months_of_the_ledger_that_concern_it(shop: Shop, record: Records) -> None:
    """A file of another month may be unreadable: nobody looks at it."""
    months = [{"user": "u", "url": f"/{n}", "time": f"2026-0{n + 1}-20T10:00:00Z"} for n in range(9)]
    shop.write(months)
    assert shop.call("run").json["delivered"] == 9
    (place,) = (shop.folder / ".clickreplay" / "small").iterdir()
    assert sorted(folder.name for folder in (place / "ledger").iterdir()) == [f"2026-0{n}" for n in range(1, 10)]
    for file in (place / "ledger" / "2026-02").iterdir():
        file.write_bytes(b"not Parquet")
    shop.write([*months[3:], *pages(1)])
    ended = shop.call("run")
    assert (ended.json["duplicate"], ended.json["delivered"]) == ({"sent_before": 6}, 1)


def test_an_id_of_the_jobs_own_is_found_in_any_month(shop: Shop, record: Records) -> None:
    shop.job = JOB + "id: mid\n"
    shop.write([{"user": "u", "url": "/a", "mid": "1", "time": "2026-01-05T10:00:00Z"}])
    shop.call("run")
    shop.write([{"user": "u", "url": "/a", "mid": "1", "time": "2026-11-05T10:00:00Z"}])
    assert (shop.call("run").json["duplicate"], record().accepted()) == ({"sent_before": 1}, 1)


@pytest.mark.parametrize("then", [(), ("--abandon",), ("--finish",)])
def test_an_outbox_that_was_deleted_stops_with_words_and_every_call_after_too(
    shop: Shop, record: Records, then: tuple[str, ...]
) -> None:
    import shutil

    shop.write(pages(5))
    shop.call("run", "--limit", "1")
    (place,) = (shop.folder / ".clickreplay" / "small").iterdir()
    shutil.rmtree(place / "runs")
    for _ in range(2):
        ended = shop.call("run", *then)
        assert (ended.exit, ended.json["guard"], record().accepted()) == (5, "state", 1)
        assert "is gone" in ended.err


def test_a_finished_run_whose_folder_was_deleted_still_shows_its_books(shop: Shop, record: Records) -> None:
    import shutil

    shop.write(pages(5))
    shop.call("plan")
    shop.call("run", "--only", "u1")
    books = shop.call("run").json
    (place,) = (shop.folder / ".clickreplay" / "small").iterdir()
    shutil.rmtree(place / "runs")
    again = shop.call("run")
    assert (again.exit, again.json["duplicate"], again.json["by_type"]) == (0, {"sent_before": 1}, {"pageViewed": 4})
    assert books["by_type"] == again.json["by_type"]


def test_a_plan_of_another_date_is_refused(shop: Shop, record: Records) -> None:
    shop.job = shop.job.replace('"*.csv"', "'{{ date }}.csv'")
    for day in ("2026-11-20", "2026-11-21"):
        shop.write(pages(5), f"{day}.csv")
    shop.call("run", "--date", "2026-11-20", "--limit", "1")
    shop.write(pages(6), "2026-11-20.csv")
    name = shop.call("plan", "--date", "2026-11-20").json["run"]
    ended = shop.call("run", "--date", "2026-11-21", "--plan", name)
    assert (ended.exit, record().accepted()) == (2, 1)
    assert "--date 2026-11-20" in ended.err


def test_a_full_disk_while_planning_is_said_in_words(shop: Shop, record: Records) -> None:
    import resource
    import subprocess

    shop.write(pages(30_000))
    limited = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))  # noqa: E731
    ended = subprocess.run(
        shop.arguments("plan", "--json"), env=shop.env, capture_output=True, text=True, preexec_fn=limited, check=False
    )
    assert ended.returncode == 5, ended.stderr
    assert json.loads(ended.stdout)["guard"] == "state"
    assert "Traceback" not in ended.stderr


def test_status_of_a_state_that_is_not_there_yet_says_so(shop: Shop) -> None:
    import subprocess

    shop.environment = {"CLICKREPLAY_STATE": str(shop.folder / "nowhere")}
    command = [*shop.arguments("status")[:4]]
    ended = subprocess.run(command, env=shop.env, cwd="/", capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.strip()) == (0, "nothing has been planned yet")


def _mounted(shop: Shop, mount: str, *words: str) -> tuple[int, dict[str, object], str]:
    """Call in a mount namespace of its own, where `mount` has been done to $1, the state folder; skip where that is not allowed."""
    import subprocess

    state = shop.folder / ".clickreplay"
    state.mkdir(exist_ok=True)
    script = f'{mount} || exit 99; shift; exec "$@"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", str(state), *shop.arguments(*words, "--json")]
    try:
        ended = subprocess.run(command, env=shop.env, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if ended.returncode in (1, 99) and "Traceback" not in ended.stderr:
        pytest.skip(f"no mounts here: {ended.stderr}")
    return ended.returncode, json.loads(ended.stdout), ended.stderr


def test_a_read_only_state_is_said_in_words(shop: Shop, record: Records) -> None:
    shop.write(pages(3))
    shop.call("run", "--limit", "1")
    code, said, err = _mounted(shop, 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1"', "run")
    assert (code, said["guard"], record().accepted()) == (5, "state", 1)
    assert "Read-only" in err


# What must not send again, nor keep silent


def _place(shop: Shop) -> Path:
    (place,) = (shop.folder / ".clickreplay" / "small").iterdir()
    return place


def test_a_checkpoint_that_is_gone_stops_the_run_and_nothing_is_taken_away(shop: Shop, record: Records) -> None:
    shop.write(pages(5))
    shop.call("run")
    place = _place(shop)
    for file in place.glob("checkpoint.sqlite*"):
        file.unlink()
    before = sorted(path for path in place.rglob("*.parquet"))
    for _ in range(2):
        ended = shop.call("run")
        assert (ended.exit, ended.json["guard"], record().accepted()) == (5, "state", 5)
    assert sorted(place.rglob("*.parquet")) == before


def test_a_checkpoint_that_was_restored_alone_stops_the_run(shop: Shop, record: Records) -> None:
    shop.write(pages(3))
    shop.call("run")
    place = _place(shop)
    old = {file: file.read_bytes() for file in place.glob("checkpoint.sqlite*")}
    for count in (4, 5):
        shop.write(pages(count))
        shop.call("run")
    for file in place.glob("checkpoint.sqlite*"):
        file.unlink()
    for file, blob in old.items():
        file.write_bytes(blob)
    shop.write(pages(6))
    ended = shop.call("run")
    assert (ended.exit, ended.json["guard"], record().accepted()) == (5, "state", 5)
    assert "put back" in ended.err


@pytest.mark.parametrize("damage", [lambda blob: blob[: len(blob) // 2], lambda blob: b"garbage"])
def test_a_damaged_segment_is_made_again_or_the_run_stops(
    damage: Callable[[bytes], bytes], shop: Shop, record: Records
) -> None:
    import shutil

    shop.write(pages(5))
    name = shop.call("run").json["run"]
    segment = _place(shop) / "ledger" / "2026-11" / f"{name}.parquet"
    segment.write_bytes(damage(segment.read_bytes()))
    shop.write(pages(6))
    assert shop.call("run").json["duplicate"] == {"sent_before": 5}
    segment.write_bytes(damage(segment.read_bytes()))
    shutil.rmtree(_place(shop) / "runs" / name)
    shop.write(pages(7))
    ended = shop.call("run")
    assert (ended.exit, ended.json["guard"], record().accepted()) == (5, "state", 6)


def test_stale_events_that_were_left_out_live_go_as_history(shop: Shop, record: Records) -> None:
    old = [{"user": "u", "url": f"/{n}", "time": f"2025-03-0{n + 1}T10:00:00Z"} for n in range(5)]
    shop.write(old)
    shop.job = shop.job.replace("stale: send", "stale: drop")
    assert shop.call("run").json["filtered"] == {"stale": 5}
    shop.job = shop.job.replace("stale: drop", "stale: drop, method: past_events")
    assert (shop.call("run").json["delivered"], record().accepted()) == (5, 5)


def test_an_event_whose_time_had_not_come_goes_when_it_has(
    shop: Shop, record: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import UTC, datetime, timedelta

    from etl.flow import plan as planning

    soon = datetime.now(UTC) + timedelta(hours=1)
    shop.write([{"user": "u", "url": "/", "time": soon.isoformat()}])
    shop.job += "max_invalid: 100%\n"
    assert shop.call("run").json["invalid_reasons"] == {"future": 1}

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(hours=2)

    monkeypatch.setattr(planning, "datetime", Later)
    assert (shop.call("run").json["delivered"], record().accepted()) == (1, 1)


def _aged(shop: Shop, days: int) -> None:
    """Let all runs have ended so many days ago."""
    import sqlite3

    with sqlite3.connect(_place(shop) / "checkpoint.sqlite") as database:
        database.execute("UPDATE runs SET ended = ended - ?", (days * 86400,))
    database.close()


def test_the_horizon_of_the_ledger_never_goes_back(shop: Shop, record: Records) -> None:
    def old(month: str) -> list[dict[str, str]]:
        return [{"user": "u", "url": f"/{n}", "time": f"{month}-0{n + 1}T10:00:00Z"} for n in range(3)]

    shop.write(old("2024-05"))
    shop.call("run")
    _aged(shop, 100)
    shop.job += "ledger: {keep: 90d}\n"
    shop.write(pages(2))
    shop.call("run")
    shop.write(old("2024-05"))
    assert shop.call("run").json["guard"] == "horizon"
    shop.job = shop.job.replace("{keep: 90d}", "{keep: 1500d, older: send}")
    shop.write(old("2021-01"))
    assert shop.call("run").json["delivered"] == 3
    _aged(shop, 2000)
    shop.write(pages(3))
    shop.call("run")
    shop.job = shop.job.replace(", older: send", "")
    shop.write(old("2024-05"))
    assert (shop.call("run").json["guard"], record().accepted()) == ("horizon", 9)


def test_what_was_sent_of_late_is_known_however_old_it_is(shop: Shop, record: Records) -> None:
    shop.job += "ledger: {keep: 90d, older: send}\n"
    rows = [{"user": "u", "url": f"/{n}", "time": f"2021-01-0{n + 1}T10:00:00Z"} for n in range(5)]
    for count in (3, 4, 5):
        shop.write(rows[:count])
        shop.call("run")
    assert (len(record().bodies()), record().accepted()) == (5, 5)


def test_a_pin_that_nobody_can_prove_does_not_make_a_new_destination(
    shop: Shop, serve: Callable[..., Child], record: Callable[[str], Record]
) -> None:
    known = serve("known", organisation="Shop")
    shop.api = known.url
    shop.write(pages(4))
    assert shop.call("run").json["delivered"] == 4
    port = int(known.url.split(":")[2].split("/")[0])
    known.close()
    from etl.sandbox.process import start_child
    from etl.sandbox.settings import Settings

    with start_child(shop.folder / "mute.sqlite", Settings(info_right=False), port=port):
        _remap(shop, "rate:", "account: Shop Ltd, rate:")
        ended = shop.call("run")
    assert (ended.exit, ended.json["delivered"], ended.json["pending"]) == (77, 0, 4)


def test_a_limit_counts_what_is_sent_again_too(shop: Shop, record: Records) -> None:
    import sqlite3

    shop.write(pages(20))
    shop.call("run", "--limit", "5")
    with sqlite3.connect(_place(shop) / "checkpoint.sqlite") as database:
        database.execute("UPDATE events SET state = 1")  # as a kill would leave them
    database.close()
    ended = shop.call("run", "--limit", "5")
    assert (ended.exit, ended.json["requests"], record().accepted()) == (75, 10, 10)


def test_a_run_that_ended_well_is_told_though_what_came_after_it_failed(shop: Shop, record: Records) -> None:
    shop.write(pages(5))
    name = shop.call("run", "--limit", "2").json["run"]
    rows = csv_text(pages(60_000)).encode()  # more than is read to find the header
    (shop.folder / "a.csv").write_bytes(gzip.compress(rows)[:-1000])
    ended = shop.call("run")
    assert (ended.exit, ended.json["run"], ended.json["delivered"], ended.json["pending"]) == (4, name, 5, 0)
    assert "a.csv" in ended.json["stopped"]["reason"]


def test_a_packed_file_that_is_cut_at_its_start_is_an_input_that_cannot_be_read(shop: Shop) -> None:
    (shop.folder / "a.csv").write_bytes(b"\x1f\x8b\x08 cut")
    ended = shop.call("run")
    assert ended.exit == 4
    assert "cut short" in ended.err


def test_a_trial_goes_on_without_its_input(shop: Shop, record: Records) -> None:
    shop.write(pages(10))
    shop.call("run", "--sample", "5", "--limit", "2")
    (shop.folder / "a.csv").unlink()
    ended = shop.call("run", "--sample", "5")
    assert (ended.exit, ended.json["delivered"], record().accepted()) == (0, 5, 5)
