"""`rejects`: what a run refused is seen, exported in the input's own form, mended and replayed, and nothing goes out twice (RULES §9)."""

import csv
import json
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from called import Shop, pages
from circle import BAD, DAY, FORMS, Row, job_of, mended, spoilt, write
from picky import Picky, picky

from etl.sandbox.process import Child
from etl.sandbox.record import Record

Records = Callable[..., Record]
CSV = FORMS["csv"]


@pytest.fixture
def clean(tmp_path: Path, serve: Callable[..., Child], record: Records) -> Callable[[str, str], Counter[str]]:
    """What a clean input gives: the bodies at a sandbox of its own."""

    def sent(form: str, job: str) -> Counter[str]:
        folder = tmp_path / "clean"
        folder.mkdir()
        shop = Shop(folder, serve("clean").url, job=job)
        write(shop, FORMS[form], DAY)
        assert shop.call("run").exit == 0
        return record("clean").bodies()

    return sent


@pytest.fixture
def api() -> Iterator[Picky]:
    """A server that refuses what it is told to."""
    with picky() as server:
        yield server


def exported(shop: Shop, name: str = "bad.csv", *more: str) -> list[Row]:
    """The rows of an export of the newest run."""
    ended = shop.call("rejects", "--export", str(shop.folder / name), *more)
    assert ended.exit == 0, ended.err
    return CSV.read(shop.folder / name)


def again(shop: Shop, rows: list[Row], name: str = "mended.csv") -> list[str]:
    """Write mended rows to a file of their own; the arguments that replay it."""
    CSV.write(shop.folder / name, rows)
    return ["--replay", str(shop.folder / name)]


# The whole circle


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_bad_rows_exported_mended_and_replayed_are_what_a_clean_input_gives(
    form: str, timed: bool, shop: Shop, record: Records, clean: Callable[[str, str], Counter[str]]
) -> None:
    one = FORMS[form]
    shop.job = job_of(one, timed=timed)
    write(shop, one, spoilt(DAY, BAD if timed else {n: b for n, b in BAD.items() if b[0] != "time"}))
    first = shop.call("run")
    assert first.json["invalid"] > 0
    file = shop.folder / one.export
    shown = shop.call("rejects", "--export", str(file))
    rows = mended(one, file, DAY)
    assert (shown.exit, shown.json["exported"]["rows"]) == (0, len(rows))
    one.again(file, rows)
    ended = shop.call("rejects", "--replay", str(file))
    assert (ended.exit, ended.json["of"]) == (0, first.json["run"])
    assert record().bodies() == clean(form, shop.job)
    same = shop.call("rejects", "--replay", str(file))
    assert (same.exit, same.json["run"]) == (0, ended.json["run"])
    one.again(file, rows[::-1])  # another file, the same rows, sorted otherwise
    twice = shop.call("rejects", "--replay", str(file))
    assert (twice.exit, twice.json["events"]) == (0, 0)
    assert record().accepted() == ended.json["delivered"] + first.json["delivered"]


def test_a_row_is_exported_once_with_every_rule_that_failed_on_it_and_a_cart_with_all_its_lines(shop: Shop) -> None:
    shop.job = job_of(CSV)
    write(shop, CSV, spoilt(DAY, BAD))
    run = shop.call("run").json["run"]
    rows = exported(shop)
    assert [(row["rejected_file"], row["rejected_place"], row["rejected_rule"]) for row in rows] == [
        ("a1.csv", f"run {run} row 3", "events[0] pageViewed: no_contact; events[1] searchRequest: no_contact"),
        ("a1.csv", f"run {run} row 4", "events[2] cartUpdated: cart_line"),
        ("a1.csv", f"run {run} row 6", "events[2] cartUpdated: products.price.not_a_number, products.quantity.not_a_number"),
        ("a1.csv", f"run {run} row 7", "events[0] pageViewed: no_contact"),
        ("a2.csv", f"run {run} row 2", "events[2] cartUpdated: cart_line"),
        ("a2.csv", f"run {run} row 3", "events[1] searchRequest: time"),
        ("a2.csv", f"run {run} row 4", "events[2] cartUpdated: products.productId.missing"),
    ]  # fmt: skip
    assert [row["value"] for row in rows if row["cart"] == "k1"] == ["p1", "p2", "p3"]
    assert stat.S_IMODE((shop.folder / "bad.csv").stat().st_mode) == 0o600


