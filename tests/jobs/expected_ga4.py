"""GA4 from BigQuery, whichever form it has: known users only, carts where the whole cart is named."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow.parquet as pq
from ready_jobs import SAMPLES, keep_first_in, keep_last_cart, page
from shared_exports import Event, Expected

PARQUET = SAMPLES / "ga4" / "events_20261120.parquet"
NDJSON = SAMPLES / "ga4" / "events_20261120.ndjson"


def of_parquet() -> Expected:
    return expected(pq.read_table(PARQUET).to_pylist())


def of_ndjson() -> Expected:
    return expected([json.loads(line) for line in NDJSON.read_text("utf-8").splitlines()])


def expected(rows: list[dict[str, Any]]) -> Expected:
    books = Expected(rows=len(rows))
    events = []
    for number, row in enumerate(rows):
        matches = list(_matches(row))
        books.extra += max(len(matches) - 1, 0)
        if not matches:
            books.filtered["no_rule"] += 1
        for element, (kind, params) in enumerate(matches):
            user = row.get("user_id")
            if user is None:
                books.filtered["anonymous"] += 1
            elif params.get("product", {"price": 0})["price"] is None:
                books.invalid_reasons["product.price.missing"] += 1
            else:
                instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(row["event_timestamp"]))
                events.append(Event(instant, (number, element), kind, user, {"externalCustomerId": user} | params))
    books.take(events)
    keep_last_cart(books)
    keep_first_in(books, "searchRequest", timedelta(minutes=1), lambda event: event.params["search"])
    return books


def _matches(row: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    said = {
        param["key"]: next(str(value) for value in param["value"].values() if value is not None)
        for param in row["event_params"]
    }
    name, items, url = row["event_name"], row["items"], said["page_location"]
    currency = {"currencyCode": said["currency"]} if "currency" in said else {}
    products = [{"productId": item["item_id"], "price": _number(item.get("price"))} for item in items]
    if name == "page_view":
        yield "pageViewed", {"page": page(url)}
    elif name == "view_item":
        yield from (("productViewed", {"product": product} | currency) for product in products)
    elif name == "view_item_list" and (category := re.match(r"https://[^/]+/category/([^/?]+)", url)):
        yield "productCategoryViewed", {"category": {"productCategoryId": category[1]}}
    elif name == "purchase" or (name in ("view_cart", "begin_checkout") and items):
        named = [
            product | {"name": item["item_name"], "quantity": _number(item["quantity"])}
            for product, item in zip(products, items, strict=True)
        ]
        cart = {
            "products": [] if name == "purchase" else named,
            "recycleStateId": row.get("user_pseudo_id") or row.get("user_id"),
        }
        yield "cartUpdated", cart | currency
    elif name == "add_to_wishlist":
        yield from (("productAddedToWishlist", {"product": product} | currency) for product in products)
    elif name in ("search", "view_search_results"):
        yield "searchRequest", {"search": said["search_term"], "isFound": Decimal(1)}


def _number(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))
