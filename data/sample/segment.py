"""Calls of Segment or RudderStack as NDJSON: identify, page and track, with the names of Segment's e-commerce spec, version 2."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from story import SHOP, Act, story

SEED = 6
NAMES = {
    "view": "Product Viewed", "list": "Product List Viewed", "add": "Product Added", "cart": "Cart Viewed",
    "checkout": "Checkout Started", "buy": "Order Completed", "wish": "Product Added to Wishlist", "search": "Products Searched",
}  # fmt: skip


def write(folder: Path) -> None:
    """Write the calls; some come twice, as a phone sends them again, and one line is cut."""
    rng = random.Random(SEED)
    lines = [json.dumps(call, ensure_ascii=False) for call in _calls()]
    for at in sorted(rng.sample(range(len(lines)), 12), reverse=True):
        lines.insert(
            at + 1, json.dumps(json.loads(lines[at]) | {"sentAt": "2026-11-20T23:00:00.000Z"}, ensure_ascii=False)
        )
    lines.insert(150, lines[150][:60])
    (folder / "calls.ndjson").write_text("".join(f"{line}\n" for line in lines), "utf-8")


def _calls() -> Iterator[dict[str, Any]]:
    for act in story(SEED, 220):
        # A browser sends who it is with `identify`; the calls after it carry the userId only where the page was told.
        if act.what == "login" and act.account:
            traits = {"email": f"{act.account}@Example.com"} if act.visitor % 4 else {"plan": "free"}
            yield _call(act, "identify", 0) | {"userId": act.account, "traits": traits}
        yield _call(act, "page", 1) | {
            "name": act.what,
            "properties": {"url": f"{SHOP}{act.path}?token=s3cret", "path": act.path},
        }
        if act.what not in NAMES:
            continue
        products = [_product(act, n) for n in range(len(act.products))]
        for nth, properties in enumerate(_properties(act, products)):
            yield _call(act, "track", 2 + nth) | {"event": NAMES[act.what], "properties": properties}


def _call(act: Act, kind: str, nth: int) -> dict[str, Any]:
    return {
        "messageId": f"ajs-{act.number:04d}-{nth}",
        "type": kind,
        "anonymousId": f"a{act.visitor:03d}",
        "userId": act.user if act.visitor % 5 == 0 else None,
        "timestamp": f"{act.time:%Y-%m-%dT%H:%M:%S}.{act.time.microsecond // 1000 + nth:03d}Z",
        "sentAt": f"{act.time:%Y-%m-%dT%H:%M:%S}.999Z",
        "context": {"library": {"name": "analytics.js"}, "userAgent": "Mozilla/5.0"},
    }


def _properties(act: Act, products: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    if act.what in ("view", "add", "wish"):
        for product in products:  # these names are for one product a call
            yield {"currency": "UAH"} | product
    elif act.what == "list":
        yield {
            "list_id": f"l{act.number % 2}",
            "category": act.products[0][0].category if act.number % 2 else None,
            "products": products,
        }
    elif act.what == "search":
        yield {"query": act.query}
    else:
        total = round(sum(p.price * n for p, n in act.products), 2)
        named = (
            {"cart_id": f"c{act.visitor}"}
            if act.what == "cart"
            else {"order_id": f"o{act.number}", "value": total, "currency": "UAH"}
        )
        yield named | {"products": products}


def _product(act: Act, nth: int) -> dict[str, Any]:
    product, quantity = act.products[nth]
    found = {
        "product_id": product.sku,
        "sku": f"S-{product.sku}",
        "name": product.name,
        "category": product.category,
        "price": product.price,
    }
    # A page with one of everything may leave the quantity out, as the spec's own example of Cart Viewed does.
    return found if act.what == "cart" and quantity == 1 else found | {"quantity": quantity}