def test_only_the_rules_that_refused_a_row_run_on_it_and_deleted_rows_are_given_up(shop: Shop, record: Records) -> None:
    shop.job = job_of(CSV)
    write(shop, CSV, spoilt(DAY, BAD))
    shop.call("run")
    (row,) = (row for row in exported(shop) if row["value"] == "/b")
    # The search of this row was never refused: there was none.
    ended = shop.call("rejects", *again(shop, [row | {"user": "u1", "kind": "both"}]))
    assert (ended.json["rows"], ended.json["by_type"]) == (1, {"pageViewed": 1})
    assert "no_rule" not in ended.json["filtered"]


def test_what_is_still_wrong_stays_in_the_replays_own_quarantine_and_its_rejects_can_be_replayed(
    shop: Shop, record: Records, clean: Callable[[str, str], Counter[str]]
) -> None:
    shop.job = job_of(CSV)
    write(shop, CSV, spoilt(DAY, BAD))
    first = shop.call("run")
    rows = exported(shop)
    best = mended(CSV, shop.folder / "bad.csv", DAY)
    half = [good if row["cart"] == "" else row for row, good in zip(rows, best, strict=True)]
    second = shop.call("rejects", *again(shop, half))
    assert (second.exit, second.json["invalid"], second.json["delivered"]) == (0, 4, 4)
    left = exported(shop, "left.csv")
    assert {row["cart"] for row in left} == {"k1", "k4"}
    assert {row["rejected_place"].split()[1] for row in left} == {second.json["run"]}
    third = shop.call("rejects", *again(shop, mended(CSV, shop.folder / "left.csv", DAY), "rest.csv"))
    assert (third.exit, third.json["of"], third.json["invalid"]) == (0, second.json["run"], 0)
    assert record().bodies() == clean("csv", shop.job)
    assert shop.call("rejects", "--run", first.json["run"]).json["invalid"] == first.json["invalid"]  # old books stay


def test_a_row_mended_twice_is_sent_once(shop: Shop, record: Records) -> None:
    shop.job = job_of(CSV)
    write(shop, CSV, spoilt(DAY, BAD))
    shop.call("run")
    (row,) = (row for row in exported(shop) if row["value"] == "/b")
    assert shop.call("rejects", *again(shop, [row | {"user": "u1"}])).json["delivered"] == 1
    otherwise = shop.call("rejects", *again(shop, [row | {"user": "u1", "value": "/B"}], "other.csv"))
    assert (otherwise.exit, otherwise.json["duplicate"]) == (0, {"changed": 1})


def test_a_cart_waits_whole_for_the_contact_of_one_of_its_lines(
    shop: Shop, record: Records, clean: Callable[[str, str], Counter[str]]
) -> None:
    shop.job = job_of(CSV)
    write(shop, CSV, spoilt(DAY, {6: ("user", "")}))
    shop.call("run")
    assert len(exported(shop)) == 3
    ended = shop.call("rejects", *again(shop, mended(CSV, shop.folder / "bad.csv", DAY)))
    assert (ended.exit, ended.json["rows"], ended.json["folded"], ended.json["delivered"]) == (0, 3, 2, 1)
    assert record().bodies() == clean("csv", shop.job)  # no short cart went out before


def test_a_mended_line_whose_cart_went_out_without_it_goes_with_all_of_it(
    shop: Shop, record: Records, clean: Callable[[str, str], Counter[str]]
) -> None:
    shop.job = job_of(CSV)
    # The row does not say of which cart it is a line: the cart goes out without it.
    write(shop, CSV, spoilt(DAY, {6: ("cart", "")}))
    shop.call("run")
    rows = exported(shop)
    assert len(rows) == 1
    ended = shop.call("rejects", *again(shop, mended(CSV, shop.folder / "bad.csv", DAY)))
    assert (ended.exit, ended.json["rows"], ended.json["folded"], ended.json["delivered"]) == (0, 3, 2, 1)
    expected = clean("csv", shop.job)
    assert not expected - record().bodies()
    assert (record().bodies() - expected).total() == 1  # the short one, which went out before
    (shop.folder / "a1.csv").unlink()
    gone = shop.call("rejects", *again(shop, rows, "other.csv"))
    assert gone.exit == 3  # still wrong: it is nobody's line


