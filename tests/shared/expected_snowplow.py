"""Snowplow: a row is a page view, and by its action a product view, a list shown or a cart; blank domain_userid falls out."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from shared_exports import Event, Expected

ACTION = "unstruct_event_com_snowplowanalytics_snowplow_ecommerce_snowplow_ecommerce_action_1_0_0"
PRODUCTS = "contexts_com_snowplowanalytics_snowplow_ecommerce_product_1_0_0"
CART = "contexts_com_snowplowanalytics_snowplow_ecommerce_cart_1_0_0"
LISTS = {"recommended": "r1v1", "shop the look": "r2v1"}


def expected(path: Path) -> Expected:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    books = Expected(rows=len(rows))
    events = []
    for number, row in enumerate(rows):
        matches = list(_matches(row))
        books.extra += max(len(matches) - 1, 0)
        if not matches:
            books.filtered["no_rule"] += 1
        elif not row["domain_userid"]:
            books.filtered["anonymous"] += len(matches)
        else:
            contact = {"externalCustomerId": row["domain_userid"]}
            instant = datetime.fromisoformat(row["derived_tstamp"])
            instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
            for rule, kind, params in matches:
                events.append(
                    Event(instant, (number, rule), kind, row["domain_userid"], contact | params, row["event_id"])
                )
    books.take(events)
    return books


def _matches(row: dict[str, str]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    action = json.loads(row[ACTION] or "{}")
    products = json.loads(row[PRODUCTS] or "[]")
    does = action.get("type")
    if row["page_url"]:
        yield 0, "pageViewed", {"page": {"location": row["page_url"]}}
    if does == "product_view":
        first = products[0]
        product = {"productId": first["id"], "price": Decimal(str(first["price"])), "category": [first["category"]]}
        yield 1, "productViewed", {"product": product, "currencyCode": first["currency"]}
    if does == "list_view":
        shown = [{"productId": each["id"]} for each in products]
        yield 2, "productImpressions", {"recomVariantId": LISTS.get(action["name"], "r3v1"), "products": shown}
    emptied = does == "remove_from_cart" and json.loads(row[CART] or "[{}]")[0].get("total_value") == "0.0"
    if does in ("add_to_cart", "transaction") or emptied:
        kept = [
            {"productId": p["id"], "quantity": Decimal(p.get("quantity") or 1), "price": Decimal(str(p["price"]))}
            for p in products
            if does == "add_to_cart"
        ]
        yield 3, "cartUpdated", {"products": kept, "recycleStateId": row["domain_sessionid"]}
