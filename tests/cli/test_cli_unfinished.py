"""A night that was cut is taken up by the next one, whatever it is for; what a call leaves is named."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from called import JOB, Ended, Shop, pages
from picky import Picky, picky

from etl.sandbox.process import Child
from etl.sandbox.record import Record

Records = Callable[..., Record]

DATED = JOB.replace('path: "*.csv"', 'path: "{{ date }}.csv"')
FIRST, SECOND, THIRD = "2026-11-20", "2026-11-21", "2026-11-22"


@pytest.fixture
def nights(shop: Shop) -> Shop:
    """A job with a file a day, of three days with ten events each."""
    shop.job = DATED
    for day in (FIRST, SECOND, THIRD):
        shop.write([row | {"time": row["time"].replace(FIRST, day)} for row in pages(10)], f"{day}.csv")
    return shop


def names(ended: Ended) -> list[tuple[str, int]]:
    return [(one["date"], one["pending"]) for one in ended.json["unfinished"]]


def test_the_next_night_goes_on_with_the_one_that_was_cut(nights: Shop, record: Records) -> None:
    cut = nights.call("run", "--date", FIRST, "--limit", "4").json["run"]
    ended = nights.call("run", "--date", SECOND)
    (before,) = ended.json["earlier"]
    assert (before["run"], before["date"], before["delivered"]) == (cut, FIRST, 10)
    assert (ended.exit, ended.json["date"], ended.json["delivered"], names(ended)) == (0, SECOND, 10, [])
    assert record().accepted() == 20


def test_several_nights_that_were_cut_go_oldest_first(nights: Shop, record: Records) -> None:
    nights.call("run", "--date", SECOND, "--limit", "4")
    nights.call("run", "--date", FIRST, "--limit", "4")
    ended = nights.call("run", "--date", THIRD)
    assert [one["date"] for one in ended.json["earlier"]] == [FIRST, SECOND]
    assert (ended.exit, record().accepted()) == (0, 30)


@pytest.mark.parametrize("trouble", ["refused", "closed window"])
def test_a_night_of_which_nothing_has_left_is_taken_up_too(
    trouble: str, nights: Shop, serve: Callable[..., Child], record: Records
) -> None:
    opens = datetime.now(UTC) + timedelta(hours=2)
    closed = f'delivery.window="{opens:%H:%M}-{opens + timedelta(hours=1):%H:%M}"'
    api, nights.key = nights.api, None if trouble == "refused" else "k"
    more = () if trouble == "refused" else ("--set", closed)
    assert nights.call("run", "--date", FIRST, *more).exit == (77 if trouble == "refused" else 75)
    nights.api, nights.key = api, "k"
    ended = nights.call("run", "--date", SECOND)
    assert [(one["date"], one["delivered"]) for one in ended.json["earlier"]] == [(FIRST, 10)]
    assert record().accepted() == 20


@pytest.mark.parametrize("change", ["gone", "grown", "a lookup is gone", "delivery"])
def test_what_happens_to_its_input_or_to_delivery_stops_no_run_from_going_on(
    change: str, nights: Shop, record: Records
) -> None:
    nights.job += "lookups: {crm: {path: '{{ date }}-crm.csv', key: id, on: user}}\n"
    for day in (FIRST, SECOND):
        (nights.folder / f"{day}-crm.csv").write_text("id,name\nu1,Ann\n")
    nights.call("run", "--date", FIRST, "--limit", "4")
    if change == "gone":
        (nights.folder / f"{FIRST}.csv").unlink()
    elif change == "grown":
        nights.write(pages(12), f"{FIRST}.csv")
    elif change == "delivery":
        nights.job = nights.job.replace("rate: 1000/s", "rate: 100/s, concurrency: 2, timeout: 9s")
    else:
        (nights.folder / f"{FIRST}-crm.csv").unlink()
    ended = nights.call("run", "--date", SECOND)
    assert (ended.exit, ended.json["earlier"][0]["delivered"], record().accepted()) == (0, 10, 20)


def test_trials_plans_and_only_date_leave_earlier_runs_and_name_them(nights: Shop, record: Records) -> None:
    nights.call("run", "--date", FIRST, "--limit", "4")
    left = [(FIRST, 6)]
    assert names(nights.call("run", "--date", SECOND, "--sample", "2")) == left
    assert names(nights.call("run", "--date", SECOND, "--only-date")) == left
    planned = nights.call("plan", "--date", THIRD)
    assert names(planned) == left
    assert names(nights.call("run", "--date", THIRD, "--plan", planned.json["run"])) == left
    ended = nights.call("run", "--date", THIRD, "--only-date", as_json=False)
    assert f"of {FIRST} is unfinished (6 pending): this call leaves earlier dates (--only-date)" in ended.out
    assert record().accepted() == 24


def test_an_earlier_run_whose_mapping_changed_stops_the_call_with_the_way_on(nights: Shop, record: Records) -> None:
    cut = nights.call("run", "--date", FIRST, "--limit", "4").json["run"]
    nights.job = nights.job.replace("page: {location: url}", "page: {location: lower(url)}")
    ended = nights.call("run", "--date", SECOND)
    assert (ended.exit, ended.json["guard"], ended.json["run"], record().accepted()) == (5, "mapping", cut, 4)
    assert "--finish" in ended.json["stopped"]["hint"]
    assert f"--date {FIRST} --abandon" in ended.json["stopped"]["hint"]
    planned = nights.call("plan", "--date", SECOND)
    assert (planned.exit, planned.json["guard"]) == (5, "mapping")
    assert nights.call("run", "--date", SECOND, "--finish").exit == 0
    assert record().accepted() == 20


def test_abandon_closes_an_earlier_run_by_its_date(nights: Shop, record: Records) -> None:
    nights.call("run", "--date", FIRST, "--limit", "4")
    nights.job = nights.job.replace("page: {location: url}", "page: {location: lower(url)}")
    refused = nights.call("run", "--date", SECOND, "--abandon")
    assert (refused.exit, f"--date {FIRST}" in refused.err) == (2, True)
    (nights.folder / f"{FIRST}.csv").unlink()
    ended = nights.call("run", "--date", FIRST, "--abandon")
    assert (ended.exit, ended.json["pending"], ended.json["delivered"]) == (4, 6, 4)
    assert nights.call("run", "--date", SECOND).exit == 0
    assert record().accepted() == 14


def test_what_is_done_says_so_first(nights: Shop) -> None:
    assert nights.call("run", "--date", FIRST).json["finished_before"] is False
    again = nights.call("run", "--date", FIRST)
    assert (again.exit, again.json["finished_before"], bool(again.json["notes"])) == (0, True, True)
    assert nights.call("run", "--date", FIRST, as_json=False).out.startswith("nothing new")
    days = ("--last", "1", "--date", FIRST)
    assert nights.call("run", *days).json["finished_before"] is True
    assert nights.call("run", *days, as_json=False).out.startswith("nothing new")
    planned = nights.call("plan", "--date", FIRST, "--set", "expect.events=99")
    ran = nights.call("run", "--date", FIRST, "--set", "expect.events=99")
    assert (planned.exit, ran.exit, planned.json["finished_before"]) == (0, 0, True)


# --last


@pytest.fixture
def lately(shop: Shop) -> Shop:
    """A job with a file a day, of the last three days, that asks before old events go live."""
    shop.job = DATED.replace("stale: send", "stale: stop, max_age: 2d").replace("{{ date }}", "{{ date }}")
    for ago in (1, 2, 3):
        shop.write(night(ago), f"{day(ago)}.csv")
    return shop


def day(ago: int) -> str:
    return f"{datetime.now(UTC) - timedelta(days=ago):%Y-%m-%d}"


def night(ago: int, start: int = 0, count: int = 4) -> list[dict[str, str]]:
    """Rows of one night. That of three days ago is older than two days, whatever the time is."""
    return [
        {"user": f"u{n}", "url": f"/{n}", "time": f"{day(ago)}T23:59:{n:02d}Z"} for n in range(start, start + count)
    ]


def test_late_rows_of_a_day_that_was_finished_are_left_out_with_a_warning(lately: Shop, record: Records) -> None:
    assert lately.call("run", "--last", "3", "--set", "delivery.max_age=5d").json["delivered"] == 12
    lately.write(night(3, count=6), f"{day(3)}.csv")
    lately.write(night(1, count=5), f"{day(1)}.csv")
    planned = lately.call("plan", "--last", "3")
    ended = lately.call("run", "--last", "3")
    for call in (planned, ended):
        assert (call.exit, call.json["runs"][0]["filtered"], call.json["runs"][0]["guard"]) == (0, {"stale": 2}, None)
    assert "2 events of a day that was finished before are older" in " ".join(ended.json["notes"])
    assert record().accepted() == 13


def test_a_day_that_no_run_finished_is_too_old_for_itself_alone(lately: Shop, record: Records) -> None:
    ended = lately.call("run", "--last", "3")
    assert [run["guard"] for run in ended.json["runs"]] == ["stale", None, None]
    assert (ended.exit, ended.json["guard"], ended.json["not_reached"], record().accepted()) == (5, "stale", 0, 8)


def test_a_run_that_was_cut_and_grew_too_old_holds_no_other_day(lately: Shop, record: Records) -> None:
    lately.call("run", "--date", day(3), "--limit", "1", "--set", "delivery.max_age=5d")
    for last in ("3", "2"):  # within the range, and before it
        ended = lately.call("run", "--last", last)
        assert (ended.exit, ended.json["guard"], ended.json["not_reached"]) == (5, "stale", 0)
        assert "--abandon" in ended.json["stopped"]["hint"]
    assert record().accepted() == 9
    one = lately.call("run", "--date", day(1))
    assert (one.exit, one.json["guard"], one.json["date"]) == (5, "stale", day(3))


def test_a_day_without_input_before_the_newest_is_passed_over(lately: Shop, record: Records) -> None:
    (lately.folder / f"{day(2)}.csv").unlink()
    ended = lately.call("run", "--last", "3", "--set", "delivery.max_age=5d")
    assert (ended.exit, record().accepted()) == (0, 8)
    assert "nothing found at" in ended.json["runs"][1]["skipped"]
    assert any("passed over" in note for note in ended.json["notes"])
    (lately.folder / f"{day(1)}.csv").unlink()
    newest = lately.call("run", "--last", "3", "--date", day(1), "--set", "delivery.max_age=5d")
    assert newest.exit == 0  # it was finished before, and its input was taken away
    assert lately.call("run", "--last", "2", "--date", day(0), "--set", "delivery.max_age=5d").exit == 4


def test_a_corrected_export_says_how_to_send_the_corrections(nights: Shop, record: Records) -> None:
    nights.call("run", "--date", FIRST)
    nights.write([row | {"url": row["url"] + "-mended"} for row in pages(10)], f"{FIRST}.csv")
    ended = nights.call("run", "--date", FIRST)
    assert (ended.exit, ended.json["duplicate"]) == (0, {"changed": 10})
    assert "--set changed=send" in " ".join(ended.json["notes"])
    assert nights.call("run", "--date", FIRST, "--set", "changed=send").json["delivered"] == 10


# max_rejected


def test_too_many_refusals_name_the_cause_and_the_way_on(nights: Shop) -> None:
    with picky() as api:
        _refuse(api, nights)
        ended = nights.call("run", "--date", FIRST)
        assert (ended.exit, ended.json["guard"]) == (5, "max_rejected")
        for stopped in (ended, nights.call("run", "--date", SECOND), nights.call("plan", "--date", FIRST)):
            assert (stopped.exit, stopped.json["guard"]) == (5, "max_rejected")
            reason, hint = stopped.json["stopped"]["reason"], stopped.json["stopped"]["hint"]
            assert "× 400" in reason
            assert "this type is not enabled" in reason
            assert "visitor@example.com" not in reason
            assert f"--date {FIRST} --abandon" in hint
        nights.job = nights.job.replace("page: {location: url}", "page: {location: lower(url)}")
        changed = nights.call("run", "--date", FIRST).json["stopped"]
        assert "mapping has changed" in changed["reason"]
        assert "× 400" in changed["reason"]
        api.refused = set()
        ended = nights.call("run", "--date", FIRST, "--abandon")
        assert (ended.exit, ended.json["pending"]) == (0, 0)
        assert len(api.taken) == 400
        assert len(api.bodies()) == len(api.taken)


def _refuse(api: Picky, shop: Shop) -> None:
    shop.api = api.url
    api.refused = {f'/{n}\\"' for n in range(0, 400, 2)}
    shop.write(pages(400), f"{FIRST}.csv")
