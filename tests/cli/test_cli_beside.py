"""What stands beside the source over several calls: lookups (RULES §2)."""

from collections.abc import Callable

from called import JOB, Shop, pages

from etl.sandbox.record import Record

Records = Callable[[], Record]

LOOKUP = JOB.replace('"*.csv"', "a.csv").replace(
    "page: {location: url}}", "page: {location: url}, params: {name: crm.name}}"
).replace("events:", "lookups: {crm: {path: crm.csv, key: id, on: user}}\nevents:")  # fmt: skip


def write_lookup(shop: Shop, name: str) -> None:
    shop.write([{"id": f"u{n}", "name": f"{name} {n}"} for n in range(5)], "crm.csv")


def test_a_lookup_that_changed_never_stops_an_unfinished_run(shop: Shop, record: Records) -> None:
    shop.job = LOOKUP
    shop.write(pages(10))
    write_lookup(shop, "Ann")
    cut = shop.call("run", "--limit", "4")
    write_lookup(shop, "Anne Marie")
    ended = shop.call("run")
    assert [one["run"] for one in ended.json["earlier"]] == [cut.json["run"]]
    assert (ended.json["earlier"][0]["delivered"], ended.exit) == (10, 0)
    assert (ended.json["duplicate"], ended.json["events"]) == ({"changed": 10}, 0)
    assert record().accepted() == 10
    assert ended.json["lookups"] == {"crm": {"rows": 10, "found": 10}}


def test_a_lookup_that_is_gone_stops_the_planning_and_not_the_run_that_was_cut(shop: Shop, record: Records) -> None:
    shop.job = LOOKUP
    shop.write(pages(10))
    write_lookup(shop, "Ann")
    shop.call("run", "--limit", "4")
    (shop.folder / "crm.csv").unlink()
    ended = shop.call("run")
    assert (ended.exit, ended.json["delivered"]) == (0, 10)
    again = shop.call("run")
    assert again.exit == 4
    assert "lookup crm: no input" in again.err


def test_check_tells_the_mistakes_of_lookups_against_their_headers(shop: Shop) -> None:
    shop.job = LOOKUP.replace("crm.name", "crm.nam")
    shop.write(pages(1))
    write_lookup(shop, "Ann")
    ended = shop.call("check")
    assert ended.exit == 2
    (mistake,) = ended.json["mistakes"]
    assert mistake["message"] == "`crm.nam`: no column `nam` in lookup `crm`; did you mean `name`?"
    (shop.folder / "crm.csv").unlink()
    assert "columns not checked: lookup crm: no input" in shop.call("check", as_json=False).out
