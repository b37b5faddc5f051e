"""Snowplow: who a browser is comes from its own rows, and a cart is only ever told to be empty."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from ready_jobs import SAMPLES, keep_last_cart, page
from shared_exports import Event, Expected

_OF_SHOP = "com_snowplowanalytics_snowplow_ecommerce"
ACTION = f"unstruct_event_{_OF_SHOP}_snowplow_ecommerce_action_1_0_0"
PRODUCTS, CART, USER = (f"contexts_{_OF_SHOP}_{name}_1_0_0" for name in ("product", "cart", "user"))


def of_sample() -> Expected:
    return expected(SAMPLES / "snowplow" / "events.csv", "page_view")


def expected(path: Path, pages: str) -> Expected:
    """`pages` is the `event` of page views; one without an address is none."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    known = {row["domain_userid"]: account for row in rows if row["domain_userid"] and (account := _account(row))}
    books = Expected(rows=len(rows))
    events = []
    for number, row in enumerate(rows):
        matches = list(_matches(row, pages))
        books.extra += max(len(matches) - 1, 0)
        who = _account(row) or known.get(row["domain_userid"])
        if not matches:
            books.filtered["no_rule"] += 1
        elif who is None:
            books.filtered["anonymous"] += len(matches)
        else:
            instant = datetime.fromisoformat(row["derived_tstamp"])
            instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
            for rule, kind, params in matches:
                contact = {"externalCustomerId": who}
                events.append(Event(instant, (number, rule), kind, who, contact | params, row["event_id"]))
    books.take(events)
    keep_last_cart(books)
    return books


def _account(row: dict[str, str]) -> str | None:
    users = json.loads(row[USER] or "[]")
    return row["user_id"] or (users[0]["id"] if users else None)


def _matches(row: dict[str, str], pages: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    action = json.loads(row[ACTION] or "{}")
    products = json.loads(row[PRODUCTS] or "[]")
    does = action.get("type")
    if row["event"] == pages and row["page_url"]:
        yield 0, "pageViewed", {"page": page(row["page_url"])}
    if does == "product_view":
        for one in products:
            product = {"productId": one["id"], "price": Decimal(str(one["price"])), "category": [one["category"]]}
            yield 1, "productViewed", {"product": product, "currencyCode": one["currency"]}
    if does == "list_view" and action["name"] == "product list":
        yield 2, "productCategoryViewed", {"category": {"productCategoryId": products[0]["category"]}}
    emptied = does == "remove_from_cart" and float(json.loads(row[CART])[0]["total_value"]) == 0
    if does == "transaction" or emptied:
        yield 3, "cartUpdated", {"products": [], "recycleStateId": row["domain_userid"] or _account(row)}