def test_lines_of_a_cart_that_are_mended_one_after_the_other_go_with_those_mended_before(
    shop: Shop, record: Records, clean: Callable[[str, str], Counter[str]]
) -> None:
    shop.job = job_of(CSV)
    write(shop, CSV, spoilt(DAY, {4: ("cart", ""), 6: ("cart", "")}))
    shop.call("run")
    exported(shop)
    for number, row in enumerate(mended(CSV, shop.folder / "bad.csv", DAY)):
        ended = shop.call("rejects", "--run", "1", *again(shop, [row], f"part{number}.csv"))
        (shop.folder / f"part{number}.csv").unlink()  # what it held is not asked of it again
        assert (ended.exit, ended.json["rows"], ended.json["delivered"]) == (0, 2 + number, 1)
    assert not clean("csv", shop.job) - record().bodies()


def test_a_mended_line_whose_cart_an_earlier_run_has_sent_goes_with_all_of_it(
    shop: Shop, record: Records, clean: Callable[[str, str], Counter[str]]
) -> None:
    shop.job = job_of(CSV)
    write(shop, CSV, spoilt(DAY, {6: ("cart", "")}))
    shop.call("run")
    CSV.write(shop.folder / "a3.csv", [DAY[0] | {"user": "u9"}])
    assert shop.call("run").json["duplicate"] == {"sent_before": 9}  # the newest run holds nothing of the cart
    exported(shop)
    ended = shop.call("rejects", *again(shop, mended(CSV, shop.folder / "bad.csv", DAY)))
    assert (ended.exit, ended.json["rows"], ended.json["delivered"]) == (0, 3, 1)
    assert not clean("csv", shop.job) - record().bodies()


def test_a_cart_that_went_out_with_its_last_line_is_changed_and_goes_where_the_job_says_so(
    shop: Shop, record: Records, clean: Callable[[str, str], Counter[str]]
) -> None:
    shop.job = job_of(CSV)
    write(shop, CSV, spoilt(DAY, {4: ("cart", "")}))
    shop.call("run")
    exported(shop)
    replay = again(shop, mended(CSV, shop.folder / "bad.csv", DAY))
    assert shop.call("rejects", *replay).json["duplicate"] == {"changed": 1}
    ended = shop.call("rejects", *replay, "--run", "1", "--set", "changed=send")
    assert (ended.exit, ended.json["delivered"]) == (0, 1)
    assert not clean("csv", shop.job) - record().bodies()


@pytest.mark.parametrize("form", ["csv", "ndjson", "log"])
def test_rows_that_cannot_be_read_are_exported_as_text_and_stay_unread_until_they_are_mended(
    form: str, shop: Shop, record: Records
) -> None:
    one = FORMS[form]
    shop.job = job_of(one)
    day = [row for row in DAY if row["kind"] == "page"]
    write(shop, one, day, cut=2)
    file = shop.folder / f"a1.{form}"
    broken = {"csv": "page;u9;2026-11-20T10:00:00Z;/x", "ndjson": '{"kind": "page", "us', "log": "10.0.0.1 - - [cut"}[
        form
    ]
    file.write_bytes(file.read_bytes() + broken.encode() + b"\n")
    first = shop.call("run")
    assert (first.json["delivered"], first.json["invalid"]) == (3, 1)
    bad = shop.folder / one.export
    shop.call("rejects", "--export", str(bad))
    assert broken in bad.read_text("utf-8").replace('\\"', '"')
    untouched = shop.call("rejects", "--replay", str(bad))
    assert (untouched.json["invalid_reasons"], untouched.json["events"]) == (first.json["invalid_reasons"], 0)
    if form == "log":
        with bad.open(newline="") as stream:
            (row,) = csv.DictReader(stream)
        rows = [DAY[0] | {"user": "u9"} | {k: v for k, v in row.items() if k != "line"}]
    else:
        (row,) = one.read(bad)
        row.pop("rejected_text", None)
        rows = [row | DAY[0] | {"user": "u9"}]
    one.again(bad, rows)
    ended = shop.call("rejects", "--replay", str(bad))
    assert (ended.exit, ended.json["delivered"], ended.json["invalid"]) == (0, 1, 0)


