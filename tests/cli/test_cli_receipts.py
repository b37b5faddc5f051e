"""What became of each event of a run stands in its receipts, which outlive its bodies and hold no contact data."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
from called import Shop, pages
from picky import picky as picky_server

from etl.flow import receipts


def receipts_in(shop: Shop) -> list[Path]:
    return sorted((shop.folder / ".clickreplay").glob(f"*/*/runs/*/{receipts.NAME}"))


def test_a_closed_run_keeps_a_row_for_each_event_with_its_verdict(shop: Shop) -> None:
    with picky_server() as server:
        server.refused, server.silent = {"/3"}, {"/5"}
        shop.api = server.url
        shop.job = shop.job.replace("stale: send", "stale: send, max_rejected: 100%, on_unknown: hold")
        shop.write(pages(8))
        assert shop.call("run").exit == 3
    (path,) = receipts_in(shop)
    table = pq.read_table(path)
    assert table.schema.equals(receipts.RECEIPTS)
    found = {row["row"] - 2: (row["verdict"], row["status"], row["tries"]) for row in table.to_pylist()}
    others = {n: ("delivered", 200, 1) for n in range(8) if n not in (3, 5)}
    assert found == {**others, 3: ("rejected", 400, 1), 5: ("unknown", None, 1)}
    assert all(table["sent_at"].is_valid().to_pylist())


def test_receipts_are_the_ledger_and_more(shop: Shop) -> None:
    shop.write(pages(20))
    shop.call("run")
    (segment,) = (shop.folder / ".clickreplay").glob("*/*/ledger/*/*.parquet")
    (path,) = receipts_in(shop)
    kept, ledger = pq.read_table(path).sort_by("id"), pq.read_table(segment)
    for name in ("id", "twin", "lane", "instant"):
        assert kept[name].to_pylist() == ledger[name].to_pylist()


def test_an_abandoned_run_says_which_of_its_events_were_sent(shop: Shop) -> None:
    shop.write(pages(20))
    shop.call("run", "--limit", "5")
    assert receipts_in(shop) == []
    shop.write([])
    shop.call("run", "--abandon")
    verdicts = pq.read_table(receipts_in(shop)[0])["verdict"].to_pylist()
    assert Counter(verdicts) == {"delivered": 5, "pending": 15}


def test_receipts_hold_no_contact_data_and_purge_leaves_them(shop: Shop) -> None:
    rows = [{**row, "user": "ann.smith@example.com"} for row in pages(5)]
    shop.write(rows)
    shop.call("run")
    (path,) = receipts_in(shop)
    before = path.read_bytes()
    assert b"ann" not in before
    assert shop.call("purge", "--contact", "ann.smith@example.com").exit == 0
    assert shop.call("purge", "--older-than", "0d").exit == 0
    assert path.read_bytes() == before


def test_receipts_whose_bytes_have_rotted_are_not_whole(shop: Shop) -> None:
    shop.write(pages(2000))
    shop.call("run")
    (path,) = receipts_in(shop)
    assert receipts.is_whole(path)
    bytes_ = bytearray(path.read_bytes())
    bytes_[len(bytes_) // 3] ^= 0xFF
    path.write_bytes(bytes_)
    assert not receipts.is_whole(path)


def test_receipts_go_when_the_ledger_forgets_their_run(shop: Shop) -> None:
    shop.job += "ledger: {keep: 90d}\n"
    shop.write([{"user": "u", "url": "/old", "time": "2021-01-01T10:00:00Z"}])
    shop.call("run")
    (old,) = receipts_in(shop)
    with closing(sqlite3.connect(old.parents[2] / "checkpoint.sqlite")) as database, database:
        database.execute("UPDATE runs SET ended = ended - 86400 * 100")
    shop.write(pages(3))
    shop.call("run")
    (new,) = receipts_in(shop)
    assert new.parent != old.parent
