"""Segment: who a browser is comes from the `identify` calls of the same file, the last one of each browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from ready_jobs import SAMPLES, keep_last_cart, page
from shared_exports import Event, Expected


def of_sample() -> Expected:
    lines = (SAMPLES / "segment" / "calls.ndjson").read_text("utf-8").splitlines()
    books = Expected(rows=len(lines))
    calls = []
    for number, line in enumerate(lines):
        try:
            calls.append((number, json.loads(line, parse_float=Decimal)))
        except json.JSONDecodeError:
            books.invalid_reasons["json"] += 1
    known = {call["anonymousId"]: call for _, call in calls if call["type"] == "identify"}
    events = []
    for number, call in calls:
        found = _match(call)
        told = known.get(call["anonymousId"], {})
        who = call["userId"] or told.get("userId")
        email = told.get("traits", {}).get("email")
        if found is None:
            books.filtered["no_rule"] += 1
        elif who is None:
            books.filtered["anonymous"] += 1
        else:
            kind, params = found
            contact = {"externalCustomerId": who} | ({"email": email.lower()} if email else {})
            instant = datetime.fromisoformat(call["timestamp"])
            events.append(Event(instant, (number, 0), kind, who, contact | params, call["messageId"]))
    books.take(events)
    keep_last_cart(books)
    return books


def _match(call: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    return next(_matches(call.get("event"), call.get("properties", {}), call), None)


def _matches(event: str | None, said: dict[str, Any], call: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    currency = {"currencyCode": said["currency"]} if "currency" in said else {}
    if call["type"] == "page":
        yield "pageViewed", {"page": page(said["url"])}
    elif event in ("Product Viewed", "Product Added to Wishlist"):
        kind = "productViewed" if event == "Product Viewed" else "productAddedToWishlist"
        yield kind, {"product": {"productId": said["product_id"], "price": said["price"]}} | currency
    elif event == "Product List Viewed" and said["category"]:
        yield "productCategoryViewed", {"category": {"productCategoryId": said["category"]}}
    elif event in ("Cart Viewed", "Checkout Started", "Order Completed"):
        products = [
            {
                "productId": product["product_id"],
                "name": product["name"],
                "quantity": Decimal(product.get("quantity", 1)),
                "price": product["price"],
            }
            for product in said["products"]
            if event != "Order Completed"
        ]
        yield "cartUpdated", {"products": products, "recycleStateId": call["anonymousId"]} | currency
    elif event == "Products Searched":
        yield "searchRequest", {"search": said["query"], "isFound": Decimal(1)}