def test_of_an_exploded_list_only_the_elements_that_were_refused_run_again(shop: Shop, record: Records) -> None:
    one = FORMS["ndjson"]
    shop.job = shop.job.replace('"*.csv"', "a.ndjson, explode: items").replace("location: url", "location: items.url")
    shop.job += "max_invalid: 100%\n"
    items = [{"url": "/a"}, {"url": ""}, {"url": "/c"}]
    one.write(shop.folder / "a.ndjson", [{"user": "u1", "time": "2026-11-20T10:00:00Z", "items": items}])
    assert shop.call("run").json["delivered"] == 2
    file = shop.folder / "bad.ndjson"
    shop.call("rejects", "--export", str(file))
    (row,) = one.read(file)
    assert row["rejected_rule"] == "events[0] element 1 pageViewed: page.location.missing"
    items[1]["url"] = "/b"
    one.again(file, [row | {"items": items}])
    ended = shop.call("rejects", "--replay", str(file))
    assert (ended.exit, ended.json["delivered"], ended.json["filtered"]) == (0, 1, {"no_rule": 2})
    assert len(record().bodies()) == 3


def test_of_a_list_in_a_row_what_was_sent_is_not_sent_again(shop: Shop, record: Records) -> None:
    one = FORMS["ndjson"]
    shop.job = shop.job.replace('"*.csv"', "a.ndjson").replace("type: pageViewed,", "type: pageViewed, each: items,")
    shop.job = shop.job.replace("location: url", "location: item.url") + "max_invalid: 100%\n"
    items = [{"url": "/a"}, {"url": ""}, {"url": "/c"}]
    one.write(shop.folder / "a.ndjson", [{"user": "u1", "time": "2026-11-20T10:00:00Z", "items": items}])
    assert shop.call("run").json["delivered"] == 2
    file = shop.folder / "bad.ndjson"
    shop.call("rejects", "--export", str(file))
    (row,) = one.read(file)
    items[1]["url"] = "/b"
    one.again(file, [row | {"items": items}])
    ended = shop.call("rejects", "--replay", str(file))
    assert (ended.exit, ended.json["delivered"], ended.json["duplicate"]) == (0, 1, {"sent_before": 2})
    assert record().accepted() == 3


def test_a_csv_keeps_its_encoding_and_has_no_header_where_the_job_names_the_columns(
    shop: Shop, record: Records
) -> None:
    shop.job = shop.job.replace('"*.csv"', '"a.csv", encoding: cp1251, delimiter: "|", columns: [user, url, time]')
    shop.job += "max_invalid: 100%\n"
    (shop.folder / "a.csv").write_bytes("|/сукня|2026-11-20T10:00:00Z\nu2|/б|2026-11-20T10:00:00Z\n".encode("cp1251"))
    assert shop.call("run").json["delivered"] == 1
    file = shop.folder / "bad.csv"
    shop.call("rejects", "--export", str(file))
    text = file.read_bytes().decode("cp1251")
    assert text.startswith("|/сукня|2026-11-20T10:00:00Z|a.csv|run 000001-")
    file.write_bytes(("u1" + text).encode("cp1251"))
    ended = shop.call("rejects", "--replay", str(file))
    assert (ended.exit, ended.json["delivered"]) == (0, 1)
    assert "сукня" in "".join(record().bodies())


def test_a_spreadsheets_own_delimiter_is_read(shop: Shop) -> None:
    shop.job = job_of(CSV)
    write(shop, CSV, spoilt(DAY, BAD))
    shop.call("run")
    exported(shop)
    rows = mended(CSV, shop.folder / "bad.csv", DAY)
    with (shop.folder / "excel.csv").open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter="\t", quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(rows)
    ended = shop.call("rejects", "--replay", str(shop.folder / "excel.csv"))
    assert (ended.exit, ended.json["invalid"], ended.json["delivered"]) == (0, 0, 6)


