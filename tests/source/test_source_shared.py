"""The real exports beside the project: every row is read, with the dirt that is known to be there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from etl.source import SourceSettings, Unread, open_source

pytestmark = pytest.mark.shared

SHARED = Path(__file__).parents[3] / "shared" / "data"


def read(name: str, **options: Any) -> tuple[pa.Table, list[Unread]]:
    if not SHARED.is_dir():
        pytest.skip(f"the real exports are not here: {SHARED}")
    batches = list(open_source(SourceSettings(paths=(name,), **options), SHARED).batches())
    return pa.concat_tables([batch.table for batch in batches]), [item for batch in batches for item in batch.unread]


def blank(table: pa.Table, name: str) -> int:
    return int(pc.sum(pc.equal(table[name], "")).as_py())


def test_online_retail() -> None:
    table, unread = read("online_retail_10k.csv")
    assert (table.num_rows, unread) == (10_000, [])
    assert table.column_names[0] == "InvoiceNo"
    assert (blank(table, "CustomerID"), blank(table, "Description")) == (2_291, 42)
    assert table["_row"].to_pylist() == list(range(2, 10_002))
    assert (
        pc.sum(pc.match_substring(table["Description"], ";")).as_py()
        + pc.sum(pc.match_substring(table["Description"], '"')).as_py()
        > 0
    )


def test_snowplow() -> None:
    table, unread = read("snowplow_ecommerce_events.csv")
    assert (table.num_rows, table.num_columns, unread) == (834, 87 + 4, [])
    assert (blank(table, "user_id"), blank(table, "domain_userid")) == (834, 11)


def test_zozotown() -> None:
    table, unread = read("zozotown_obd_bts_men.csv")
    assert (table.num_rows, table.num_columns, unread) == (10_000, 44 + 4, [])
    assert table.column_names[0] == "column_1"


def test_ubi() -> None:
    table, unread = read("opensearch_ubi_queries_events.ndjson")
    assert (table.num_rows, unread) == (7_842, [])
    assert table.num_rows - table["index"].null_count == 3_921


def test_otto() -> None:
    table, unread = read("otto_sessions_sample.jsonl", explode="events")
    assert (table.num_rows, unread) == (862, [])
    assert pc.max(table["_element"]).as_py() == 275
    assert len(table["session"].unique()) == 20


def test_aws() -> None:
    table, unread = read("aws_clickstream_test_app.parquet")
    assert (table.num_rows, unread) == (2_153, [])
    assert table["items"].null_count == 2_153
