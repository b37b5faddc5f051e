"""GA4's export to BigQuery, as Parquet and as NDJSON: the same rows in both.

The schema: support.google.com/analytics/answer/7029846. BigQuery's JSON leaves nulls out, writes int64 as text, and <, > and & by their
numbers.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from story import SHOP, Act, story

SEED = 4
NAMES = {
    "home": "page_view", "view": "view_item", "list": "view_item_list", "add": "add_to_cart", "cart": "view_cart",
    "checkout": "begin_checkout", "buy": "purchase", "wish": "add_to_wishlist", "search": "view_search_results", "login": "login",
}  # fmt: skip

_VALUE = pa.struct(
    {"string_value": pa.string(), "int_value": pa.int64(), "float_value": pa.float64(), "double_value": pa.float64()}
)
_ITEM = pa.struct(
    {"item_id": pa.string(), "item_name": pa.string(), "item_category": pa.string(), "item_list_id": pa.string(),
     "coupon": pa.string(), "price": pa.float64(), "quantity": pa.int64()}
)  # fmt: skip
SCHEMA = pa.schema({
    "event_date": pa.string(), "event_timestamp": pa.int64(), "event_name": pa.string(),
    "event_params": pa.list_(pa.struct({"key": pa.string(), "value": _VALUE})),
    "user_id": pa.string(), "user_pseudo_id": pa.string(), "platform": pa.string(), "items": pa.list_(_ITEM),
})  # fmt: skip


def write(folder: Path) -> None:
    """Write the rows in both forms."""
    rows = list(_rows())
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), folder / "events_20261120.parquet")
    lines = (json.dumps(_as_json(row), ensure_ascii=False) for row in rows)
    text = "".join(f"{line}\n" for line in lines)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    (folder / "events_20261120.ndjson").write_text(text, "utf-8")


def _rows() -> Iterator[dict[str, Any]]:
    rng = random.Random(SEED)
    for act in story(SEED, 220):
        if act.what != "home":  # a page of its own, before what happens on it
            yield _row(act, "page_view", 0)
        items = [] if act.what == "cart" and rng.random() < 0.1 else _items(act)  # some tags forget their items
        yield _row(act, NAMES[act.what], 1, items)
        if act.what == "search" and rng.random() < 0.4:  # the site's own tag, beside the one of enhanced measurement
            yield _row(act, "search", 2)


def _row(act: Act, name: str, later: int, items: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    said: dict[str, str | int | float | None] = {
        "page_location": f"{SHOP}{act.path}?utm_source=mail&token=s3cret{act.number}" if act.number % 3 else SHOP + act.path,
        "ga_session_id": 1_763_600_000 + act.visitor,
        "engagement_time_msec": None if name == "page_view" else 100 + act.number,
        "search_term": act.query if name in ("search", "view_search_results") else None,
        "value": sum(p.price * n for p, n in act.products) if name in ("purchase", "begin_checkout") else None,
        "currency": "UAH" if items else None,
    }  # fmt: skip
    return {
        "event_date": f"{act.time:%Y%m%d}",
        "event_timestamp": int(act.time.timestamp()) * 1_000_000 + act.time.microsecond + later,
        "event_name": name,
        "event_params": [{"key": key, "value": _value(value)} for key, value in said.items() if value is not None],
        "user_id": act.user,
        "user_pseudo_id": f"{1000 + act.visitor}.1763600000" if act.visitor % 13 else None,  # no consent, no cookie
        "platform": "WEB",
        "items": items or [],
    }


def _value(value: str | int | float) -> dict[str, Any]:
    field = {str: "string_value", int: "int_value", float: "double_value"}[type(value)]
    return {name: value if name == field else None for name in _VALUE.names}


def _items(act: Act) -> list[dict[str, Any]]:
    return [
        {
            "item_id": product.sku,
            "item_name": product.name,
            "item_category": product.category,
            "item_list_id": "related" if act.what == "list" and act.number % 2 else None,
            "price": None if act.what == "view" and act.number % 17 == 0 else product.price,
            "quantity": quantity,
        }
        for product, quantity in act.products
    ]


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_json(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_as_json(inner) for inner in value]
    return str(value) if isinstance(value, int) else value
