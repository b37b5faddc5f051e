"""Orders: a line that was bought is an event, the first line of an order is the order, and empties the cart."""

from __future__ import annotations

import csv
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from ready_jobs import SAMPLES, keep_last_cart
from shared_exports import Event, Expected


def of_sample() -> Expected:
    with (SAMPLES / "orders" / "lines.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    books = Expected(rows=len(rows))
    events = []
    for number, row in enumerate(rows):
        email = row["email"].strip().lower()
        order, is_first, is_bought = row["order_id"], row["line"] == "1", int(row["qty"]) > 0
        matches: list[tuple[int, str, str | None, dict[str, Any]]] = []
        if is_first:
            matches.append((0, "cartUpdated", None, {"products": [], "recycleStateId": order}))
            matches.append((1, "orderCompleted", order, {"orderId": order}))
        if is_bought:
            line = {"orderId": order, "productId": row["sku"], "quantity": Decimal(row["qty"]), "price": _price(row)}
            matches.append((2, "productBought", f"{order}/{row['line']}", line))
        books.extra += max(len(matches) - 1, 0)
        if not matches:
            books.filtered["no_rule"] += 1
        elif not email:
            books.filtered["anonymous"] += len(matches)
        else:
            instant = datetime.strptime(row["created_at"], "%d.%m.%Y %H:%M:%S").replace(tzinfo=ZoneInfo("Europe/Kyiv"))
            for rule, kind, mark, params in matches:
                if params.get("price", 0) is None:
                    books.invalid_reasons["params.price.failed"] += 1
                else:
                    events.append(Event(instant, (number, rule), kind, email, {"email": email} | params, mark))
    books.take(events)
    keep_last_cart(books)
    return books


def _price(row: dict[str, str]) -> Decimal | None:
    try:
        return Decimal(row["price"].replace(",", "."))
    except InvalidOperation:
        return None
