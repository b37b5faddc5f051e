"""ZOZOTOWN: each row is one product shown, a click a product view besides; four features of the user stand for the contact."""

from __future__ import annotations

import csv
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from shared_exports import Event, Expected


def expected(path: Path) -> Expected:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    books = Expected(rows=len(rows))
    events = []
    for number, row in enumerate(rows):
        instant = datetime.fromisoformat(row["timestamp"])
        key = "-".join(row[f"user_feature_{i}"] for i in range(4))
        shown = {"recomVariantId": f"r1v{row['position']}", "products": [{"productId": row["item_id"]}]}
        events.append(Event(instant, (number, 0), "productImpressions", key, shown, row[""]))
        if row["click"] == "1":
            books.extra += 1
            product = {"productId": row["item_id"], "price": Decimal(0)}
            events.append(Event(instant, (number, 1), "productViewed", key, {"product": product}, row[""]))
    books.take(events)
    return books