def test_parquet_keeps_its_types(shop: Shop) -> None:
    rows = pa.table({
        "user": pa.array(["u1", None]).dictionary_encode(),
        "url": pa.array(["/a", "/b"], pa.large_string()),
        "time": pa.array([1_763_632_800_000_000_000] * 2, pa.timestamp("ns", "Europe/Kyiv")),
        "price": pa.array([1.5, None], pa.float32()),
    })  # fmt: skip
    pq.write_table(rows, shop.folder / "a.parquet")
    shop.job = shop.job.replace('"*.csv"', "a.parquet") + "max_invalid: 100%\n"
    shop.call("run")
    file = shop.folder / "bad.parquet"
    shop.call("rejects", "--export", str(file))
    found = pq.read_table(file)
    assert found.schema.names[:4] == rows.schema.names
    assert found.select(rows.schema.names).schema.types == pq.read_table(shop.folder / "a.parquet").schema.types
    pq.write_table(found.set_column(0, "user", pa.array(["u2"])), file)
    ended = shop.call("rejects", "--replay", str(file))
    assert (ended.exit, ended.json["delivered"]) == (0, 1)


def test_a_w3c_log_brings_the_directives_that_its_lines_hang_on(shop: Shop, record: Records) -> None:
    log = (
        "#Software: IIS\n#Fields: date time cs-method cs-uri-stem c-ip\n"
        "2026-11-20 10:00:00 GET /a 10.0.0.1\n2026-11-20 10:00:01 GET /b -\n"
        "#Fields: date time c-ip cs-method cs-uri-stem\n2026-11-20 10:00:02 - GET /c\n2026-11-20 10:00:03 10.0.0.2 GET /d\n"
    )
    (shop.folder / "a.log").write_text(log)
    shop.job = (
        shop.job.replace('"*.csv"', "a.log, format: access_log").replace("user}", "host}").replace("url}", "path}")
    )
    shop.job += "max_invalid: 100%\n"
    assert shop.call("run").json["delivered"] == 2
    file = shop.folder / "bad.csv"
    shop.call("rejects", "--export", str(file))
    text = file.read_text()
    assert text.count("#Fields") == 2
    file.write_text(text.replace("GET /b -", "GET /b 10.0.0.8").replace("10:00:02 - GET", "10:00:02 10.0.0.9 GET"))
    ended = shop.call("rejects", "--replay", str(file))
    assert (ended.exit, ended.json["rows"], ended.json["delivered"]) == (0, 2, 2)
    assert {key for key in ("10.0.0.8", "10.0.0.9") if key in "".join(record().bodies())} == {"10.0.0.8", "10.0.0.9"}


def test_rules_may_be_those_of_a_transforms_rows(shop: Shop) -> None:
    (shop.folder / "t.py").write_text(
        "def clean(frame):\n    assert not [c for c in frame if '!' in c or 'rejected' in c]\n    return frame\n"
    )
    shop.job = shop.job.replace("contact:", "transform: t.py:clean\ncontact:") + "max_invalid: 100%\n"
    shop.write([row | {"user": ""} for row in pages(2)])
    shop.call("run")
    bad = shop.folder / "bad"
    shop.call("rejects", "--export", str(bad))
    bad.write_text(bad.read_text().replace("\n,", "\nu1,"))
    assert shop.call("rejects", "--replay", str(bad)).json["delivered"] == 2


# A run like any other


def test_a_replay_that_was_killed_goes_on(shop: Shop, record: Records, serve: Callable[..., Child]) -> None:
    rows = pages(300)
    shop.job = shop.job.replace("rate: 1000/s", "rate: 100/s") + "max_invalid: 100%\n"
    shop.write([row | {"user": ""} for row in rows])
    shop.call("run")
    shop.call("rejects", "--export", str(shop.folder / "bad"))
    with (shop.folder / "bad").open(newline="") as stream:
        found = list(csv.DictReader(stream))
    (shop.folder / "a.csv").unlink()  # a replay needs the input no more
    CSV.write(shop.folder / "bad", [row | good for row, good in zip(found, rows, strict=True)])
    arguments = ("rejects", "--replay", str(shop.folder / "bad"))
    for _ in range(2):
        before = record().accepted()
        running = shop.start(*arguments)
        _until(lambda before=before: record().accepted() > before + 20)
        running.kill()
        running.communicate()
    (shop.folder / "bad").unlink()
    ended = shop.call(*arguments)
    assert (ended.exit, ended.json["delivered"]) == (0, 300)
    assert len(record().bodies()) == 300
    assert record().accepted() - 300 <= ended.json["resent"]


