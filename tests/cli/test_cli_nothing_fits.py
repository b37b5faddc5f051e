"""A job that fits nothing is no green night; what takes no row is said."""

from collections.abc import Callable

import pytest
from called import Shop, pages

from etl.sandbox.record import Record

Records = Callable[[], Record]


def where(shop: Shop, condition: str) -> None:
    shop.job = shop.job.replace("{type: pageViewed,", f'{{type: pageViewed, where: "{condition}",')


@pytest.mark.parametrize("more", [(), ("--sample", "2"), ("--only", "u1")])
def test_rows_of_which_no_rule_takes_any_stop_plan_and_run(more: tuple[str, ...], shop: Shop, record: Records) -> None:
    shop.write(pages(9))
    where(shop, "url = 'nowhere'")
    for command in ("plan", "run"):
        ended = shop.call(command, *more)
        assert (ended.exit, ended.json["guard"], ended.json["filtered"]) == (5, "no_match", {"no_rule": 9})
        assert "expect: {events: 0}" in ended.json["stopped"]["hint"]
    assert record().requests() == []


def test_a_job_may_say_that_such_a_night_is_right(shop: Shop) -> None:
    shop.write(pages(9))
    where(shop, "url = 'nowhere'")
    assert shop.call("run", "--set", "expect.events=0").exit == 0


def test_a_night_without_rows_or_whose_rows_fall_out_by_filters_is_green(shop: Shop) -> None:
    (shop.folder / "a.csv").write_text("user,url,time\n")
    assert shop.call("run").exit == 0
    shop.job += "filters: {all: url is not null}\n"
    shop.write(pages(9))
    ended = shop.call("run")
    assert (ended.exit, ended.json["filtered"]) == (0, {"all": 9})


def test_a_night_of_anonymous_visitors_is_green_with_a_warning(shop: Shop) -> None:
    shop.write([row | {"user": ""} for row in pages(9)])
    shop.job += "filters: {anonymous: true}\n"
    ended = shop.call("run")
    assert (ended.exit, ended.json["guard"], ended.json["filtered"]) == (0, None, {"anonymous": 9})
    assert "warning: every match fell out by a filter: anonymous 9" in ended.json["notes"]


def test_a_rule_a_filter_or_only_that_takes_no_row_is_a_warning(shop: Shop) -> None:
    shop.write(pages(9))
    shop.job = shop.job.replace(
        "  - {type: pageViewed,",
        "  - {type: searchRequest, where: url = '/search', search: url}\n  - {type: pageViewed,",
    )
    shop.job += "filters: {internal: \"url like '%staff%'\"}\n"
    for command in ("plan", "run"):
        notes = [note for note in shop.call(command).json["notes"] if "takes no row" in note]
        assert notes == [
            "warning: filters.internal takes no row",
            "warning: events[0] (searchRequest) takes no row",
        ]
    only = shop.call("plan", "--only", "nobody")
    assert only.exit == 0
    assert any("--only takes no event" in note for note in only.json["notes"])


def test_a_replay_none_of_whose_rows_is_valid_is_3(shop: Shop) -> None:
    shop.write([*pages(40), {"user": "u", "url": "/x", "time": "never"}])
    assert shop.call("run").exit == 0
    file = shop.folder / "mended"
    shop.call("rejects", "--export", str(file), as_json=False)
    for _ in range(2):  # and once more
        ended = shop.call("rejects", "--replay", str(file))
        assert (ended.exit, ended.json["exit"], ended.json["invalid"]) == (3, 3, 1)
    file.write_text(file.read_text().replace("never", "2026-11-20T11:00:00Z"))
    ended = shop.call("rejects", "--replay", str(file))
    assert (ended.exit, ended.json["delivered"]) == (0, 1)
