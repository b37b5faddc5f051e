"""A mended `contact`, `key_value`, `time.zone` or `id` sends nothing twice: rows that went out already are known by their place."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest
from called import Shop, pages
from picky import picky

from etl.sandbox.record import Record

Records = Callable[[], Record]

ROWS = [
    {"user": f" U{n}", "mail": f"ann{n}@example.com", "url": f"/{n}", "time": f"2026-11-20 10:00:{n:02d}", "mid": f"m{n}"}
    for n in range(6)
]  # fmt: skip


@pytest.fixture
def shop(shop: Shop) -> Shop:
    shop.job = shop.job.replace("time: {column: time}", "time: {column: time, zone: UTC}")
    shop.write(ROWS)
    assert shop.call("run").json["delivered"] == 6
    return shop


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("externalCustomerId: user", "externalCustomerId: lower(user)"),
        ("externalCustomerId: user", "email: mail"),
        ("externalCustomerId: user", "externalCustomerId: user, email: mail}\nkey_value: mail\nkeep: 30d\nexpect: {"),
        ("zone: UTC", "zone: Europe/Kyiv"),
        ("events:", "id: mid\nevents:"),
    ],
)
def test_a_mended_identity_stops_plan_and_run_with_words(before: str, after: str, shop: Shop, record: Records) -> None:
    shop.job = shop.job.replace(before, after)
    for command in ("plan", "run"):
        ended = shop.call(command)
        assert (ended.exit, ended.json["guard"], ended.json["events"]) == (5, "reidentified", 6)
        reason, hint = ended.json["stopped"]["reason"], ended.json["stopped"]["hint"]
        assert "6 events" in reason
        assert "run 000001-" in reason
        assert reason.count("pageViewed of 2026-11-20T") == 3
        assert "changed: drop" in hint
        assert "changed: send" in hint
        assert "ann1@" not in ended.out + ended.err
    assert record().accepted() == 6


def test_the_job_decides_whether_they_go_once_more_or_stay(shop: Shop, record: Records) -> None:
    shop.job = shop.job.replace("externalCustomerId: user", "email: mail") + "changed: drop\n"
    shop.write([*ROWS, {**ROWS[0], "mail": "new@example.com", "url": "/new"}])
    ended = shop.call("run")
    assert (ended.exit, ended.json["duplicate"], ended.json["delivered"]) == (0, {"changed": 6}, 1)
    assert record().accepted() == 7
    shop.job = shop.job.replace("changed: drop", "changed: send")
    assert shop.call("run").json["delivered"] == 6
    assert record().accepted() == 13
    shop.job = shop.job.replace("changed: send", "changed: stop")
    ended = shop.call("run")
    assert (ended.exit, ended.json["delivered"], record().accepted()) == (0, 0, 13)


def test_a_purge_of_contact_data_does_not_end_the_guard(shop: Shop, record: Records) -> None:
    assert "sent to ***" not in shop.call("purge", "--older-than", "0d").out
    shop.job = shop.job.replace("externalCustomerId: user", "email: mail")
    ended = shop.call("run")
    assert (ended.exit, ended.json["guard"], record().accepted()) == (5, "reidentified", 6)


def test_a_file_that_has_grown_was_renamed_or_is_packed_now_is_still_known(shop: Shop, record: Records) -> None:
    shop.job = shop.job.replace("externalCustomerId: user", "email: mail")
    text = (shop.folder / "a.csv").read_bytes() + b"x,new@example.com,/new,2026-11-20 11:00:00,m9\n"
    (shop.folder / "a.csv").unlink()
    (shop.folder / "renamed.csv.gz").write_bytes(gzip.compress(text))
    shop.job = shop.job.replace('path: "*.csv"', 'path: "*.gz"')
    ended = shop.call("run")
    assert (ended.exit, ended.json["guard"], ended.json["events"]) == (5, "reidentified", 7)
    assert ended.json["stopped"]["reason"].startswith("6 events")
    assert record().accepted() == 6


def test_a_lookup_that_knows_a_row_better_by_now_sends_it_no_second_time(shop: Shop, record: Records) -> None:
    (shop.folder / "crm").mkdir()
    crm = shop.folder / "crm" / "crm.csv"
    crm.write_text("visitor,id\nu9,c9\n", "utf-8")
    shop.job = shop.job.replace("externalCustomerId: user", 'externalCustomerId: "coalesce(crm.id, mail)"').replace(
        "events:", "lookups:\n  crm: {path: crm/crm.csv, key: visitor, on: visitor}\nevents:"
    )
    shop.write([{**row, "visitor": f"u{n}", "url": f"/of/{n}"} for n, row in enumerate(ROWS)])
    assert shop.call("run", "--set", "changed=send").json["delivered"] == 6
    crm.write_text("visitor,id\nu9,c9\nu3,c3\nu4,c4\n", "utf-8")
    ended = shop.call("run")
    assert (ended.exit, ended.json["duplicate"]) == (0, {"sent_before": 4, "changed": 2})
    (note,) = [note for note in ended.json["notes"] if "another keyValue" in note]
    assert note.startswith("warning: 2 events are left out")
    assert record().accepted() == 12


def test_an_export_written_again_with_the_customers_filled_in_sends_no_second_time(shop: Shop, record: Records) -> None:
    shop.write([{**row, "user": f"c{n}" if n in (2, 4) else row["user"]} for n, row in enumerate(ROWS)])
    ended = shop.call("run")
    assert (ended.exit, ended.json["duplicate"]) == (0, {"sent_before": 4, "changed": 2})
    assert any("another keyValue" in note for note in ended.json["notes"])
    assert record().accepted() == 6


# What must go on as before


def test_an_export_that_is_another_one_each_night_is_no_version_of_the_last(shop: Shop, record: Records) -> None:
    """One page at one moment is seen by two people; the second row arrives in the export of another night."""
    others = [{**row, "time": f"2026-11-21 10:00:{n:02d}"} for n, row in enumerate(ROWS)]
    shop.write([*others, {**ROWS[1], "user": "late"}])
    ended = shop.call("run")
    assert (ended.exit, ended.json["duplicate"], ended.json["delivered"]) == (0, {}, 7)
    assert record().accepted() == 13


def test_new_rules_for_rows_that_went_out_are_new_events(shop: Shop, record: Records) -> None:
    rule = "  - {type: pageViewed, page: {location: url}}\n"
    shop.job = shop.job.replace(rule, rule + "  - {type: searchRequest, search: url}\n")
    ended = shop.call("run")
    assert (ended.exit, ended.json["delivered"], ended.json["duplicate"]) == (0, 6, {"sent_before": 6})
    shop.job = shop.job.replace(rule, rule + rule.replace("url}", "\"'https://x' || url\"}"))
    ended = shop.call("run")
    assert ended.json["guard"] != "reidentified"


def test_elements_of_lists_are_events_of_their_own_in_trials_too(shop: Shop, record: Records) -> None:
    shop.job = shop.job.replace(
        "{type: pageViewed, page: {location: url}}",
        "{type: productAddedToWishlist, each: \"string_split(mail, ' ')\", contact: {externalCustomerId: item}, "
        "product: {productId: item, price: '1'}}",
    )
    shop.write([{**row, "mail": f"a{n} b{n}", "time": f"2026-11-22 10:00:{n:02d}"} for n, row in enumerate(ROWS)])
    for only, count in (("a0", 1), ("b0", 1)):
        assert shop.call("run", "--only", only).json["delivered"] == count
    ended = shop.call("run")
    assert (ended.exit, ended.json["delivered"], ended.json["duplicate"]) == (0, 10, {"sent_before": 2})


def test_an_event_that_was_refused_was_never_sent_and_may_be_mended(shop: Shop) -> None:
    shop.job = shop.job.replace("stale: send", "stale: send, max_rejected: 100%")
    with picky() as server:
        server.refused = {"/3"}
        shop.api = server.url
        shop.call("run")
        server.refused = set()
        shop.job = shop.job.replace("externalCustomerId: user", "email: mail")
        ended = shop.call("run")
        assert ended.json["stopped"]["reason"].startswith("5 events")
        shop.job += "changed: drop\n"
        assert shop.call("run").json["delivered"] == 1


def test_what_an_abandoned_run_never_sent_goes(shop: Shop, record: Records) -> None:
    shop.write([{**row, "time": f"2026-11-21 10:00:{n:02d}"} for n, row in enumerate(ROWS)])
    shop.call("run", "--limit", "2")
    shop.job = shop.job.replace("externalCustomerId: user", "email: mail")
    assert shop.call("run").json["guard"] == "mapping"
    ended = shop.call("run", "--abandon")
    assert (ended.json["guard"], ended.json["stopped"]["reason"][:8]) == ("reidentified", "2 events")
    shop.job += "changed: drop\n"
    assert shop.call("run").json["delivered"] == 4
    assert record().accepted() == 12


def test_history_after_the_live_run_of_the_same_rows_is_asked_in_the_same_way(shop: Shop, record: Records) -> None:
    shop.job = shop.job.replace("stale: send", "stale: send, method: past_events")
    ended = shop.call("run")
    assert (ended.exit, ended.json["duplicate"]) == (0, {"sent_before": 6})


def test_a_job_without_time_is_known_by_place_alone(shop: Shop, record: Records) -> None:
    shop.job = shop.job.replace("time: {column: time, zone: UTC}\n", "")
    untimed = ("run", "--state", str(shop.folder / "untimed"))
    shop.write(pages(5))
    assert shop.call(*untimed).json["delivered"] == 5
    shop.write(pages(5, user="other"))  # the list of another night: other people, the same pages
    ended = shop.call(*untimed)
    assert (ended.exit, ended.json["delivered"]) == (0, 5)
    shop.job = shop.job.replace("externalCustomerId: user", "externalCustomerId: upper(user)")
    assert shop.call(*untimed).json["guard"] == "reidentified"
