"""UBI: half the lines are directions of the bulk format; of the rest searches, clicks, carts and purchases are events."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from shared_exports import Event, Expected, epoch_ms


def expected(path: Path) -> Expected:
    lines = [json.loads(line, parse_float=Decimal) for line in path.read_text("utf-8").splitlines()]
    books = Expected(rows=len(lines))
    events = []
    for number, line in enumerate(lines):
        if "index" in line:
            books.filtered["bulk_lines"] += 1
            continue
        match line.get("action_name"):
            case None:
                if not line["user_query"].strip():
                    books.invalid_reasons["search.missing"] += 1
                    continue
                found = line.get("query_response_hit_ids")
                is_found = {} if found is None else {"isFound": Decimal(1 if found else 0)}
                rule, kind, params = 0, "searchRequest", {"search": line["user_query"], **is_found}
            case "click" | "item_click":
                rule, kind, params = 1, "productViewed", {"product": _product(line)}
            case "add_to_cart" | "purchase" as action:
                session = line.get("session_id") or line["event_attributes"]["session_id"]
                products = [_product(line) | {"quantity": Decimal(1)}] if action == "add_to_cart" else []
                rule, kind, params = 2, "cartUpdated", {"products": products, "recycleStateId": session}
            case _:
                books.filtered["no_rule"] += 1
                continue
        contact = {"externalCustomerId": line["client_id"]}
        events.append(Event(_instant(line["timestamp"]), (number, rule), kind, line["client_id"], contact | params))
    books.take(events)
    return books


def _product(line: dict[str, Any]) -> dict[str, object]:
    thing = line["event_attributes"]["object"]
    price = thing.get("object_detail", {}).get("price", 0)
    return {"productId": str(thing["object_id"]), "price": Decimal(price)}


def _instant(value: str | int) -> datetime:
    return epoch_ms(value) if isinstance(value, int) else datetime.fromisoformat(value)