def test_an_unfinished_replay_stands_beside_the_main_run(shop: Shop, record: Records) -> None:
    shop.job = job_of(CSV)
    write(shop, CSV, spoilt(DAY, BAD))
    main = shop.call("run", "--limit", "1")
    exported(shop)
    arguments = again(shop, mended(CSV, shop.folder / "bad.csv", DAY))
    cut = shop.call("rejects", *arguments, "--limit", "2")
    assert (cut.exit, cut.json["delivered"], cut.json["of"]) == (75, 2, main.json["run"])
    rest = shop.call("run")
    assert (rest.exit, rest.json["run"]) == (0, main.json["run"])
    ended = shop.call("rejects", *arguments)
    assert (ended.exit, ended.json["run"], ended.json["pending"]) == (0, cut.json["run"], 0)
    standing = shop.call("status").json["destinations"][0]["runs"]
    assert [(run["kind"], run["of"], run["state"]) for run in standing] == [
        ("main", None, "finished"),
        ("replay", main.json["run"], "finished"),
    ]


def test_a_changed_mapping_stops_a_replay_before_anything_is_sent(shop: Shop, record: Records) -> None:
    shop.job = job_of(CSV)
    write(shop, CSV, spoilt(DAY, BAD))
    shop.call("run")
    exported(shop)
    arguments = again(shop, mended(CSV, shop.folder / "bad.csv", DAY))
    sent = record().accepted()
    shop.job = shop.job.replace("search: value", "search: upper(value)")
    ended = shop.call("rejects", *arguments)
    assert (ended.exit, ended.json["guard"], record().accepted()) == (5, "mapping", sent)


def test_a_replay_is_of_the_date_of_its_run(shop: Shop) -> None:
    shop.job = shop.job.replace('"*.csv"', '"{{ date }}.csv"') + "max_invalid: 100%\n"
    shop.write([row | {"user": ""} for row in pages(2)], "2026-11-20.csv")
    shop.call("run", "--date", "2026-11-20")
    bad = shop.folder / "bad"
    shop.call("rejects", "--export", str(bad))
    bad.write_text(bad.read_text().replace("\n,", "\nu1,"))
    cut = shop.call("rejects", "--replay", str(bad), "--limit", "1")
    assert (cut.exit, cut.json["date"]) == (75, "2026-11-20")
    main = shop.call("run", "--date", "2026-11-20", as_json=False)
    assert f"run {cut.json['run']} of 2026-11-20, a replay, is unfinished" in main.out + main.err
    ended = shop.call("run", "--date", "2026-11-20", "--plan", cut.json["run"])
    assert (ended.exit, ended.json["run"], ended.json["delivered"]) == (0, cut.json["run"], 2)


def test_guards_against_a_broken_export_are_none_of_a_replays_business(shop: Shop) -> None:
    shop.job = job_of(CSV).replace("max_invalid: 100%", "max_invalid: 80%\nexpect: {rows: 10, events: 3}")
    write(shop, CSV, spoilt(DAY, BAD))
    assert shop.call("run").exit == 0
    ended = shop.call("rejects", *again(shop, exported(shop)))  # nothing mended
    assert (ended.exit, ended.json["guard"], ended.json["invalid"], ended.json["events"]) == (3, None, 8, 0)


# What cannot be done is said


@pytest.mark.parametrize("change", ["gone", "grown"])
def test_an_input_that_is_gone_or_changed_is_named(change: str, shop: Shop) -> None:
    shop.job = job_of(CSV)
    write(shop, CSV, spoilt(DAY, BAD))
    shop.call("run")
    file = shop.folder / "a2.csv"
    if change == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes() + b"page;u1;;;;\r\n")
    ended = shop.call("rejects", "--export", str(shop.folder / "bad.csv"))
    assert (ended.exit, "a2.csv" in ended.json["stopped"]["reason"]) == (4, True)
    assert not (shop.folder / "bad.csv").exists()
    assert shop.call("rejects").exit == 0  # what was refused can be seen all the same


