"""check, plan and run of jobs whose files are elsewhere."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator

import pytest
from called import JOB, Ended, Shop, pages
from planned import csv_text
from remote_servers import AWS, Bucket, Web, s3_bucket, s3_server, web_server

from etl.sandbox.record import Record

TOKEN = "X-Amz-Date=20261120T000000Z&X-Amz-Signature=5ecre7"


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def lake(moto: str, shop: Shop) -> Bucket:
    shop.environment |= AWS | {"AWS_ENDPOINT_URL": moto}
    return s3_bucket(moto)


def table(count: int, start: int = 0) -> bytes:
    return csv_text(pages(count, start=start)).encode()


def marked(ended: Ended) -> str:
    """What a plan is known by, apart from its number."""
    return str(ended.json["run"]).partition("-")[2]


def test_a_folder_of_a_bucket_is_checked_planned_and_sent_in_order(
    shop: Shop, lake: Bucket, record: Callable[[], Record]
) -> None:
    lake.put("2026-11-20/part-10.csv.gz", gzip.compress(table(40, start=20)))
    lake.put("2026-11-20/part-9.csv.gz", gzip.compress(table(20)))
    lake.put("2026-11-19/part-1.csv.gz", gzip.compress(table(5, start=70)))
    shop.job = JOB.replace('"*.csv"', '"s3://lake/{{ date }}/*.csv.gz"')
    checked = shop.call("check", "--date", "2026-11-20", as_json=False)
    assert (checked.exit, "3 columns" in checked.out) == (0, True), checked
    planned = shop.call("plan", "--date", "2026-11-20")
    assert (planned.exit, planned.json["rows"], planned.json["events"]) == (0, 60, 60)
    ended = shop.call("run", "--date", "2026-11-20")
    assert (ended.exit, ended.json["run"], ended.json["delivered"]) == (0, planned.json["run"], 60)
    assert len(record().events()) == 60


def test_the_same_object_is_the_same_input_and_a_changed_one_another(shop: Shop, lake: Bucket) -> None:
    lake.put("a.csv", table(10))
    shop.job = JOB.replace('"*.csv"', "s3://lake/a.csv")
    first = marked(shop.call("plan"))
    assert marked(shop.call("plan")) == first
    lake.put("a.csv", table(10).replace(b"/3", b"/4"))
    assert marked(shop.call("plan")) != first


def test_lookups_and_contacts_are_read_from_there_too(shop: Shop, lake: Bucket) -> None:
    lake.put("a.csv", table(10))
    lake.put("crm.csv", b"visitor,customer\nu0,c0\nu1,c1\nu2,c2\nu3,c3\nu4,c4\n")
    lake.put("gone/1.csv", b"id\nc1\n")
    shop.job = (
        JOB.replace('"*.csv"', "s3://lake/a.csv").replace("user}", "crm.customer}")
        + "lookups: {crm: {path: s3://lake/crm.csv, key: visitor, on: user}}\n"
        + "contacts: {suppress: s3://lake/gone/}\n"
    )
    ended = shop.call("run")
    assert (ended.exit, ended.json["delivered"], ended.json["filtered"]) == (0, 8, {"suppressed": 2})
    lake.put("gone/1.csv", b"id\nc2\n")
    assert marked(shop.call("plan")) != marked(ended)


def test_what_is_missing_or_refused_is_exit_4_and_says_which(shop: Shop, lake: Bucket) -> None:
    shop.job = JOB.replace('"*.csv"', "s3://lake/night/*.csv")
    ended = shop.call("run")
    assert ended.exit == 4
    assert "s3://lake/night/*.csv" in ended.err
    checked = shop.call("check", as_json=False)
    assert (checked.exit, "columns not checked: no input" in checked.out) == (4, True), checked
    lake.put("night/a.csv", table(1))
    shop.environment |= {"AWS_NO_SIGN_REQUEST": "yes"}
    ended = shop.call("run")
    assert ended.exit == 4
    assert "access refused" in ended.err


def test_a_link_signed_anew_is_the_same_input_and_no_secret_is_kept_or_said(shop: Shop) -> None:
    with web_server(Web(files={"/a.csv": table(10) + b"u1,/x,never\n"})) as web:
        shop.job = JOB.replace('"*.csv"', f'"{web.url}/a.csv?{TOKEN}"') + "max_invalid: 50%\n"
        first = shop.call("plan", as_json=False)
        assert first.exit == 0
        assert f"{web.url}/a.csv?X-Amz-Date=…&X-Amz-Signature=…:12" in first.out
        planned = shop.call("plan")
        shop.job = shop.job.replace("5ecre7", "0ther").replace("20261120T", "20261121T")
        ended = shop.call("run")
        assert (ended.exit, ended.json["run"], ended.json["delivered"]) == (0, planned.json["run"], 10)
        kept = b"".join(file.read_bytes() for file in (shop.folder / ".clickreplay").rglob("*") if file.is_file())
        assert web.url.encode() in kept
        for words in (first.out, first.err, ended.out, ended.err, kept.decode("latin-1")):
            assert "5ecre7" not in words
            assert "0ther" not in words


def test_a_file_that_changes_while_it_is_planned_leaves_no_plan(shop: Shop) -> None:
    with web_server(Web(files={"/a.csv": table(60_000)})) as web:
        shop.job = JOB.replace('"*.csv"', f"{web.url}/a.csv")

        def replace(path: str, start: int) -> None:
            if start >= 1 << 20:
                web.files[path] = table(60_000).replace(b"/3", b"/4")

        web.before = replace
        ended = shop.call("run")
        assert ended.exit == 4
        assert f"{web.url}/a.csv changed while it was read" in ended.err
        assert [place["runs"] for place in shop.call("status").json["destinations"]] == [[]]
