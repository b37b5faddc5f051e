"""What stands beside the source over several calls: lookups, and lists of contacts (RULES §2)."""

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


CONTACTS = JOB.replace('"*.csv"', "a.csv").replace("events:", "contacts: {suppress: list.txt}\nevents:")


def test_pending_events_are_checked_against_the_lists_again_at_the_start_of_each_call(
    shop: Shop, record: Records
) -> None:
    shop.job = CONTACTS
    shop.write(pages(20))
    (shop.folder / "list.txt").write_text("nobody\n")
    cut = shop.call("run", "--limit", "5")
    (shop.folder / "list.txt").write_text("u3\n")
    ended = shop.call("run", "--limit", "15")
    one = ended.json.get("earlier", [ended.json])[0]
    assert one["run"] == cut.json["run"]
    assert (one["filtered"], one["delivered"], one["events"], one["rows"]) == ({"suppressed": 3}, 17, 17, 20)
    assert record().accepted() == 17


def test_pending_events_are_known_by_every_locator_in_their_bodies(shop: Shop, record: Records) -> None:
    shop.job = CONTACTS.replace("suppress", "known").replace(
        "externalCustomerId: user}", "externalCustomerId: user, email: mail, phone: phone, pushToken: push}"
    ).replace("location: url}}", "location: url}, params: {email2: mail}}")  # fmt: skip
    locators = [{"mail": f"U{n}@Example.com", "phone": f"+38050123450{n}", "push": f"p{n}"} for n in range(5)]
    shop.write([page | own for page, own in zip(pages(5), locators, strict=True)])
    (shop.folder / "list.txt").write_text("".join(f"u{n}\n" for n in range(5)))
    shop.call("run", "--limit", "1")
    (shop.folder / "list.txt").write_text("u1@example.com\n380501234502\np3\n")
    ended = shop.call("run")
    one = ended.json["earlier"][0]
    assert (one["filtered"], one["delivered"]) == ({"unknown_contact": 1}, 4)
    assert record().accepted() == 4


def test_a_list_that_is_gone_stops_also_a_run_that_was_cut(shop: Shop, record: Records) -> None:
    """Without it nobody knows for whom nothing may go; an input that is gone stops no such run."""
    shop.job = CONTACTS
    shop.write(pages(10))
    (shop.folder / "list.txt").write_text("u3\n")
    cut = shop.call("run", "--limit", "2")
    (shop.folder / "list.txt").unlink()
    ended = shop.call("run")
    assert (ended.exit, ended.json["run"], ended.json["pending"]) == (4, cut.json["run"], 6)
    assert "contacts.suppress: no input" in ended.json["stopped"]["reason"]
    assert record().accepted() == 2
    (shop.folder / "list.txt").write_text("nobody\n")
    ended = shop.call("run")
    assert [one["delivered"] for one in ended.json["earlier"]] == [8]
    assert (ended.json["events"], ended.json["delivered"]) == (2, 2)  # they are not suppressed any more
    assert record().accepted() == 10