@pytest.mark.parametrize(
    ("change", "exit_code", "words"),
    [
        ({"rejected_place": ""}, 4, "no place"),
        ({"rejected_file": "b.csv"}, 4, "no place"),
        ({"rejected_rule": "whatever"}, 4, "names no rule"),
        ({"rejected_place": "run 000009-aaaaaa row 3"}, 4, "several runs"),
        (None, 4, "rejected_file"),
    ],
)
def test_a_file_that_was_not_exported_so_is_refused(
    change: dict[str, str] | None, exit_code: int, words: str, shop: Shop, record: Records
) -> None:
    shop.job = job_of(CSV)
    write(shop, CSV, spoilt(DAY, BAD))
    shop.call("run")
    rows = exported(shop)
    sent = record().accepted()
    if change is None:
        rows = [{k: v for k, v in row.items() if not k.startswith("rejected_")} for row in rows]
    else:
        rows[1] = rows[1] | change
    ended = shop.call("rejects", *again(shop, rows))
    assert (ended.exit, record().accepted()) == (exit_code, sent)
    assert words in ended.json["stopped"]["reason"]


def test_an_export_overwrites_nothing_and_tells_the_form(shop: Shop) -> None:
    shop.job = job_of(CSV)
    write(shop, CSV, spoilt(DAY, BAD))
    shop.call("run")
    (shop.folder / "mine.csv").write_text("mended")
    assert shop.call("rejects", "--export", str(shop.folder / "mine.csv")).exit == 2
    assert (shop.folder / "mine.csv").read_text() == "mended"
    assert shop.call("rejects", "--export", str(shop.folder / "bad.parquet")).exit == 2
    assert shop.call("rejects", "--export", str(shop.folder / "nowhere" / "bad.csv")).exit == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("--resend",),
        ("--dead-letters", "--unknown"),
        ("--unknown", "--export", "x.csv"),
        ("--export", "x.csv", "--replay", "y.csv"),
        ("--replay", "missing.csv"),
        ("--run", "77"),
    ],
)
def test_what_makes_no_sense_together_is_2(arguments: tuple[str, ...], shop: Shop) -> None:
    shop.write(pages(1))
    shop.call("run")
    assert shop.call("rejects", *arguments).exit == 2


def test_contact_data_is_masked_for_the_eye_and_whole_in_the_export(shop: Shop) -> None:
    shop.job = shop.job.replace("{externalCustomerId: user}", "{email: user}") + "max_invalid: 100%\n"
    shop.write([row | {"user": "ann.visitor@example.com", "time": "?", "url": "+380671234567"} for row in pages(1)])
    shop.call("run")
    for seen in (shop.call("rejects", as_json=False).out, shop.call("rejects").out):
        assert "a***@example.com" in seen
        assert "ann.visitor" not in seen
        assert "0671234567" not in seen
    shop.call("rejects", "--export", str(shop.folder / "bad.csv"))
    assert "ann.visitor@example.com" in (shop.folder / "bad.csv").read_text()


# Dead letters and unknown events


def test_dead_letters_are_exported_with_all_lines_and_go_out_mended(shop: Shop, api: Picky) -> None:
    shop.api = api.url
    shop.job = job_of(CSV).replace("rate:", "max_rejected: 100%, rate:")
    write(shop, CSV, DAY)
    api.refused = {"p2", "/c"}
    first = shop.call("run")
    assert (first.exit, first.json["rejected"]) == (3, 2)
    seen = shop.call("rejects", as_json=False).out
    assert "rejected 400" in seen
    assert "visitor@example.com" not in seen
    rows = exported(shop)
    assert [(row["value"], row["rejected_rule"].split(":")[0]) for row in rows] == [
        ("p1", "events[2] cartUpdated"),
        ("p2", "events[2] cartUpdated"),
        ("p3", "events[2] cartUpdated"),
        ("/c", "events[0] pageViewed"),
    ]
    rows[1]["value"], rows[3]["value"] = "q2", "/d"
    ended = shop.call("rejects", *again(shop, rows))
    assert (ended.exit, ended.json["delivered"], ended.json["folded"]) == (0, 2, 2)
    (cart,) = (json.loads(body) for body in api.taken if "q2" in body)
    products = next(json.loads(p["value"]) for p in cart["params"] if p["name"] == "products")
    assert [p["productId"] for p in products] == ["p1", "q2", "p3"]


def test_the_lines_of_a_refused_cart_are_not_guessed_after_the_mapping_changed(shop: Shop, api: Picky) -> None:
    shop.api = api.url
    shop.job = job_of(CSV).replace("rate:", "max_rejected: 100%, rate:")
    write(shop, CSV, DAY)
    api.refused = {"p2"}
    shop.call("run")
    shop.job = shop.job.replace("lines: [cart]", "lines: [cart, time]")
    ended = shop.call("rejects", "--export", str(shop.folder / "bad.csv"))
    assert (ended.exit, ended.json["guard"]) == (5, "mapping")
    api.refused = set()
    assert shop.call("rejects", "--dead-letters", "--resend").json["delivered"] == 1  # its body is as it was


def test_dead_letters_go_out_as_they_are_once_the_api_takes_them(shop: Shop, api: Picky) -> None:
    shop.api = api.url
    shop.job = job_of(CSV).replace("rate:", "max_rejected: 100%, rate:")
    write(shop, CSV, DAY)
    api.refused = {"cartUpdated"}
    first = shop.call("run")
    assert (first.exit, first.json["rejected"]) == (3, 3)
    api.refused = set()
    ended = shop.call("rejects", "--dead-letters", "--resend")
    assert (ended.exit, ended.json["delivered"], ended.json["resent"], ended.json["of"]) == (0, 3, 0, first.json["run"])
    assert max(api.bodies().values()) == 1
    assert shop.call("rejects", "--run", "1", "--dead-letters", "--resend").json["run"] == ended.json["run"]
    assert len(api.taken) == first.json["events"]
    unchanged = shop.call("rejects", "--dead-letters", "--resend")  # of the newest run: all of it was delivered
    assert (unchanged.exit, len(api.taken)) == (0, first.json["events"])


def test_unknown_events_go_out_once_more_only_when_told_to_and_are_counted(shop: Shop, api: Picky) -> None:
    shop.api = api.url
    shop.job = job_of(CSV).replace("rate:", "on_unknown: hold, rate:")
    write(shop, CSV, DAY)
    api.silent = {"k2", "/b"}
    first = shop.call("run")
    assert (first.exit, first.json["unknown"]) == (3, 2)
    listed = shop.call("rejects", "--unknown").json
    assert (listed["unknown"], sum(one["count"] for one in listed["reasons"])) == (2, 2)
    assert shop.call("run").exit == 3
    assert len(api.taken) == first.json["events"]
    api.silent = set()
    ended = shop.call("rejects", "--unknown", "--resend")
    one = ended.json
    assert (ended.exit, one["rows"], one["events"], one["delivered"], one["resent"]) == (0, 2, 2, 2, 2)
    assert sorted(api.bodies().values()) == [1] * (first.json["events"] - 2) + [2, 2]
    assert shop.call("rejects", "--run", "1", "--unknown", "--resend").json["run"] == one["run"]
    assert len(api.taken) == first.json["events"] + 2


def test_an_unknown_event_that_is_unknown_again_can_be_told_to_go_once_more(shop: Shop, api: Picky) -> None:
    shop.api = api.url
    shop.job = job_of(CSV).replace("rate:", "on_unknown: hold, rate:")
    write(shop, CSV, DAY)
    api.silent = {"/b"}
    shop.call("run")
    second = shop.call("rejects", "--unknown", "--resend")
    assert (second.exit, second.json["unknown"], second.json["resent"], second.json["requests"]) == (3, 1, 1, 1)
    api.silent = set()
    third = shop.call("rejects", "--unknown", "--resend")
    assert (third.exit, third.json["of"], third.json["delivered"], third.json["resent"]) == (
        0,
        second.json["run"],
        1,
        1,
    )
    assert max(api.bodies().values()) == 3


def test_an_unknown_cart_that_was_overtaken_stays_where_it_is(shop: Shop, api: Picky) -> None:
    shop.api = api.url
    shop.job = job_of(CSV).replace("rate:", "on_unknown: hold, rate:")
    later = [
        row | {"cart": "k0", "value": "older", "time": "2026-11-20T09:00:00Z"} for row in DAY if row["cart"] == "k2"
    ]
    write(shop, CSV, [*DAY, *later])
    api.silent = {"older"}
    assert shop.call("run").json["unknown"] == 1
    api.silent = set()
    ended = shop.call("rejects", "--unknown", "--resend")
    assert (ended.exit, ended.json["events"], ended.json["duplicate"]) == (0, 0, {"superseded": 1})


def _until(true: Callable[[], Any], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)
